"""Format following: a few facts, to be written in a demanded form.

Each demand is a set of named constraints that are checked one by one; their pooled share is
adherence. An item is right when all of them hold and the content is right too. Level 1 asks for
one of seven forms of three or four words or numbers, a few of them rare ones; level 2 for one of
the named constraints alone, level 3 for two to five of them at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Final, final

from steelyard.tasks.demands import drawing
from steelyard.tasks.demands.together import NAMES as CONSTRAINTS
from steelyard.tasks.items import Cluster, Draft, alone
from steelyard.tasks.scoring import Constraint, FormScorer
from steelyard.tasks.words import ANIMALS, CITIES, COLOURS, JOBS, NAMES, OBJECTS, pool

_ONLY: Final = "Reply with nothing else."
_FEW: Final = 16


def _facts(rng: Random, level: int, size: int) -> dict[str, str | int]:
    """Draw `size` fields of one person."""
    drawn: dict[str, str | int] = {
        "name": rng.choice(pool(NAMES, level)),
        "age": rng.randint(2, 99),
        "city": rng.choice(pool(CITIES, level, _FEW)),
        "pet": rng.choice(pool(ANIMALS, level, _FEW)),
        "job": rng.choice(pool(JOBS, level, _FEW)),
        "color": rng.choice(pool(COLOURS, level, _FEW)),
    }
    return {field: drawn[field] for field in rng.sample(list(drawn), size)}


def _told(facts: dict[str, str | int]) -> str:
    return ", ".join(f"{field} {value}" for field, value in facts.items())


def _matches(name: str, pattern: str) -> Constraint:
    return Constraint(name, "matches", pattern)


def _json(rng: Random, level: int) -> Draft:
    facts = _facts(rng, level, (3, 3, 4, 5)[level])
    keys = list(facts)
    prompt = f"Facts: {_told(facts)}. Write them as one JSON object with the keys {_and(keys)}."
    if level > 1:
        prompt += " Write every word of the values in upper case."
        facts = {k: v.upper() if isinstance(v, str) else v for k, v in facts.items()}
    constraints = [Constraint("json_object", "json_object")]
    constraints.append(Constraint("json_keys", "json_keys", " ".join(keys)))
    constraints.append(_matches("nothing_else", r"\{[^{}]*\}"))
    if level > 1:
        constraints.append(_matches("upper_case_values", r'(?s)(?!.*:\s*"[^"]*[a-z]).*'))
    return _draft("json", prompt, json.dumps(facts), constraints, 48 * level)


def _csv(rng: Random, level: int) -> Draft:
    facts = _facts(rng, level, (3, 3, 4, 5)[level])
    fields = rng.sample(list(facts), len(facts))
    prompt = f"Facts: {_told(facts)}. Write one CSV line with the values of {_and(fields)}."
    line = ",".join(str(facts[field]) for field in fields)
    constraints = [
        _matches("one_line", r"[^\n]*"),
        _matches("commas", rf"[^,]*(,[^,]*){{{len(fields) - 1}}}"),
        _matches("no_spaces", r"[^ ]*"),
    ]
    return _draft("csv", prompt, line, constraints, 16 * level + 16)


def _bullets(rng: Random, level: int) -> Draft:
    words = rng.sample(pool(OBJECTS, level), (3, 3, 4, 5)[level])
    prompt = f"Words: {', '.join(words)}. Write them sorted from a to z,"
    prompt += " one a line, each line beginning with '- '."
    constraints = [
        _matches("bullets", r"- [^\n]*(\n- [^\n]*)*"),
        _matches("line_count", rf"[^\n]*(\n[^\n]*){{{len(words) - 1}}}"),
    ]
    return _draft(
        "bullets", prompt, "\n".join(f"- {w}" for w in sorted(words)), constraints, 16 * level + 16
    )


def _upper(rng: Random, level: int) -> Draft:
    words = rng.sample(pool(OBJECTS, level), (3, 3, 4, 5)[level])
    prompt = f"Write the words {_and(words)} in upper case, in reverse order, one space between."
    constraints = [
        _matches("upper_case", r"(?s)[^a-z]*[A-Z][^a-z]*"),
        _matches("word_count", rf"\S+( \S+){{{len(words) - 1}}}"),
    ]
    return _draft("upper", prompt, " ".join(words[::-1]).upper(), constraints, 16 * level + 8)


_MARKS: Final = (
    (" ", "spaces"),
    ("-", "hyphens"),
    ("/", "slashes"),
    ("+", "plus signs"),
    (":", "colons"),
)


def _repeat(rng: Random, level: int) -> Draft:
    word = rng.choice(pool(OBJECTS, level) + pool(ANIMALS, level))
    times = rng.randint(*((2, 9), (2, 10), (5, 12), (5, 18))[level])
    mark, spelled = rng.choice(_MARKS)
    prompt = f"Write the word {word} exactly {times} times, separated by {spelled}"
    prompt += "." if mark == " " else " without spaces."
    constraints = [
        _matches("separator", rf"\w+({re.escape(mark)}\w+)+"),
        _matches("word_count", rf"\W*\w+(\W+\w+){{{times - 1}}}\W*"),
    ]
    return _draft("repeat", prompt, mark.join([word] * times), constraints, 40 * level)


def _reverse(rng: Random, level: int) -> Draft:
    words = rng.sample(pool(OBJECTS, level), (4, 4, 5, 8)[level])
    prompt = f"Words: {', '.join(words)}. Write them in reverse order, separated by semicolons"
    prompt += " without spaces."
    constraints = [
        _matches("separator", rf"[^;]*(;[^;]*){{{len(words) - 1}}}"),
        _matches("no_spaces", r"\S*"),
    ]
    return _draft("reverse", prompt, ";".join(words[::-1]), constraints, 16 * level + 16)


def _rising(rng: Random, level: int) -> Draft:
    numbers = rng.sample(range(1, (100, 100, 1000, 10_000)[level]), (4, 4, 5, 6)[level])
    told = ", ".join(map(str, numbers))
    prompt = f"Numbers: {told}. Write them from smallest to largest, separated by commas without"
    prompt += " spaces."
    constraints = [
        _matches("separator", rf"[^,]*(,[^,]*){{{len(numbers) - 1}}}"),
        _matches("no_spaces", r"\S*"),
    ]
    line = ",".join(map(str, sorted(numbers)))
    return _draft("rising", prompt, line, constraints, 24 * level)


def _and(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _draft(
    kind: str, prompt: str, answer: str, constraints: list[Constraint], max_tokens: int
) -> Draft:
    return Draft(
        kind,
        (kind, prompt),
        f"{prompt} {_ONLY}",
        answer,
        max_tokens,
        FormScorer(tuple(constraints), answer),
    )


_KINDS: Final[dict[str, Callable[[Random, int], Draft]]] = {
    "json": _json,
    "csv": _csv,
    "bullets": _bullets,
    "upper": _upper,
    "repeat": _repeat,
    "reverse": _reverse,
    "rising": _rising,
}


@final
class Forms:
    """The seven forms in each of their sizes: what else is made of them, here and elsewhere."""

    name: Final = "formats"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return the forms, the same in every size."""
        return tuple(_KINDS)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one demand."""
        return alone(_KINDS[kind](rng, level))


_ALONE, _COMBINED = 2, 3


@final
class Formats:
    """The family behind `formats`."""

    name: Final = "formats"
    revision: Final = 1
    levels: Final = (1, _ALONE, _COMBINED)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the forms; above the shipped level the constraints, or how many at once."""
        if level == _ALONE:
            return CONSTRAINTS
        return tuple(drawing.SIZES) if level == _COMBINED else Forms().kinds(level)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one demand."""
        if level == _ALONE:
            return alone(drawing.alone(rng, kind))
        if level == _COMBINED:
            return alone(drawing.combined(rng, kind))
        return Forms().draft(kind, level, rng)
