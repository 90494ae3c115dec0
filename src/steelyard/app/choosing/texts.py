"""What a choice says, as plain text. Computes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from steelyard.analysis import foreseen
from steelyard.analysis.sizing import USUAL_FLIPS
from steelyard.analysis.verdict import CANNOT_DECIDE
from steelyard.app.choosing.deal import Deal
from steelyard.app.choosing.request import ChooseRequest
from steelyard.app.evals import fault_texts
from steelyard.app.evals.texts import SIMULATED, table
from steelyard.domain.campaign import Gates
from steelyard.domain.choice import Choice, Ending, Looked, Rated
from steelyard.domain.reading import Measured, Missing
from steelyard.reports.figures import NOTHING, duration
from steelyard.tasks.varying import form_of

_MB: Final = 1e6
_ENDINGS: Final[dict[Ending, str]] = {
    "decided": "stopped: sure",
    "hopeless": "stopped: the rest of the plan would hardly make it qualify",
    "all_asked": "all items were asked",
    "budget": "stopped: the budget was spent",
    "not_needed": "not looked at: a cheaper one is good enough",
    "not_measured": "stopped: too many items were not run",
    "failed": "could not be asked",
}


def foresight(items: int, labels: Sequence[str], request: ChooseRequest) -> str:
    """Say before the start what is planned, in which order, and what it can show."""
    gates = Gates(margin=request.margin)
    equal = foreseen.chance_of_equals(items, USUAL_FLIPS, len(labels), gates)
    whole = items * (1 + len(labels))
    rule = "all of it is asked (--fixed)" if request.fixed else "asked no longer than it takes"
    return (
        f"at most {items:,} items of each of {1 + len(labels)} subjects, {whole:,} requests in "
        f"all; {rule}. In this order: {', '.join(labels)}. If {USUAL_FLIPS:.0%} of the items "
        f"flip, all of them show of one that loses nothing that it loses less than "
        f"{gates.margin:.1%} in {equal:.0%} of choices, and call one worse that loses "
        f"{_from(foreseen.worse_from(items, USUAL_FLIPS, len(labels), gates))} (power 80 %)"
        + (f"; it ends after {duration(request.budget)}" if request.budget else "")
    )


def forms(dealt: Deal) -> str:
    """Say in which forms the items of a deal are asked; empty where they are as they were made."""
    told = Counter(form_of(one.item.id) for one in dealt.items if dealt.tasks[one.task].vary)
    if not told:
        return ""
    counts = ", ".join(f"{form} {count}" for form, count in sorted(told.items()))
    return f"each item is asked once, in one of its forms, the same of every subject: {counts}"


def _from(loss: float) -> str:
    return f"{loss:.1%} or more" if loss < 1 else "all, and not even that"


def choice_text(found: Choice, folder: Path) -> str:
    """Return the choice, what each candidate's look came to, and what was not asked."""
    return "\n".join(_choice(found, folder))


def _choice(found: Choice, folder: Path) -> Iterator[str]:
    if found.simulated:
        yield SIMULATED
    yield f"reference  {found.reference}, {found.reference_items:,} items{_reference(found)}"
    yield _aa_row(found)
    heads = ("candidate", "MB", "items", "right", "loss", "interval", "lost", "won", "verdict")
    yield table([heads, *(_row(one) for one in found.candidates)])
    for one in found.candidates:
        yield f"  {one.label}: {_ENDINGS[one.ending]}{_why(one)}"
    yield _answer(found)
    yield (
        f"Asked {found.requests:,} of the {found.planned:,} requests of the whole matrix: "
        f"{found.saved:.0%} saved in {duration(found.seconds)}, the A/A row included"
    )
    if found.anytime:
        yield (
            f"Whenever it stops, at most {(1 - found.confidence) / 2:.0%} of such choices take one "
            f"that loses {found.margin:.1%} or more. Intervals and p-values of `eval compare` are "
            "for a number of items that was settled beforehand: they do not hold for runs that "
            "stopped early"
        )
    yield from fault_texts.beside(found.faults)
    yield f"Everything is in {folder}"


def _reference(found: Choice) -> str:
    return "" if found.rated is None else f", right {_right(found.rated)}"


def _right(rated: Rated | None) -> str:
    """Return the share of right answers of what was asked, with its band."""
    if rated is None or isinstance(rated.right.value, Missing):
        return NOTHING
    band = f" {rated.band.value}" if isinstance(rated.band, Measured) else ""
    return f"{rated.right.value.value:.1%}{band}"


def _aa_row(found: Choice) -> str:
    if isinstance(found.floor, Missing):
        return f"A/A        none ({found.floor}): no loss below the margin is called worse"
    return (
        f"A/A        the reference once more, {found.again_items:,} items: only a loss above "
        f"{found.floor.value:.1%} is called worse (it names the verdicts and decided none)"
    )


def _row(one: Looked) -> tuple[str, ...]:
    size = f"{one.size_bytes.value / _MB:,.1f}" if isinstance(one.size_bytes, Measured) else NOTHING
    match one.verdict:
        case Missing():
            return (one.label, size, str(one.items), _right(one.rated), *[NOTHING] * 4, NOTHING)
        case Measured(value=verdict):
            return (
                one.label,
                size,
                str(one.items),
                _right(one.rated),
                f"{verdict.loss:+.1%}",
                f"[{verdict.low:+.1%}, {verdict.high:+.1%}]",
                str(verdict.flips_lost),
                str(verdict.flips_won),
                verdict.name,
            )


def _why(one: Looked) -> str:
    match one.verdict:
        case Missing(code="not_looked_at"):
            return ""
        case Missing() as why:
            return f": {why}"
        case Measured(value=verdict):
            parts = [verdict.reason]
            if isinstance(one.visible, Measured):
                parts.append(_visible(verdict.items, one.visible.value))
    if verdict.name == "undecided" and isinstance(verdict.to_decide_items, Measured):
        more = f"about {verdict.to_decide_items.value:,} items in all would decide it"
        if isinstance(one.more_s, Measured):
            more += f", {duration(one.more_s.value)} more"
        parts.append(more)
    elif verdict.to_decide_items == CANNOT_DECIDE:
        parts.append(str(CANNOT_DECIDE))
    return f"; {'; '.join(parts)}"


def _visible(items: int, least: float) -> str:
    return f"{items:,} items that flip as these at best call one worse that loses {_from(least)}"


def _answer(found: Choice) -> str:
    if found.chosen is not None:
        return (
            f"→ {found.chosen}: the cheapest that loses less than {found.margin:.1%} "
            f"against {found.reference}"
        )
    lost = [one.label for one in found.candidates if one.ending == "not_measured"]
    if lost:
        return (
            f"→ nothing can be said of {', '.join(lost)}: more than 1 % of the items were not run "
            "there or on the reference"
        )
    if not found.complete:
        return "→ nothing is shown to be good enough yet: the budget ended before that"
    return f"→ none is shown to lose less than {found.margin:.1%}: stay with {found.reference}"
