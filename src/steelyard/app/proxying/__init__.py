"""A recording proxy in front of any subject, and what it recorded."""
