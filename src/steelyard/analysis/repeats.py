"""Samples of an item that say the same, word for word: whether the server really draws.

A model that is sure says the same again, so a few alike show nothing. Taken as a model that says
the same again nine times in ten, or takes the same word again 99 times in 100, whichever is the
less likely to come to all that was seen: below one chance in a hundred it is worth a word. At a
temperature near 0 all alike is what was asked for. Not aware of marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.task import item_of

_SURE_TEXT: Final = 0.9
_SURE_WORD: Final = 0.99
_RARE: Final = 0.01
_DRAWN: Final = 0.5  # below this temperature a model is meant to say the same
NOT_SAMPLED: Final = Missing("not_sampled", "no item was answered twice")
_Said: TypeAlias = tuple[tuple[int, str, str, str], ...]


@final
@dataclass(frozen=True, slots=True)
class Repeats:
    """Answers after the first of each item: `again` of them, `same` as the first, and its words."""

    items: int
    again: int
    same: int
    words: int

    @property
    def share(self) -> Reading[float]:
        """The share that is the first answer once more."""
        return Measured(self.same / self.again, "derived") if self.again else NOT_SAMPLED

    @property
    def doubtful(self) -> bool:
        """Whether all are alike, and so many that a model that draws would hardly do it."""
        chance = min(_SURE_TEXT**self.again, _SURE_WORD**self.words)
        return 0 < self.again == self.same and chance < _RARE


def repeats(sections: Iterable[Section]) -> Repeats:
    """Count them over tasks; an answer that says nothing, or failed, tells nothing."""
    items = again = same = words = 0
    for section in sections:
        for first, *others in _by_item(section.attempts):
            items += bool(others)
            again += len(others)
            same += sum(other == first for other in others)
            words += sum(_words(other) for other in others)
    return Repeats(items, again, same, words)


def not_drawn(record: RunRecord) -> Repeats | None:
    """Return the repeats of a run where its samples are all alike though they were to be drawn."""
    if record.spec.controls.sampling.temperature < _DRAWN:
        return None
    found = repeats(section for section in record.sections if section.kind == "task")
    return found if found.doubtful else None


def _by_item(attempts: Sequence[Attempt]) -> list[list[_Said]]:
    samples: dict[str, list[tuple[int, str, str, str]]] = {}
    for each in attempts:
        if each.outcome.kind == "completed":
            calls = "".join(map(repr, each.calls))
            said = each.ask, each.reasoning, each.text, calls
            samples.setdefault(each.sample, []).append(said)
    items: dict[str, list[_Said]] = {}
    for sample, parts in samples.items():
        if any(reasoning or text or calls for _, reasoning, text, calls in parts):
            items.setdefault(item_of(sample), []).append(tuple(sorted(parts)))
    return list(items.values())


def _words(said: _Said) -> int:
    return sum(len(reasoning.split()) + len(text.split()) for _, reasoning, text, _ in said)
