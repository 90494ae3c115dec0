"""Functions to be written, and what is needed to try them out."""
