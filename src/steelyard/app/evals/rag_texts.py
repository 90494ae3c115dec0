"""What retrieval did, as plain text: one line a setting, then where the time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.app.evals.texts import interval, p_value, percent, table
from steelyard.domain.evaluation import Pairing, RetrievalScore
from steelyard.domain.reading import Measured
from steelyard.domain.summary import Estimate
from steelyard.reports.figures import NOTHING

_MS: Final = 1e3


def retrieval_text(
    found: Sequence[RetrievalScore], beside: Sequence[Pairing] = (), *, kinds: bool = False
) -> str:
    """Return the tables of all settings, `kinds` of items too; nothing without retrieval."""
    return "\n".join(_lines(found, beside, kinds=kinds)) if found else ""


def _lines(
    found: Sequence[RetrievalScore], beside: Sequence[Pairing], *, kinds: bool
) -> Iterator[str]:
    yield "Retrieval: facts found, answers with all of them and without, abstaining, sources"
    heads = ("task", "facts found", "95 %", "right, all found", "right, not all")
    more = ("abstained rightly", "wrongly", "for want", "sources right")
    last = "lost : won" if beside else ""
    yield table([(*heads, *more, last), *(_row(one, beside) for one in found)])
    yield from _units(found)
    yield "Time of each stage, mean ms (n)"
    fullest = sorted(found, key=lambda one: -len(one.stages))  # its stages come in their order
    names = list(dict.fromkeys(stage.name for one in fullest for stage in one.stages))
    yield table([("task", *names, ""), *(_times(one, names) for one in found)])
    if kinds:
        yield "By kind of item: facts found, right"
        yield table([("task", "kind", "facts found", "right", ""), *_kinds(found)])


def _row(one: RetrievalScore, beside: Sequence[Pairing]) -> tuple[str, ...]:
    shares = (one.right_found, one.right_missed, one.rightly, one.wrongly, one.for_want, one.cited)
    return (
        one.task,
        percent(one.recall.value),
        interval(one.recall),
        *map(_share, shares),
        next((_flips(pair) for pair in beside if pair.task == one.task), ""),
    )


def _share(found: Estimate) -> str:
    return f"{percent(found.value)} ({found.n})"


def _flips(pair: Pairing) -> str:
    """Tell what a setting loses and wins against the first one."""
    if not isinstance(pair.verdict, Measured) or not isinstance(pair.p_adjusted, Measured):
        return NOTHING
    verdict, p = pair.verdict.value, p_value(pair.p_adjusted)
    return f"{verdict.flips_lost} : {verdict.flips_won}, p {p}"


def _units(found: Sequence[RetrievalScore]) -> Iterator[str]:
    units = sorted({one.unit for one in found})
    counted = "tokens of the served model" if units == ["tokens"] else " and ".join(units)
    embedders = sorted({one.embedder for one in found if one.embedder})
    by = f"; embedded by {', '.join(embedders)}" if embedders else ""
    yield f"  in brackets: retriever, longest passage in {counted}, passages for each item{by}"
    if len(found) > 1:
        yield "  lost : won: right answers of the same items, against the first setting; p by Holm"


def _times(one: RetrievalScore, names: Sequence[str]) -> tuple[str, ...]:
    stages = {stage.name: stage.seconds for stage in one.stages}
    return (one.task, *(_time(stages[name]) if name in stages else "" for name in names), "")


def _time(found: Estimate) -> str:
    if not isinstance(found.value, Measured):
        return NOTHING
    return f"{found.value.value * _MS:,.2f} ({found.n})"


def _kinds(found: Sequence[RetrievalScore]) -> Iterator[tuple[str, ...]]:
    for one in found:
        for kind in one.kinds:
            yield (one.task, kind.kind, _share(kind.recall), _share(kind.right), "")
