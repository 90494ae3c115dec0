"""Model files: read and judge them, make a ladder of quants, find them, say what they need."""
