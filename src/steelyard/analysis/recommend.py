"""The two recommendations: the smallest variant that qualifies, and the one of best value.

`minimum_viable_quant`: lowest `file_bpw` among the variants that meet every gate.
`best_value_quant`: highest utility among them; ties go to higher adherence, then lower latency,
then lower `file_bpw`. The utility is `right_per_second` = right answers / seconds spent on the
task suite at its own load; `adherence_per_latency` = adherence / the same seconds stands beside it.
Where the size of a variant that qualifies is not known, nobody can say which is the smallest: there
is no minimum viable one and no frontier, and the pick says why.

The reference meets the quality gate by being the reference. It is weighed like any other, so it
is picked where it is of best value, or where nothing else qualifies: then the pick names the gate
that stopped the candidates (`binding_gate`), since no quant was found. The A/A row is no
candidate. Deterministic: no draw, no clock. Source: REQUIREMENTS I5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from steelyard.analysis.frontier import Point, efficiency_frontier
from steelyard.analysis.gates import NOT_MEASURED, ORDER, passes
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.summary import Estimate, Pick, VariantRow

UTILITY: Final = "right_per_second"
SIZE: Final = "file_bpw"
# What people call them; both are followed by their number.
WORDS: Final = {UTILITY: "right answers a second", SIZE: "bits per weight"}

PickName: TypeAlias = Literal["minimum_viable_quant", "best_value_quant"]

NO_SIZES: Final = "sizes_unknown"
_NONE: Final = Missing("none_qualifies", "no variant meets every gate")


def qualifying(rows: Sequence[VariantRow]) -> list[VariantRow]:
    """Return the rows that meet every gate, in the order given; the A/A row is none of them."""
    return [row for row in rows if row.role != "aa" and passes(row.gates)]


def frontier(rows: Sequence[VariantRow]) -> tuple[str, ...]:
    """Return the labels on the efficiency frontier of what qualifies; none without sizes."""
    kept = qualifying(rows)
    if _unsized(kept) is not None:
        return ()
    points = [
        Point(row.variant.label, _or(row.variant.file_bpw, 0.0), utility.value)
        for row in kept
        if isinstance(utility := row.throughput.right_per_second, Measured)
    ]
    return efficiency_frontier(points)


def chosen(picks: Sequence[Pick]) -> str | None:
    """Return the label to go on with: of best value, else the smallest; None where none is."""
    order: tuple[PickName, ...] = ("best_value_quant", "minimum_viable_quant")
    named = {pick.name: pick.label for pick in picks if pick.binding_gate is None}
    return next((label for name in order if (label := named.get(name))), None)


def picks(rows: Sequence[VariantRow]) -> tuple[Pick, ...]:
    """Return both recommendations, smallest first."""
    kept = qualifying(rows)
    if not kept:
        return (
            _none("minimum_viable_quant", SIZE, rows),
            _none("best_value_quant", UTILITY, rows),
        )
    stopped = None if _any_candidate(kept) else binding_gate(rows)
    return _smallest(kept, rows, stopped), _best(kept, rows, stopped)


def binding_gate(rows: Sequence[VariantRow]) -> str | None:
    """Return the gate that stops most candidates; ties go to the one that is shown first."""
    stops = dict.fromkeys(ORDER, 0)
    for row in rows:
        for gate in row.gates:
            if row.role != "aa" and gate.state != "met":
                stops[gate.name] = stops.get(gate.name, 0) + 1
    worst = max(stops, key=lambda name: stops[name])
    return worst if stops[worst] else None


def utility_inputs(row: VariantRow) -> str:
    """Spell out what the utility of a row is made of."""
    rate = value_of(row.throughput.right_per_second)
    if rate is None:
        return f"{WORDS[UTILITY]}: {row.throughput.right_per_second}"
    if rate <= 0:
        return "not one right answer"
    return (
        f"{row.marks.right:,} right answers in {row.marks.right / rate:.1f} s: {rate:.3g} a second"
        f"{_forms_kept(row.adherence)}"
    )


def _forms_kept(found: Estimate) -> str:
    """Say how many forms were kept; the quotient of that and a time is a number for tables."""
    share = value_of(found.value)
    if share is None:
        return ""
    return f"; {round(share * found.n):,} of {found.n:,} demanded forms were kept"


def _smallest(kept: list[VariantRow], rows: Sequence[VariantRow], stopped: str | None) -> Pick:
    why = _unsized(kept)
    if why is not None and len(kept) > 1:
        unknown = Missing(NO_SIZES, f"which is the smallest is not known: {why}")
        return Pick("minimum_viable_quant", None, SIZE, unknown, str(unknown), stopped, ())
    smallest = min(kept, key=lambda row: (_or(row.variant.file_bpw, 0.0), row.variant.label))
    return Pick(
        "minimum_viable_quant",
        smallest.variant.label,
        SIZE,
        smallest.variant.file_bpw,
        _smallest_reason(smallest, len(kept), rows, stopped),
        stopped,
        smallest.run_ids,
    )


def _unsized(kept: Sequence[VariantRow]) -> Missing | None:
    """Return why the size of any of these is not known; None where all are."""
    sizes = (row.variant.file_bpw for row in kept)
    return next((size for size in sizes if isinstance(size, Missing)), None)


def size_text(row: VariantRow) -> str:
    """Say how large a variant is."""
    match row.variant.file_bpw:
        case Measured(value=bpw):
            return f"{bpw:.2f} bits per weight"
        case Missing() as why:
            return str(why)


def _best(kept: list[VariantRow], rows: Sequence[VariantRow], stopped: str | None) -> Pick:
    timed = [row for row in kept if isinstance(row.throughput.right_per_second, Measured)]
    if not timed:
        why = kept[0].throughput.right_per_second
        reason = f"{len(kept)} qualify, and none has a time for its right answers: {why}"
        return Pick("best_value_quant", None, UTILITY, why, reason, stopped, ())
    ranked = sorted(timed, key=_by_value)
    best = ranked[0]
    qualify = "qualify" if len(timed) == len(kept) else "qualify and have a time"
    reason = f"the most right answers a second of the {len(timed)} that {qualify}: "
    if len(timed) == 1:
        has_time = "" if len(kept) == 1 else " and has a time"
        reason = f"the only one that qualifies{has_time}: "
    reason += utility_inputs(best)
    if len(ranked) > 1:
        reason += f". Next is {ranked[1].variant.label}{_apart(best, ranked[1])}"
    reason += "".join(
        f". {row.variant.label} qualifies too, and has no time to be weighed by: "
        f"{row.throughput.right_per_second}"
        for row in kept
        if row not in timed
    )
    if stopped is not None:
        reason = f"no quant qualifies ({_stopped_text(rows, stopped)}); the reference is left. "
        reason += utility_inputs(best)
    return Pick(
        "best_value_quant",
        best.variant.label,
        UTILITY,
        best.throughput.right_per_second,
        reason,
        stopped,
        best.run_ids,
    )


def _by_value(row: VariantRow) -> tuple[float, float, float, float, str]:
    """Order by utility, then adherence, latency, size; the label only makes it total."""
    return (
        -_or(row.throughput.right_per_second, 0.0),
        -_or(row.adherence.value, 0.0),
        _or(_latency(row).value, float("inf")),
        _or(row.variant.file_bpw, float("inf")),
        row.variant.label,
    )


def _latency(row: VariantRow) -> Estimate:
    return row.throughput.seconds_per_right


def _apart(best: VariantRow, second: VariantRow) -> str:
    """Say whether two values can be told apart: by the intervals of seconds per right answer."""
    rate = value_of(second.throughput.right_per_second)
    text = "" if rate is None else f" with {rate:.3g} right answers a second"
    ours, theirs = best.throughput.seconds_per_right.high, second.throughput.seconds_per_right.low
    if isinstance(ours, Measured) and isinstance(theirs, Measured) and ours.value < theirs.value:
        return text
    return f"{text}, not told apart by these samples"


def _smallest_reason(
    smallest: VariantRow, kept: int, rows: Sequence[VariantRow], stopped: str | None
) -> str:
    bpw = size_text(smallest)
    if stopped is not None:
        return f"no quant qualifies ({_stopped_text(rows, stopped)}); the reference is left, {bpw}"
    whole = sum(row.role != "aa" for row in rows)
    meet = "meets" if kept == 1 else "meet"
    return f"the fewest bits of the {kept} of {whole} variants that {meet} every gate: {bpw}"


def _none(name: PickName, utility: str, rows: Sequence[VariantRow]) -> Pick:
    gate = binding_gate(rows)
    text = f"no efficiency frontier: {_stopped_text(rows, gate)}"
    return Pick(name, None, utility, _NONE, text, gate, ())


def _stopped_text(rows: Sequence[VariantRow], gate: str | None) -> str:
    asked = [row for row in rows if row.role == "candidate"] or list(rows)
    if gate is None:
        return "nothing was judged"
    counts = [
        f"{count} {state}"
        for state in ("failed", "undecided")
        if (count := sum(_stands(row, gate, state) for row in asked))
    ]
    stops = f"the gate '{gate}' stops {' and '.join(counts)} of {len(asked)}"
    # Where all that it stops lack the same number for one reason, that is what stops them.
    found = {g.found for row in asked for g in row.gates if g.name == gate and g.state != "met"}
    reasons = {text.partition(" (")[0] for text in found}
    only = reasons.pop() if len(reasons) == 1 else ""
    return f"{stops}; {only}" if only.startswith(NOT_MEASURED) else stops


def _stands(row: VariantRow, gate: str, state: str) -> bool:
    return any(found.name == gate and found.state == state for found in row.gates)


def _any_candidate(kept: Sequence[VariantRow]) -> bool:
    return any(row.role == "candidate" for row in kept)


def _or(reading: Reading[float], instead: float) -> float:
    value = value_of(reading)
    return instead if value is None else value
