"""Prompts that ask for one kind of text, in plain words: what a draft model is to be tried on.

JSON and maths are asked by the items of task families (`tasks`), which have known answers. Never
random text: a draft guesses nothing of it, and the acceptance would say nothing of anybody's use.
Not aware of models.
"""

from __future__ import annotations

from typing import Final

_FUNCTIONS: Final = (
    "returns the larger of two numbers",
    "counts the vowels in a string",
    "reverses a list in place",
    "says whether a year is a leap year",
    "returns the n-th Fibonacci number",
    "removes duplicates from a list and keeps its order",
    "reads a file and returns its lines",
    "merges two sorted lists",
    "checks whether brackets in a string are balanced",
    "computes the mean of a list of floats",
    "turns a dictionary into a query string",
    "finds the longest word in a sentence",
    "rotates a matrix by 90 degrees",
    "parses a date such as 2026-03-01",
    "groups words by their first letter",
    "returns the prime factors of a number",
)
_TOPICS: Final = (
    "a harbour in winter",
    "how bread is made",
    "a letter that came too late",
    "the first day at a new school",
    "why rivers bend",
    "a market early in the morning",
    "an old clock that was mended",
    "how bees find their way home",
    "a walk through a forest after rain",
    "a town that lost its railway",
    "how glass is blown",
    "a neighbour who never sleeps",
    "the sound of a street at night",
    "a lighthouse and its keeper",
    "how a bridge is built",
    "the garden behind a library",
)


def code(number: int) -> str:
    """Return the `number`-th request for code; they repeat after the last."""
    what = _FUNCTIONS[number % len(_FUNCTIONS)]
    return f"Write a Python function that {what}. Reply with the code only."


def prose(number: int) -> str:
    """Return the `number`-th request for prose."""
    return f"Write a paragraph about {_TOPICS[number % len(_TOPICS)]}."


# So many different ones there are of each.
MOST: Final = min(len(_FUNCTIONS), len(_TOPICS))
