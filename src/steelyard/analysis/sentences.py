"""What the numbers say, in plain words: one sentence for each variant, and the ones that lead.

Every sentence is built from the row it speaks of, so it cannot say more than was measured: a loss
never stands without its interval, and what is undecided is called so. An interval in words needs no
signs: `0.7 more to 1.7 fewer`. Not aware of layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from steelyard.analysis.gates import points
from steelyard.analysis.recommend import binding_gate, size_text, utility_inputs
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Pick, VariantRow, Verdict

_MINIMUM: Final = "minimum_viable_quant"
_BEST: Final = "best_value_quant"
_MINUTE_S: Final = 60
ITEMS_MOST: Final = 5000  # of a family in one sweep


def of_variant(
    row: VariantRow,
    picked: Sequence[Pick],
    reference: str,
    confidence: float = 0.95,
    *,
    families: int = 0,
) -> tuple[str, ...]:
    """Return the sentences of one row. `families` share the items that would decide it."""
    label = row.variant.label
    if row.role == "reference":
        return (f"{label} is the reference.", *_undecidable(row))
    if row.role == "aa":
        return (f"{label} is {reference} run a second time: {_loss(row, reference, confidence)}.",)
    if isinstance(row.verdict, Missing):
        return (f"UNDECIDED {label}: {row.verdict}.",)
    names = {pick.name for pick in picked if pick.label == label}
    found = []
    if _BEST in names:
        found.append(f"USE {label}: {_loss(row, reference, confidence)}; {utility_inputs(row)}.")
    if _MINIMUM in names:
        found.append(f"SMALLEST {label}: {size_text(row)}; {_loss(row, reference, confidence)}.")
    if found:
        return tuple(found)
    return (_unpicked(row, row.verdict.value, reference, confidence, families),)


def leading(
    rows: Sequence[VariantRow],
    picked: Sequence[Pick],
    reference: str,
    confidence: float = 0.95,
    *,
    families: int = 0,
) -> tuple[str, ...]:
    """Return the sentences that lead the report: use, smallest, undecided, avoid, warnings."""
    by_label = {row.variant.label: row for row in rows if row.role != "aa"}
    found = [_use(pick, by_label, reference, confidence) for pick in reversed(picked)]
    left = [row for row in rows if row.role == "candidate"]
    for name in ("undecided", "worse"):
        found += [
            _unpicked(row, row.verdict.value, reference, confidence, families)
            for row in left
            if isinstance(row.verdict, Measured) and row.verdict.value.name == name
        ]
    found += _warnings(rows, confidence)
    return tuple(found)


def _use(pick: Pick, rows: Mapping[str, VariantRow], reference: str, confidence: float) -> str:
    lead = "USE" if pick.name == _BEST else "SMALLEST"
    if pick.label is None:
        return f"{lead}: none. {_capital(pick.reason)}."
    row = rows[pick.label]
    if pick.binding_gate is not None or row.role == "reference":
        return f"{lead} {pick.label}, the reference: {pick.reason}."
    return f"{lead} {pick.label}: {_loss(row, reference, confidence)}; {pick.reason}."


def _unpicked(
    row: VariantRow, verdict: Verdict, reference: str, confidence: float, families: int
) -> str:
    label = row.variant.label
    match verdict.name:
        case "worse":
            return _avoid(row, verdict, reference, confidence)
        case "undecided":
            more = _to_decide(row, verdict, families)
            return f"UNDECIDED {label}: {_loss(row, reference, confidence)}; {more}."
        case _:
            stopped = binding_gate([row])
            if stopped is None:
                return f"{label} qualifies: {_loss(row, reference, confidence)}."
            gate = next(gate for gate in row.gates if gate.name == stopped)
            return (
                f"{label}: {_loss(row, reference, confidence)}, but the gate '{gate.name}' is "
                f"{gate.state} ({gate.found}; demanded {gate.demanded})."
            )


def _avoid(row: VariantRow, seen: Verdict, reference: str, confidence: float) -> str:
    """Say why not: a loss that is small as seen may be more than is allowed."""
    limit = f"{points(seen.margin)} or more"
    why = f"a loss of {limit} is shown"
    if seen.low < seen.margin:
        why = f"a loss is shown, and it may be {limit}"
    return f"AVOID {row.variant.label}: {_loss(row, reference, confidence)}: {why}."


def _loss(row: VariantRow, reference: str, confidence: float) -> str:
    """Say the loss with its interval and what it means."""
    if isinstance(row.verdict, Missing):
        return str(row.verdict)
    seen = row.verdict.value
    return f"{loss_words(seen, reference, confidence)}: {seen.name}"


def loss_words(seen: Verdict, reference: str, confidence: float) -> str:
    """Say how many fewer of 100 are right, whether that may be chance, and what it rests on."""
    return (
        f"{_of_100(seen.loss)} of 100 right {_than(seen, reference)}{_chance(seen, reference)} "
        f"({confidence * 100:g} %: {_range(seen)}; {counted(seen.items, 'item')})"
    )


def _chance(seen: Verdict, reference: str) -> str:
    """Say whether what was seen could be chance; where nothing was, nothing."""
    if not seen.loss:
        return ""
    if seen.low <= 0 <= seen.high:
        return ", which could be chance"
    if 0 < seen.low <= seen.floor:
        if seen.no_floor:
            return f", more than chance if {reference} repeats itself, which is not known"
        return f", which another run of {reference} could do too"
    return ", more than chance"


def _than(seen: Verdict, reference: str) -> str:
    return f"than {reference}" if seen.loss else f"as with {reference}"


def _of_100(loss: float) -> str:
    """Write a loss as a number of items in a hundred: a gain is more of them."""
    if not loss:
        return "as many"
    return f"{points(abs(loss))} {'more' if loss < 0 else 'fewer'}"


def _range(seen: Verdict) -> str:
    low, high = points(abs(seen.low)), points(abs(seen.high))
    if seen.low >= 0:
        return f"{low} to {high} fewer"
    return f"{high} to {low} more" if seen.high < 0 else f"{low} more to {high} fewer"


def _to_decide(row: VariantRow, verdict: Verdict, families: int) -> str:
    """Say what would decide it: items in all, the time, and which option asks for so many."""
    if isinstance(verdict.to_decide_items, Missing):
        return str(verdict.to_decide_items)
    needed = verdict.to_decide_items.value
    said = f"about {counted(needed, 'item')} in all would decide it"
    if isinstance(row.more_s, Measured):
        minutes = counted(max(1, math.ceil(row.more_s.value / _MINUTE_S)), "minute")
        said += f", {minutes} more for the two"
    if not families:
        return said
    each = math.ceil(needed / families)
    if each > ITEMS_MOST:
        return f"{said}: more than a sweep asks (--items {ITEMS_MOST})"
    return f"{said}: a new sweep with --items {each}"


def _undecidable(row: VariantRow) -> tuple[str, ...]:
    if row.outcome == "completed":
        return ()
    return (f"It did not finish ({row.outcome_reason}), so nothing can be compared with it.",)


def _warnings(rows: Sequence[VariantRow], confidence: float) -> list[str]:
    """Warn of each family that suffers: of every variant that shows a loss in it, largest first."""
    by_size = sorted(
        (row for row in rows if row.role == "candidate"),
        key=lambda row: -(value_of(row.variant.file_bpw) or 0.0),
    )
    found = []
    for family in sorted({family for row in rows for family in row.family_verdicts}):
        suffers = [
            (row, seen)
            for row in by_size
            if (seen := row.family_verdicts.get(family)) is not None and seen.low > seen.floor
        ]
        if suffers:
            found.append(_warning(family, suffers, by_size, confidence))
    return found


def _warning(
    family: str,
    suffers: Sequence[tuple[VariantRow, Verdict]],
    by_size: Sequence[VariantRow],
    confidence: float,
) -> str:
    losses = "; ".join(_family_loss(row, seen, confidence) for row, seen in suffers)
    text = f"WARNING {family.replace('_', ' ')}: this model loses {losses}."
    sized = all(isinstance(row.variant.file_bpw, Measured) for row in by_size)
    return f"{text} No larger variant shows a loss there." if sized else text


def _family_loss(row: VariantRow, seen: Verdict, confidence: float) -> str:
    bpw = value_of(row.variant.file_bpw)
    where = row.variant.label if bpw is None else f"{row.variant.label} ({bpw:.1f} bits per weight)"
    flips = f"{counted(seen.items, 'item')}: {seen.flips_lost} lost, {seen.flips_won} won"
    return (
        f"{points(seen.loss)} points at {where}, {confidence * 100:g} % {points(seen.low)} to "
        f"{points(seen.high)} ({flips})"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
