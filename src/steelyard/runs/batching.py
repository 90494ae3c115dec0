"""Each level of a closed loop both ways on one server: places refilled at once, and in waves.

Turns are taken as two servers take them, so that what changes on the machine meanwhile meets both
ways alike; all turns of a level come before the next level. Not aware of what is made of it:
`analysis.batching`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from steelyard.domain.load import Closed, Load
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.workload import Workload
from steelyard.runs.execute import Session
from steelyard.stats import interleaved


def measure(
    session: Session, workloads: Sequence[Workload], blocks: int, seed: int, emit: Emit
) -> None:
    """Run each level's turns. `workloads` come in pairs, in waves and not, in either order."""
    for first, second in zip(workloads[::2], workloads[1::2], strict=True):
        waves, refilled = (first, second) if _in_waves(first.load) else (second, first)
        turns = {"A": _turn(waves, blocks), "B": _turn(refilled, blocks)}
        emit(Noted(f"{refilled.streams} at a time: {blocks} blocks of 4 turns, 2 of them in waves"))
        for letter in interleaved.order(blocks, seed):
            session.measure(turns[letter])


def _in_waves(load: Load | None) -> bool:
    return isinstance(load, Closed) and load.batching == "static"


def _turn(workload: Workload, blocks: int) -> Workload:
    """Return one turn's share of the load: a block has two turns of each."""
    turns = 2 * blocks
    duration_s = workload.duration_s
    return replace(
        workload,
        requests=workload.requests // turns,
        duration_s=None if duration_s is None else duration_s / turns,
    )
