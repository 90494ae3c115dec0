"""Families of tasks, each pooled over its levels; and whether the levels of one lose alike.

A family is what a verdict is about, its levels are strata of known sizes: every item counts as much
as any other. A pooled interval takes the levels for one. That widens it, for the spread within
strata is never more than the spread of all; but its design effect is one for all items, and may
narrow it where the items of one level hang together and those of another do not. What a pooled loss
could hide, one level that loses behind another that wins, is tested by itself: Cochran's Q over the
losses of the levels, flips counted as by `stats.paired` and half of one added on either side.
Settings of one family that stand beside one another are no strata, for they ask the same items:
each is pooled by itself. Not aware of verdicts. Sources: W. G. Cochran, Biometrics 10 (1954)
101-129; A. Agresti and Y. Min, Biostatistics 6 (2005), for the halves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis.verdict import Pairs
from steelyard.domain.evaluation import Pooled
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.task import Task
from steelyard.stats.families import holm
from steelyard.stats.paired import flips
from steelyard.stats.special import chi2_cdf

ALPHA: Final = 0.05
_ONE: Final = Missing("one_level", "one level alone was compared")
_HALF: Final = 0.5


def families(tasks: Iterable[Task], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the tasks that each family pools, by the names of their sections, as asked.

    The settings of a family stand in its name only where it was asked with several.
    """
    asked = {task.section: task for task in tasks}
    settings: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for task in asked.values():
        settings.setdefault(task.family, set()).add(task.settings)
    found: dict[str, list[str]] = {}
    for name in names:
        family = name
        if name in asked:
            several = len(settings[asked[name].family]) > 1
            family = _named(asked[name], apart=several)
        found.setdefault(family, []).append(name)
    return {family: tuple(parts) for family, parts in found.items()}


def pooled(
    grouped: Mapping[str, Sequence[str]], pairs: Mapping[str, Pairs | None]
) -> dict[str, Pooled]:
    """Say of each family what it pools, and whether its levels lose alike."""
    p_values = {
        family: _p([pairs.get(name) for name in names]) for family, names in grouped.items()
    }
    tested = {family: p.value for family, p in p_values.items() if isinstance(p, Measured)}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    found = {}
    for family, names in grouped.items():
        p = p_values[family]
        corrected: Reading[float] = (
            Measured(adjusted[family], "derived") if isinstance(p, Measured) else p
        )
        apart = isinstance(corrected, Measured) and corrected.value <= ALPHA
        found[family] = Pooled(tuple(names), p, corrected, apart)
    return found


def _named(task: Task, *, apart: bool) -> str:
    """Return the name of a task's section without its level, and without its settings if can be."""
    plain = task if apart else replace(task, settings=())
    return plain.section.replace(plain.base, plain.family, 1)


def _p(levels: Sequence[Pairs | None]) -> Reading[float]:
    """Return the p of "all levels that were compared lose alike"; Missing for one alone."""
    compared = [pairs for pairs in levels if pairs is not None]
    if len(compared) <= 1:
        return _ONE
    losses, weights = zip(*map(_loss_and_weight, compared), strict=True)
    mean = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)
    q = sum(w * (loss - mean) ** 2 for w, loss in zip(weights, losses, strict=True))
    return Measured(1 - chi2_cdf(q, len(compared) - 1), "derived")


def _loss_and_weight(pairs: Pairs) -> tuple[float, float]:
    """Return the share lost and one over its variance, both after half a flip more either way."""
    seen = flips(pairs.seen, pairs.clusters)
    items, lost, won = seen.items + 4 * _HALF, seen.lost + _HALF, seen.won + _HALF
    loss = (lost - won) / items
    return loss, items / ((lost + won) / items - loss**2)
