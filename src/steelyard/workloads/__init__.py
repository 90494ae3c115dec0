"""Prompts for timing, cut to exact lengths in the served model's own tokens."""
