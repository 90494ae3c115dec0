"""How much the form of a prompt matters: clean items against their own reworded or damaged forms.

Each form is compared with the clean item that it was made of, on the items that have both. A flip
is a pair of which one is right and the other is not; the worst case counts a clean item as right
if all its forms are. The spread goes from the form that gains most to the one that loses most, the
clean one being 0. Items that were not run are left out. Not aware of how forms are made; intervals
are those of `stats.proportions`, clustered by clean item.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from steelyard.domain.forms import NO_PAIRS, FormRight, Robustness
from steelyard.domain.reading import Measured
from steelyard.domain.task import Mark, NotRun, Right
from steelyard.stats.proportions import share_estimate

CLEAN: Final = "clean"


class Place(NamedTuple):
    """Where an item belongs: the clean item it comes from, and its form."""

    origin: str
    form: str


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
        Measured(max(gains) - min(gains), "derived") if pairs else NO_PAIRS,
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
