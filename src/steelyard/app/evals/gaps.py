"""`eval gap`: public items beside private ones of the same making, each run named by its folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from steelyard.analysis import gap as gaps
from steelyard.analysis.bands import OVERALL
from steelyard.analysis.gates import points
from steelyard.app.evals import comparing, fault_texts
from steelyard.app.evals.texts import SIMULATED, counted, p_value, percent, row_names, table
from steelyard.app.results.comparison import axes
from steelyard.app.results.files import COULD_NOT_MEASURE, Told
from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput
from steelyard.domain.gap import Gap, GapRow
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import RunRecord
from steelyard.reports.figures import NOTHING

_HEADS: Final = ("", "public", "private", "gap", "interval", "p", "p (Holm)", "")
_ALIKE: Final = "the two may differ in their seeds alone"


def gap(first: str, second: str, *, as_json: bool) -> Told:
    """Set the two beside each other; which is which, each says itself."""
    mine, theirs = comparing.record_named(first), comparing.record_named(second)
    public, private = _told_apart(mine, theirs)
    if why := tuple(_unlike(public, private)):
        raise BadInput(
            f"runs {public.id} and {private.id} show no gap, for more differs than the items: "
            f"{'; '.join(why)}",
            hint=f"ask the same subject the same twice, once with --private: {_ALIKE}",
        )
    found = gaps.gap(public, private)
    code = 0 if isinstance(found.overall.gap.value, Measured) else COULD_NOT_MEASURE
    return Told(encode(found, indent=1) if as_json else "\n".join(_lines(found)), code)


def _told_apart(first: RunRecord, second: RunRecord) -> tuple[RunRecord, RunRecord]:
    found = gaps.in_order(first, second)
    if found is None:
        raise BadInput(
            f"of runs {first.id} and {second.id} one is to have public items, the other private "
            "ones, both from a generator",
            hint="`steelyard eval SUBJECT --private` asks private ones",
        )
    return found


def _unlike(public: RunRecord, private: RunRecord) -> Iterator[str]:
    if public.simulated != private.simulated:
        yield "one is simulated and the other measured"
    yield from axes(public, private)
    yield from gaps.unlike(public, private)


def _lines(found: Gap) -> Iterator[str]:
    if found.simulated:
        yield SIMULATED
    yield f"{found.model} on {found.engine}"
    yield f"public   run {found.public}"
    yield f"private  run {found.private}, seed {found.seed}"
    names = row_names(found.pooled)
    rows = [(names[one.name], one) for one in found.families]
    rows += [(OVERALL, found.overall)] if len(rows) > 1 else []
    yield table([_HEADS, *(_row(name, one) for name, one in rows)])
    yield from (f"  {name}: {gap_words(one, found.confidence)}" for name, one in rows)
    if len(found.families) > 1:
        yield (
            f"  intervals of families are corrected over these {len(found.families)} (Holm); the "
            "row over all stands by itself"
        )
    for family, left in found.in_both.items():
        yield f"  {names[family]}: {counted(left)} that both sets have, left out of either"
    yield from fault_texts.beside({f"run {run}": each for run, each in found.faults.items()})


def _row(name: str, one: GapRow) -> tuple[str, ...]:
    shares = percent(one.public.right_share.value), percent(one.private.right_share.value)
    match one.gap.value, one.gap.low, one.gap.high:
        case Measured(value=value), Measured(value=low), Measured(value=high):
            between = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
            p_values = p_value(one.p), p_value(one.p_adjusted)
            return (name, *shares, f"{100 * value:+.1f}", between, *p_values, "")
        case _:
            return (name, *shares, *[NOTHING] * 4, "")


def gap_words(one: GapRow, confidence: float) -> str:
    """Say what a gap means, or what one that was not seen may still be."""
    match one.gap.value, one.gap.low, one.gap.high:
        case Measured(value=value), Measured(value=low), Measured(value=high):
            sure = f"{confidence * 100:g} %"
            if low > 0:
                return (
                    f"{points(value)} of 100 more right on the public items than on private ones "
                    f"of the same making ({sure} {points(low)} to {points(high)}): it may have "
                    f"seen the public ones{_not_run(one)}"
                )
            if high < 0:
                return (
                    f"{points(-value)} of 100 fewer right on the public items than on private ones "
                    f"of the same making ({sure} {points(-high)} to {points(-low)}): nothing says "
                    f"that it has seen the public ones{_not_run(one)}"
                )
            return (
                f"no gap shown; one of up to {points(high)} of 100 would not have been seen"
                f"{_not_run(one)}"
            )
        case Missing() as why, _, _:
            return f"no gap: {why}"
        case _:
            return NOTHING


def _not_run(one: GapRow) -> str:
    return f"; {counted(one.wanting)} not run" if one.wanting else ""
