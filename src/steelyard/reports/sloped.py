"""What more right answers come with, in one sentence for every format. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from steelyard.domain.reading import Measured
from steelyard.domain.summary import Cost, CostSlope, SweepSummary

_COSTS: Final[Mapping[Cost, str]] = {
    "seconds_per_item": "the seconds an item",
    "joules_per_item": "the joules an item",
    "money_per_item": "the money an item",
}


def sentence(summary: SweepSummary) -> str:
    """Return it, with every cost that has a slope; where none has, why; "" without a task."""
    if not summary.cost_slopes:
        return ""
    sure = f"{summary.confidence * 100:g} %"
    told = [text for one in summary.cost_slopes if (text := _times(one, sure))]
    if told:
        return (
            f"10 of 100 more right answers come with {', and '.join(told)}: a line through these "
            "variants, which says nothing of others."
        )
    first = summary.cost_slopes[0]
    return f"What more right answers cost is not told: {_detail(first)}."


def _times(one: CostSlope, sure: str) -> str:
    match one.factor.value, one.factor.low, one.factor.high:
        case Measured(value=value), Measured(value=low), Measured(value=high):
            flat = ", which may be chance" if low <= 1 <= high else ""
            return (
                f"{value:.2f} times {_COSTS[one.cost]} ({sure} {low:.2f} to {high:.2f}{flat}), "
                f"over {one.factor.n} variants"
            )
        case _:
            return ""


def _detail(one: CostSlope) -> str:
    value = one.factor.value
    return "" if isinstance(value, Measured) else value.detail or value.code
