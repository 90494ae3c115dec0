"""Engines: one dialect a file, and the host that starts, asks and stops them. Never timed."""
