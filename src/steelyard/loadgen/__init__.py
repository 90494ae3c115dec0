"""Measured requests: what to send when (pure), and the child process that sends and stamps."""
