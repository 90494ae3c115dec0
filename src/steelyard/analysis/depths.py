"""Long contexts by length and depth: how many were right where, and what shows that they arrived.

Not aware of how items are drawn: their kinds are handed in, `d25/single` or `spread/tracking`.
Shares are those of `analysis.marks`, clustered, with the items that were run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from steelyard.analysis.marks import count
from steelyard.domain.evaluation import LengthCell, LengthScore
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Mark, NotRun
from steelyard.tasks.long_text import CHECK_WORDS, POSITIONS

_NOT_SAID: Final = Missing("not_reported", "no control tells of it")
_NO_COUNT: Final = Missing("not_reported", "the engine sent no token counts")


def by_length(
    section: Section, kinds: Mapping[str, str], tokens: int, record: RunRecord
) -> LengthScore:
    """Score one task of a run, all of whose items have one length; `kinds` is by item id."""
    marks = {item: mark for item, mark in section.marks.items() if item in kinds}
    asked = [a for a in section.attempts if a.outcome.kind == "completed"]
    reasons = Counter(m.outcome.why for m in marks.values() if isinstance(m.outcome, NotRun))
    return LengthScore(
        task=section.name,
        tokens=tokens,
        prompt_tokens=_range(_counts(asked)),
        wanted_tokens=_range(a.prompt_tokens_wanted for a in section.attempts),
        cached_tokens=_cached(asked),
        reuse_prefix=record.spec.controls.reuse_prefix,
        prefix_cache=next(
            (each.applied for each in record.controls if each.name == "prefix_cache"), _NOT_SAID
        ),
        depths=_cells(section, marks, {item: kinds[item].partition("/")[0] for item in marks}),
        kinds=_cells(section, marks, {item: kinds[item].partition("/")[2] for item in marks}),
        check_words=_repeated(marks.values()),
        not_run_why=dict(sorted(reasons.items())),
    )


def _cells(
    section: Section, marks: Mapping[str, Mark], names: Mapping[str, str]
) -> tuple[LengthCell, ...]:
    """Score the items of each name, in the order in which a set has them."""
    found = []
    for name in sorted(set(names.values()), key=_order):
        part = {item: mark for item, mark in marks.items() if names[item] == name}
        if part:
            told = count(part, section.clusters)
            found.append(LengthCell(name, told.right_share, told.not_run))
    return tuple(found)


def _order(name: str) -> tuple[int, str]:
    """Put depths first by their number."""
    return (int(name[1:]), "") if name[1:].isdigit() else (101, name)


def _counts(asked: Iterable[Attempt]) -> Iterator[int | None]:
    for attempt in asked:
        yield attempt.usage.value.prompt_tokens if isinstance(attempt.usage, Measured) else None


def _range(found: Iterable[int | None]) -> Reading[tuple[int, int]]:
    known = [number for number in found if number is not None]
    return Measured((min(known), max(known)), "engine") if known else _NO_COUNT


def _cached(asked: Iterable[Attempt]) -> Reading[int]:
    """Return how many prompt tokens in all came from a cache, as told in usage or in timings."""
    total, told = 0, False
    for attempt in asked:
        for said in (attempt.usage, attempt.timings):
            if isinstance(said, Measured) and isinstance(said.value.cached_tokens, Measured):
                total, told = total + said.value.cached_tokens.value, True
                break
    no = Missing("not_reported", "the engine does not tell what came from a cache")
    return Measured(total, "engine") if told else no


def _repeated(marks: Iterable[Mark]) -> dict[str, int]:
    """Count the answers in which the check word of each position came back."""
    said = [m.extracted[CHECK_WORDS] or "" for m in marks if CHECK_WORDS in m.extracted]
    found = {position: sum(position in text for text in said) for position in POSITIONS}
    return {**found, "answers": len(said)}
