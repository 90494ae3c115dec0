"""Continuous against static batching, as a client sees it: each level's two ways, block by block.

System throughput is all output tokens over elapsed time. In waves that is from the first wave's
beginning to the last one's end. Where places are refilled, a load that ends leaves them empty one
after the other, which says nothing of how it was sent: there it is the output tokens of an answer
over the time that it keeps a place, times places, as it would be if the load went on for ever. Not
aware of servers. Sources: J. D. C. Little, Operations Research 9 (1961) 383-387;
`stats.interleaved`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import asked, client_limits, timing, waves
from steelyard.analysis.asked import Block
from steelyard.analysis.level_sides import system_tps
from steelyard.analysis.metrics.load import output_tokens
from steelyard.domain.bench import Batching
from steelyard.domain.load import Closed, described
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Completed
from steelyard.domain.summary import Estimate
from steelyard.stats.interleaved import TURNS_PER_BLOCK, compare, pairs
from steelyard.stats.means import mean, mean_estimate

_NO_BLOCK: Final = Missing("no_samples", "no block of four turns was measured whole")


def batching(record: RunRecord) -> tuple[Batching, ...]:
    """Return the levels of a run that were measured both ways, in the order in which they came."""
    turns: dict[Closed, list[Section]] = {}
    for section in record.sections:
        load = asked.load_of(record, section)
        if section.kind == "workload" and isinstance(load, Closed):
            turns.setdefault(replace(load, batching="continuous"), []).append(section)
    asked_for = {workload.load for workload in record.spec.workloads}
    return tuple(
        _level(record, load, sections)
        for load, sections in turns.items()
        if load in asked_for and replace(load, batching="static") in asked_for
    )


def held_tps(block: Block, streams: int) -> Reading[float]:
    """Return the output tokens a second of `streams` places that are always refilled.

    The last `streams` requests do not count: beside them places were left empty.
    """
    counted = block.attempts[:-streams]
    if not counted:
        return Missing("no_refill", "no place was filled a second time: send more requests")
    done = [attempt for attempt in counted if isinstance(attempt.outcome, Completed)]
    if not done:
        return Missing("no_requests", "no request was answered whole")
    tokens = output_tokens(done)
    if isinstance(tokens, Missing):
        return tokens
    busy_s = sum(a.done_ns - a.sent_ns for a in counted) / timing.NS_PER_S
    pauses = client_limits.pauses_s(block.attempts, streams)
    return Measured(streams * tokens.value / (busy_s + len(counted) * mean(pauses)), "derived")


def _level(record: RunRecord, load: Closed, sections: Sequence[Section]) -> Batching:
    turns = [
        ("A" if waves.static(asked.load_of(record, section)) else "B", asked.block_of(section))
        for section in sections
    ]
    in_waves = [block for side, block in turns if side == "A"]
    found = [
        (side, system_tps([block]) if side == "A" else held_tps(block, load.streams))
        for side, block in turns
    ]
    compared = compare([])
    lost = next((reading for _, reading in found if isinstance(reading, Missing)), None)
    whole = "".join(_whole("".join(side for side, _ in turns)))
    if lost is None and whole:
        values = [r.value for _, r in found[: len(whole)] if isinstance(r, Measured)]
        compared = compare(pairs(whole, values))
    why = lost or (None if whole else _NO_BLOCK)
    return Batching(
        level=described(load),
        streams=load.streams,
        continuous_tps=_mean([reading for side, reading in found if side == "B"]),
        static_tps=_mean([reading for side, reading in found if side == "A"]),
        ratio=compared.ratio if why is None else Estimate(why, why, why, 0),
        p_value=compared.p_value if why is None else why,
        idle_share=waves.idle_share(in_waves, replace(load, batching="static")),
    )


def _whole(order: str) -> Iterator[str]:
    """Yield the blocks that were measured whole; the one under way at an interrupt is none."""
    for begin in range(0, len(order), TURNS_PER_BLOCK):
        block = order[begin : begin + TURNS_PER_BLOCK]
        if block not in ("ABBA", "BAAB"):
            return
        yield block


def _mean(turns: Sequence[Reading[float]]) -> Estimate:
    lost = next((reading for reading in turns if isinstance(reading, Missing)), None)
    if lost is not None:
        return Estimate(lost, lost, lost, 0)
    return mean_estimate([reading.value for reading in turns if isinstance(reading, Measured)])
