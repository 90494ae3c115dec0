"""A number of things in words: `1 run`, `2,400 items`. Not aware of what is counted."""

from __future__ import annotations


def counted(number: int, noun: str, several: str = "") -> str:
    """Return the number with the noun, whose plural is `several` or ends in `s`."""
    return f"1 {noun}" if number == 1 else f"{number:,} {several or f'{noun}s'}"
