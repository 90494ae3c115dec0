"""How much the form of a prompt matters: clean items against their own reworded or damaged forms.

Each form is compared with the clean item that it was made of, on the items that have both. A flip
is a pair of which one is right and the other is not; the worst case counts a clean item as right
if all its forms are. The spread goes from the form that gains most to the one that loses most, the
clean one being 0. Items that were not run are left out. Not aware of how forms are made; intervals
are those of `stats.proportions`, clustered by clean item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Mark, NotRun, Right
from steelyard.stats.proportions import share_estimate

CLEAN: Final = "clean"
_NO_PAIRS: Final = Missing("no_samples", "no form was run beside its clean item")


class Place(NamedTuple):
    """Where an item belongs: the clean item it comes from, and its form."""

    origin: str
    form: str


@final
@dataclass(frozen=True, slots=True)
class FormRight:
    """One form: its share of right answers, and its flips against the clean items."""

    form: str
    right: Estimate
    pairs: int
    lost: int
    won: int

    @property
    def gain(self) -> Reading[float]:
        """Return the difference to the clean items of the same pairs, as a share."""
        if not self.pairs:
            return _NO_PAIRS
        return Measured((self.won - self.lost) / self.pairs, "derived")


@final
@dataclass(frozen=True, slots=True)
class Robustness:
    """All forms, and what they come to."""

    forms: tuple[FormRight, ...]
    flip_rate: Estimate
    worst_case: Estimate
    spread: Reading[float]


def robustness(
    marks: Mapping[str, Mark], places: Mapping[str, Place], confidence: float = 0.95
) -> Robustness:
    """Compare every form with its clean item; `places` maps an item's id to where it belongs."""
    right: dict[str, dict[str, bool]] = {}
    for item, mark in sorted(marks.items()):
        if item in places and not isinstance(mark.outcome, NotRun):
            place = places[item]
            right.setdefault(place.origin, {})[place.form] = isinstance(mark.outcome, Right)
    names = sorted({form for forms in right.values() for form in forms}, key=_order)
    found = tuple(_form(name, right, confidence) for name in names)
    pairs = [
        (origin, hit != forms[CLEAN])
        for origin, forms in right.items()
        if CLEAN in forms
        for form, hit in forms.items()
        if form != CLEAN
    ]
    whole = [all(forms.values()) for forms in right.values() if CLEAN in forms and len(forms) > 1]
    gains = [gain.value for form in found if isinstance(gain := form.gain, Measured)]
    return Robustness(
        found,
        share_estimate([flip for _, flip in pairs], [origin for origin, _ in pairs], confidence),
        share_estimate(whole, None, confidence),
        Measured(max(gains) - min(gains), "derived") if pairs else _NO_PAIRS,
    )


def _order(form: str) -> tuple[bool, str, int]:
    """Put the clean form first, and `typos_5` before `typos_10`."""
    name, _, number = form.rpartition("_")
    return (form != CLEAN, name, int(number)) if number.isdigit() else (form != CLEAN, form, 0)


def _form(name: str, right: Mapping[str, Mapping[str, bool]], confidence: float) -> FormRight:
    hits = [forms[name] for forms in right.values() if name in forms]
    pairs = [(f[CLEAN], f[name]) for f in right.values() if CLEAN in f and name in f]
    return FormRight(
        name,
        share_estimate(hits, None, confidence),
        len(pairs),
        sum(clean and not hit for clean, hit in pairs),
        sum(hit and not clean for clean, hit in pairs),
    )
