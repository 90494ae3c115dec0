"""What a comparison says of the levels that a family's row pools. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.app.evals.texts import level_of, p_value
from steelyard.domain.evaluation import Contrast, Pairing, Pooled
from steelyard.domain.reading import Measured
from steelyard.domain.summary import Verdict

_HINT: Final = "  each level by itself: --by level"


def levels(found: Contrast) -> Iterator[str]:
    """Say of each family with several levels what each lost, and whether they lose alike."""
    by_task = {one.task: one for one in found.tasks}
    told = False
    for family, one in found.pooled.items():
        if len(one.tasks) > 1:
            yield from _levels(family, one, [by_task[task] for task in one.tasks])
            told = True
    if told:
        yield _HINT


def _levels(family: str, one: Pooled, tasks: Sequence[Pairing]) -> Iterator[str]:
    known = [
        (level_of(task.task), task.verdict.value)
        for task in tasks
        if isinstance(task.verdict, Measured)
    ]
    if not known:
        return
    told = ", ".join(f"{level} {verdict.loss:+.1%}" for level, verdict in known)
    if not one.apart:
        both = any(v.loss > 0 for _, v in known) and any(v.loss < 0 for _, v in known)
        tested = both and isinstance(one.p, Measured)
        luck = ": one loses and one wins, as luck alone may have it" if tested else ""
        yield f"  {family}, loss by level: {told}{luck}"
        return
    yield f"! {family}: its levels do not lose alike (p {p_value(one.p_adjusted)}, Holm)"
    yield from (f"    {level} {_way(verdict)}" for level, verdict in known)
    yield "    the family's loss is a mean of unlike ones: go by the levels (--by level)"


def _way(verdict: Verdict) -> str:
    way = "loses" if verdict.loss > 0 else "wins" if verdict.loss < 0 else "neither loses nor wins"
    size = f" {abs(verdict.loss):.1%}" if verdict.loss else ""
    lost, won = verdict.flips_lost, verdict.flips_won
    return f"{way}{size}: {lost} lost and {won} won of {verdict.items} items"
