"""A second solver of long contexts: it reads the prompt and nothing else, sentence by sentence.

No code is shared with the generator; a disagreement is a bug in one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def solve(prompt: str) -> str:
    """Return the two lines that the prompt asks for."""
    notes, _, rest = prompt.partition("\nQuestion: ")
    question, _, after = rest.partition("\n")
    said = [*_sentences(notes), *_sentences(after)]
    check = {
        found[1]: found[2]
        for sentence in said
        if (found := re.fullmatch(r"The (first|second|third) check word is (\w+)\.", sentence))
    }
    words = " ".join(check[which] for which in ("first", "second", "third"))
    return f"Check: {words}\nAnswer: {_value(question, said)}"


def _sentences(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from re.split(r"(?<=[.?])\s+", line.strip())


def _value(question: str, said: list[str]) -> str:
    if found := re.fullmatch(r"What (?:is|are) the (\w+ \w+?)s? of (.+)\?", question):
        rows = _all(rf"The {found[1]} of (\w+) is (\d+)\.", said)
        table = {row[0]: row[1] for row in rows}
        return ", ".join(table[who] for who in re.split(r", | and ", found[2]))
    if found := re.fullmatch(r"(\w+) has (\d) (\w+ \w+)s\. Which are they\?", question):
        values = [v for (v,) in _all(rf"A {found[3]} of {found[1]} is (\d+)\.", said)]
        assert len(values) == int(found[2])
        return ", ".join(values)
    if found := re.fullmatch(r"Which number does the (\w+) box hold\?", question):
        return _held(found[1], said)
    if found := re.fullmatch(r"How many (\w+) were delivered to (\w+) in all\?", question):
        counts = _all(rf"(\d+) {found[1]} were delivered to {found[2]}\.", said)
        return str(sum(int(count) for (count,) in counts))
    assert "two different homes" in question, question
    homes: dict[str, set[str]] = {}
    for who, city in (
        *_all(r"(\w+) lives in (\w+)\.", said),
        *_all(r"The home of (\w+) is in (\w+)\.", said),
        *_all(r"(\w+) is at home in (\w+)\.", said),
    ):
        homes.setdefault(who, set()).add(city)
    (liar,) = [who for who, cities in homes.items() if len(cities) > 1]
    return liar


def _held(box: str, said: list[str]) -> str:
    """Read in order: a box takes what another one holds by then."""
    boxes: dict[str, str] = {}
    for sentence in said:
        if found := re.fullmatch(r"The (\w+) box holds the number (\d+)\.", sentence):
            boxes[found[1]] = found[2]
        elif found := re.fullmatch(r"The (\w+) box holds what the (\w+) box holds\.", sentence):
            boxes[found[1]] = boxes[found[2]]
    return boxes[box]


def _all(pattern: str, said: list[str]) -> list[tuple[str, ...]]:
    return [found.groups() for sentence in said if (found := re.fullmatch(pattern, sentence))]
