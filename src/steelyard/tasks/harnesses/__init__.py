"""Evaluation harnesses of other people, run unmodified in environments of their own."""
