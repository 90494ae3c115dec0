"""What a draft model gains and costs, as a table for people. Not aware of how it was measured."""

from __future__ import annotations

from collections.abc import Callable

from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.speculation import Speculation
from steelyard.domain.summary import Estimate


def table(found: Speculation) -> str:
    """Return the whole text: by kind of text, by level, and where the gain ends."""
    lines = [
        f"{found.model} with {found.draft} as its draft, against without; temperature 0.",
        "Ratios with 95 % intervals. Speed-up above 1 is a gain, prefill above 1 a cost.",
        "",
        f"{'text':<7} {'asked':>5} {'pairs':>5} {'timed':>5}  {'accepted':<21} {'speed-up':<19} "
        f"{'prefill':<19} {'same answer':<21}",
    ]
    lines += [
        f"{one.domain:<7} {one.asked:>5} {one.pairs:>5} {one.timed:>5}  "
        f"{_share(one.acceptance):<21} {_ratio(one.speedup):<19} {_ratio(one.prefill):<19} "
        f"{_share(one.identical):<21}".rstrip()
        for one in found.domains
    ]
    if found.levels:
        lines += ["", "All kinds mixed, system throughput with the draft over without:"]
        lines += [
            f"{level.streams:>3} at a time  {_ratio(level.speedup)}  "
            f"({counted(level.turns, 'turn')})"
            for level in found.levels
        ]
        match found.break_even:
            case Measured(value=streams):
                lines.append(f"From {streams} at a time on, the draft costs time.")
            case Missing() as reason:
                lines.append(f"{reason.detail[:1].upper()}{reason.detail[1:]}.")
    return "\n".join(lines)


def _share(estimate: Estimate) -> str:
    return _words(estimate, lambda value: f"{value:.0%}")


def _ratio(estimate: Estimate) -> str:
    return _words(estimate, lambda value: f"{value:.2f}")


def _words(estimate: Estimate, shown: Callable[[float], str]) -> str:
    match estimate.value:
        case Missing() as reason:
            return f"– {reason.code}"
        case Measured(value=value):
            bounds = [
                shown(bound.value) if isinstance(bound, Measured) else "?"
                for bound in (estimate.low, estimate.high)
            ]
            return f"{shown(value)} [{bounds[0]}, {bounds[1]}]"
