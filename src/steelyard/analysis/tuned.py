"""What a turn costs under each goal of a search for settings: a number above zero, less is better.

`ttft` the median time to first token, `throughput` the seconds for one output token of all streams
together, `balanced` the geometric mean of both, so that neither outweighs the other by its unit.
Not aware of candidates or of engines.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias, assert_never

from steelyard.analysis import asked, timing
from steelyard.analysis.level_sides import system_tps
from steelyard.analysis.metrics.load import completed, measured
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import Section
from steelyard.domain.summary import Estimate
from steelyard.stats.quantiles import quantile

Goal: TypeAlias = Literal["ttft", "throughput", "balanced"]
# Of which a gain is told in words: less time, or more tokens.
TITLES: Final[dict[Goal, str]] = {
    "ttft": "time to first token",
    "throughput": "output tokens per second, all streams",
    "balanced": "time to first token and seconds per token, geometric mean",
}


def cost(goal: Goal, section: Section) -> Reading[float]:
    """Return the cost of one turn; Missing where a request failed or was not counted."""
    whole = completed(section)
    if not whole or len(whole) < len(section.attempts):
        failed = len(section.attempts) - len(whole)
        sent = counted(len(section.attempts), "request")
        return Missing("failed_requests", f"{failed} of {sent} failed")
    match goal:
        case "ttft":
            return _first(section)
        case "throughput":
            return derived(system_tps([asked.block_of(section)]), lambda tps: 1 / tps)
        case "balanced":
            first, tps = _first(section), system_tps([asked.block_of(section)])
            if isinstance(tps, Missing):
                return tps
            return derived(first, lambda seconds: math.sqrt(seconds / tps.value))
        case _:
            assert_never(goal)


def gain_in_words(goal: Goal, ratio: Estimate) -> str:
    """Say a ratio of costs (candidate over baseline) as a change of what the goal is about."""
    match ratio:
        case Estimate(value=Measured(value=v), low=Measured(value=lo), high=Measured(value=hi)):
            if goal == "throughput":
                v, lo, hi = 1 / v, 1 / hi, 1 / lo
            return f"{TITLES[goal]} {v - 1:+.1%} [{lo - 1:+.1%}, {hi - 1:+.1%}]"
        case Estimate(value=value):
            return f"{TITLES[goal]}: {value}"


def _first(section: Section) -> Reading[float]:
    values = measured(timing.ttft_s, completed(section))
    if not values:
        return Missing("no_first_token", "no request of the turn shows its first token")
    return Measured(quantile(values, 0.5), "derived")
