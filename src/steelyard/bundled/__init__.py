"""The files of the bundled model, and nothing else: data, read by path."""
