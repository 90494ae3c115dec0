"""The command line: shows and asks; no number is computed here."""
