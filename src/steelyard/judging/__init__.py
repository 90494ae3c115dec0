"""Judges: how an answer is put before one, and how its reply is read."""
