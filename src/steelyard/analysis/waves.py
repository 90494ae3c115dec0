"""Waves of a closed loop: which requests were sent together, how long places stood idle in them.

So many requests begin together, and the next so many only when all of them have ended: a place
whose answer is short waits for the longest. A wave's time runs to the beginning of the next one.
Not aware of what the answers were. Interval: `stats.ratios`, waves taken for independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from steelyard.analysis import timing
from steelyard.analysis.asked import Block
from steelyard.domain.bench import NOT_IN_WAVES
from steelyard.domain.load import Closed, Load
from steelyard.domain.reading import Missing
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate
from steelyard.stats.ratios import ratio_estimate

_NONE_FULL: Final = Missing("too_few_requests", "no wave was full")


def static(load: Load) -> bool:
    """Say whether a load goes out in waves."""
    return isinstance(load, Closed) and load.batching == "static"


def waves(attempts: Sequence[Attempt], streams: int) -> tuple[tuple[Attempt, ...], ...]:
    """Cut requests, in the order in which they were sent, into waves; the last may be short."""
    return tuple(
        tuple(attempts[first : first + streams]) for first in range(0, len(attempts), streams)
    )


def pauses_s(attempts: Sequence[Attempt], streams: int) -> tuple[float, ...]:
    """Return the pauses between a wave's last end and the sends of the next."""
    ordered = sorted(attempts, key=lambda attempt: attempt.sent_ns)
    return tuple(
        max(0, after.sent_ns - max(each.done_ns for each in before)) / timing.NS_PER_S
        for before, wave in pairwise(waves(ordered, streams))
        for after in wave
    )


def idle_share(blocks: Sequence[Block], load: Load) -> Estimate:
    """Return the share of place-seconds in which a place of a full wave had nothing to do."""
    if not isinstance(load, Closed) or load.batching != "static":
        return NOT_IN_WAVES
    idle: list[float] = []
    whole: list[float] = []
    for block in blocks:
        found = waves(block.attempts, load.streams)
        begins = [wave[0].sent_ns for wave in found] + [block.span_ns[1]]
        for wave, (begin_ns, end_ns) in zip(found, pairwise(begins), strict=True):
            if len(wave) == load.streams:
                place_ns = load.streams * (end_ns - begin_ns)
                busy_ns = sum(attempt.done_ns - attempt.sent_ns for attempt in wave)
                whole.append(place_ns)
                idle.append(place_ns - busy_ns)
    if not whole:
        return Estimate(_NONE_FULL, _NONE_FULL, _NONE_FULL, 0)
    return ratio_estimate(idle, whole)
