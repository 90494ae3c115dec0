"""Asking what is known: evaluations, their comparison and re-scoring, and the tasks to look at."""
