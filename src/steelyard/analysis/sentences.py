"""What the numbers say, in plain words: one sentence for each variant, and the ones that lead.

Every sentence is built from the row it speaks of, so it cannot say more than was measured: a loss
never stands without its interval, and what is undecided is called so. Not aware of layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from steelyard.analysis.gates import points
from steelyard.analysis.recommend import binding_gate, size_text, utility_inputs
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Pick, VariantRow, Verdict

_MINIMUM: Final = "minimum_viable_quant"
_BEST: Final = "best_value_quant"


def of_variant(row: VariantRow, picked: Sequence[Pick], reference: str) -> tuple[str, ...]:
    """Return the sentences of one row."""
    label = row.variant.label
    if row.role == "reference":
        return (f"{label} is the reference.", *_undecidable(row))
    if row.role == "aa":
        return (f"{label} is {reference} run a second time: {_loss(row, reference)}.",)
    if isinstance(row.verdict, Missing):
        return (f"UNDECIDED {label}: {row.verdict}.",)
    names = {pick.name for pick in picked if pick.label == label}
    found = []
    if _BEST in names:
        found.append(f"USE {label}: {_loss(row, reference)}; {utility_inputs(row)}.")
    if _MINIMUM in names:
        found.append(f"SMALLEST {label}: {size_text(row)}; {_loss(row, reference)}.")
    return tuple(found) or (_unpicked(row, row.verdict.value, reference),)


def leading(
    rows: Sequence[VariantRow],
    picked: Sequence[Pick],
    reference: str,
) -> tuple[str, ...]:
    """Return the sentences that lead the report: use, smallest, avoid, warnings."""
    by_label = {row.variant.label: row for row in rows if row.role != "aa"}
    found = [_use(pick, by_label, reference) for pick in reversed(picked)]
    bad = [row for row in rows if row.role == "candidate" and _is_worse(row)]
    found += [f"AVOID {row.variant.label}: {_loss(row, reference)}." for row in bad]
    found += _warnings(rows)
    return tuple(found)


def _use(pick: Pick, rows: Mapping[str, VariantRow], reference: str) -> str:
    lead = "USE" if pick.name == _BEST else "SMALLEST"
    if pick.label is None:
        return f"{lead}: none. {_capital(pick.reason)}."
    row = rows[pick.label]
    if pick.binding_gate is not None or row.role == "reference":
        return f"{lead} {pick.label}, the reference: {pick.reason}."
    return f"{lead} {pick.label}: {_loss(row, reference)}; {pick.reason}."


def _unpicked(row: VariantRow, verdict: Verdict, reference: str) -> str:
    label = row.variant.label
    match verdict.name:
        case "worse":
            return f"AVOID {label}: {_loss(row, reference)}."
        case "undecided":
            return f"UNDECIDED {label}: {_loss(row, reference)}; {_to_decide(verdict)}."
        case _:
            stopped = binding_gate([row])
            if stopped is None:
                return f"{label} qualifies: {_loss(row, reference)}."
            gate = next(gate for gate in row.gates if gate.name == stopped)
            return (
                f"{label}: {_loss(row, reference)}, but the gate '{gate.name}' is {gate.state} "
                f"({gate.found}; demanded {gate.demanded})."
            )


def _loss(row: VariantRow, reference: str) -> str:
    """Say the loss with its interval, which is always that of a loss: below 0 it is a gain."""
    if isinstance(row.verdict, Missing):
        return str(row.verdict)
    seen = row.verdict.value
    interval = f"[{points(seen.low)}, {points(seen.high)}]"
    size = f"{points(abs(seen.loss))} points of right answers"
    return (
        f"{size} {'gained' if seen.loss < 0 else 'lost'} against {reference} "
        f"(loss {interval}, {seen.items} items): {seen.name}"
    )


def _to_decide(verdict: Verdict) -> str:
    if isinstance(verdict.to_decide_items, Measured):
        return f"about {verdict.to_decide_items.value} items would decide it"
    return str(verdict.to_decide_items)


def _is_worse(row: VariantRow) -> bool:
    return isinstance(row.verdict, Measured) and row.verdict.value.name == "worse"


def _undecidable(row: VariantRow) -> tuple[str, ...]:
    if row.outcome == "completed":
        return ()
    return (f"It did not finish ({row.outcome_reason}), so nothing can be compared with it.",)


def _warnings(rows: Sequence[VariantRow]) -> list[str]:
    """Warn where one family suffers: name the largest variant that shows a loss in it.

    Of those whose size is not known, name each: which is the larger, nobody can say.
    """
    found = []
    by_size = sorted(
        (row for row in rows if row.role == "candidate"),
        key=lambda row: -(value_of(row.variant.file_bpw) or 0.0),
    )
    for family in sorted({family for row in rows for family in row.family_verdicts}):
        for row in by_size:
            seen = row.family_verdicts.get(family)
            if seen is not None and seen.low > seen.floor:
                found.append(_warning(row, family, seen))
                if isinstance(row.variant.file_bpw, Measured):
                    break
    return found


def _warning(row: VariantRow, family: str, shown: Verdict) -> str:
    loses = (
        f"{points(shown.loss)} points of {family.replace('_', ' ')} "
        f"[{points(shown.low)}, {points(shown.high)}]"
    )
    bpw = value_of(row.variant.file_bpw)
    if bpw is None:
        return f"WARNING {row.variant.label} loses {loses}."
    return (
        f"WARNING at {row.variant.label} ({bpw:.1f} bits per weight) this model loses {loses}; "
        "no larger variant shows a loss there."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
