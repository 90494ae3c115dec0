"""What to run, in which order, and what to do next: pure; a shell performs it."""
