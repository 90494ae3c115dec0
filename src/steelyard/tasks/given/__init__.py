"""Items that no generator makes: files of the user's, columns and scorers chosen by name."""
