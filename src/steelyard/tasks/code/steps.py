"""Steps that a function is composed of: what each does in words, and in Python.

A step takes `value` in one shape and leaves it in another; `k` is a number or text that is drawn
for it. Every loop runs over something finite that it does not grow, so that no change of an
operator can make one endless. Nothing depends on the order of a dictionary. Not aware of prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

Shape: TypeAlias = Literal["text", "words", "numbers", "table", "number", "graph"]

TYPES: Final[dict[Shape, str]] = {
    "text": "str",
    "words": "list[str]",
    "numbers": "list[int]",
    "table": "dict[str, int]",
    "number": "int",
    "graph": "dict[str, list[str]]",
}


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One step; `{k}` in its words and its code is one of `choices`, where it has any."""

    takes: Shape
    gives: Shape
    says: str
    does: str
    choices: tuple[int | str, ...] = ()

    def told(self, k: int | str) -> str:
        """Return the step in words."""
        return self.says.replace("{k}", str(k))

    def coded(self, k: int | str) -> str:
        """Return the step in Python, `k` as a literal."""
        return self.does.replace("{k}", repr(k))


_TEXT: Final = (
    Step("text", "text", "Reverse the text.", "value = value[::-1]"),
    Step("text", "text", "Remove every vowel (a, e, i, o, u, small or capital).",
         'value = "".join(c for c in value if c not in "aeiouAEIOU")'),
    Step("text", "text", "Keep only the letters.",
         'value = "".join(c for c in value if c.isalpha())'),
    Step("text", "text", "Make capital letters small and small letters capital.",
         "value = value.swapcase()"),
    Step("text", "text", "Move the first {k} characters to the end; a text of at most {k}"
         " characters stays as it is.", "value = value[{k}:] + value[:{k}]", (1, 2, 3, 4, 5)),
    Step("text", "text", "Keep the characters at positions 0, {k}, twice {k} and so on, counted"
         " from 0.", "value = value[::{k}]", (2, 3, 4)),
    Step("text", "text", "Write every character {k} times in a row.",
         'value = "".join(c * {k} for c in value)', (2, 3)),
    Step("text", "text", "Replace each run of the same character by a single one.",
         'kept = ""\nfor c in value:\n    if kept[-1:] != c:\n        kept += c\nvalue = kept'),
    Step("text", "text", "Replace every digit by 9 minus that digit.",
         'value = "".join(str(9 - int(c)) if c.isdigit() else c for c in value)'),
    Step("text", "text", "Put the number of its characters and a colon in front of the text.",
         'value = str(len(value)) + ":" + value'),
    Step("text", "text", 'Replace every space by "{k}".',
         'value = value.replace(" ", {k})', ("_", "-", "*", "~")),
    Step("text", "words", "Split the text at spaces into words; there are no empty words.",
         "value = value.split()"),
    Step("text", "words", "Cut the text into pieces of {k} characters; the last may be shorter.",
         "value = [value[i:i + {k}] for i in range(0, len(value), {k})]", (2, 3, 4, 5)),
    Step("text", "table", "Count how often each character occurs, leaving spaces out.",
         'counts = {}\nfor c in value:\n    if c != " ":\n'
         "        counts[c] = counts.get(c, 0) + 1\nvalue = counts"),
    Step("text", "number", "Count the different characters.", "value = len(set(value))"),
    Step("text", "number", "Find the length of the longest run of one character; 0 for an empty"
         " text.",
         'best = run = 0\nlast = ""\nfor c in value:\n    run = run + 1 if c == last else 1\n'
         "    best = max(best, run)\n    last = c\nvalue = best"),
)  # fmt: skip
_WORDS: Final = (
    Step("words", "words", "Drop every word shorter than {k} characters.",
         "value = [w for w in value if len(w) >= {k}]", (2, 3, 4)),
    Step("words", "words", "Put the words into the opposite order.", "value = value[::-1]"),
    Step("words", "words", "Reverse every word.", "value = [w[::-1] for w in value]"),
    Step("words", "words", "Sort the words by length, shortest first, and words of the same length"
         " by code points.", "value = sorted(value, key=lambda w: (len(w), w))"),
    Step("words", "words", "Keep only the first of words that are the same.",
         "kept = []\nfor w in value:\n    if w not in kept:\n        kept.append(w)\nvalue = kept"),
    Step("words", "words", "Move the first character of every word to that word's end.",
         "value = [w[1:] + w[:1] for w in value]"),
    Step("words", "words", "Keep the words at positions 0, {k}, twice {k} and so on, counted"
         " from 0.",
         "value = value[::{k}]", (2, 3)),
    Step("words", "words", "Drop every word in which some character occurs more than once.",
         "value = [w for w in value if len(set(w)) == len(w)]"),
    Step("words", "words", "Make all letters of the words at odd positions capital; positions count"
         " from 0.",
         "value = [w.upper() if i % 2 == 1 else w for i, w in enumerate(value)]"),
    Step("words", "words", "Join each word with the next one, so that there is one word less; an"
         " empty list stays empty.",
         "value = [a + b for a, b in zip(value, value[1:])]"),
    Step("words", "text", 'Join the words with "{k}" between them.',
         "value = {k}.join(value)", ("-", "+", "/", "::")),
    Step("words", "text", "Take the first {k} characters of each word, or all of a shorter one, and"
         " join them with nothing between.",
         'value = "".join(w[:{k}] for w in value)', (1, 2, 3)),
    Step("words", "table", "Count how often each word occurs.",
         "counts = {}\nfor w in value:\n    counts[w] = counts.get(w, 0) + 1\nvalue = counts"),
    Step("words", "table", "Map each word to the position at which it occurs last, counted from 0.",
         "value = {w: i for i, w in enumerate(value)}"),
    Step("words", "numbers", "Replace each word by its length.", "value = [len(w) for w in value]"),
    Step("words", "number", "Find the length of the longest word; 0 if there is none.",
         "value = max((len(w) for w in value), default=0)"),
    Step("words", "number", "Count the words that are longer than the word before them.",
         "value = sum(len(b) > len(a) for a, b in zip(value, value[1:]))"),
)  # fmt: skip
_NUMBERS: Final = (
    Step("numbers", "numbers", "Keep only multiples of {k}.",
         "value = [n for n in value if n % {k} == 0]", (2, 3, 4, 5)),
    Step("numbers", "numbers", "Drop every number below {k}.",
         "value = [n for n in value if n >= {k}]", (-4, -1, 2, 5, 8)),
    Step("numbers", "numbers", "Replace every number by what is left over when it is divided by"
         " {k}, which is never negative.", "value = [n % {k} for n in value]", (3, 4, 5, 7, 9)),
    Step("numbers", "numbers", "Replace each number by the sum of all numbers up to it, itself"
         " included.",
         "total = 0\nsums = []\nfor n in value:\n    total += n\n    sums.append(total)\n"
         "value = sums"),
    Step("numbers", "numbers", "Replace the list by the differences of neighbours, each number"
         " minus the one before it; one number alone leaves an empty list.",
         "value = [b - a for a, b in zip(value, value[1:])]"),
    Step("numbers", "numbers", "Keep only the first of numbers that are the same.",
         "kept = []\nfor n in value:\n    if n not in kept:\n        kept.append(n)\nvalue = kept"),
    Step("numbers", "numbers", "Sort the numbers, largest first.",
         "value = sorted(value, reverse=True)"),
    Step("numbers", "numbers", "Move the first {k} numbers to the end; a list of at most {k}"
         " numbers stays as it is.", "value = value[{k}:] + value[:{k}]", (1, 2, 3)),
    Step("numbers", "numbers", "Multiply each number by its position, counted from 1.",
         "value = [i * n for i, n in enumerate(value, 1)]"),
    Step("numbers", "numbers", "Put the numbers into the opposite order.", "value = value[::-1]"),
    Step("numbers", "numbers", "Add {k} to every number.",
         "value = [n + {k} for n in value]", (-3, 2, 4, 7)),
    Step("numbers", "numbers", "Replace every number above {k} by {k}.",
         "value = [min(n, {k}) for n in value]", (3, 6, 10)),
    Step("numbers", "number", "Add all numbers up.", "value = sum(value)"),
    Step("numbers", "number", "Subtract the smallest number from the largest; 0 for an empty list.",
         "value = max(value) - min(value) if value else 0"),
    Step("numbers", "number", "Count the numbers that are larger than the number before them.",
         "value = sum(b > a for a, b in zip(value, value[1:]))"),
    Step("numbers", "number", "Find the length of the longest stretch of neighbours in which each"
         " number is larger than the one before it; 0 for an empty list.",
         "best = run = 0\nlast = 0\nfor n in value:\n    run = run + 1 if run and n > last else 1\n"
         "    best = max(best, run)\n    last = n\nvalue = best"),
    Step("numbers", "table", "Map each number, written as text, to how often it occurs.",
         "counts = {}\nfor n in value:\n    counts[str(n)] = counts.get(str(n), 0) + 1\n"
         "value = counts"),
    Step("numbers", "words", "Write each number as text.", "value = [str(n) for n in value]"),
)  # fmt: skip
_TABLE: Final = (
    Step("table", "table", "Keep only entries with a value of at least {k}.",
         "value = {n: v for n, v in value.items() if v >= {k}}", (1, 2, 3, 4)),
    Step("table", "table", "Add {k} to every value.",
         "value = {n: v + {k} for n, v in value.items()}", (-2, 1, 3, 5)),
    Step("table", "table", "Drop every entry whose name has more than {k} characters.",
         "value = {n: v for n, v in value.items() if len(n) <= {k}}", (2, 3, 4)),
    Step("table", "table", "Replace each value by the number of entries with a larger value.",
         "value = {n: sum(o > v for o in value.values()) for n, v in value.items()}"),
    Step("table", "table", "Subtract the smallest value from every value.",
         "value = {n: v - min(value.values()) for n, v in value.items()}"),
    Step("table", "table", "Merge entries whose names begin with the same character into one"
         " that is named by this character; its value is the sum of theirs.",
         "sums = {}\nfor n, v in value.items():\n    sums[n[:1]] = sums.get(n[:1], 0) + v\n"
         "value = sums"),
    Step("table", "table", "Multiply each value by the number of characters of its name.",
         "value = {n: v * len(n) for n, v in value.items()}"),
    Step("table", "table", "Replace each value by what is left over when it is divided by {k},"
         " which is never negative.",
         "value = {n: v % {k} for n, v in value.items()}", (2, 3, 5)),
    Step("table", "words", "List the names by value, largest first, and names of the same value by"
         " code points.",
         "value = sorted(value, key=lambda n: (-value[n], n))"),
    Step("table", "words", "List the names by code points.", "value = sorted(value)"),
    Step("table", "words", "List by code points the names whose value is the largest that occurs.",
         "value = sorted(n for n in value if value[n] == max(value.values()))"),
    Step("table", "numbers", "List the values in the order of their names by code points.",
         "value = [value[n] for n in sorted(value)]"),
    Step("table", "number", "Add all values up.", "value = sum(value.values())"),
    Step("table", "number", "Count the different values.", "value = len(set(value.values()))"),
)  # fmt: skip
EVERY: Final = (*_TEXT, *_WORDS, *_NUMBERS, *_TABLE)
