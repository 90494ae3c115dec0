"""Two servers in turns under one load: what changes on the machine meanwhile meets both alike.

A pilot on the first says what the comparison can find before it begins. Not aware of statistics
beyond that; the sections of a record, in order, are its turns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from steelyard.analysis import timing
from steelyard.analysis.metrics.load import completed, measured
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured
from steelyard.domain.run import Section
from steelyard.domain.workload import Workload
from steelyard.runs.execute import Session
from steelyard.stats import interleaved

_PILOT_TURNS: Final = 3
_LEAST_PER_TURN: Final = 8
_METRICS: Final = (
    ("time to first token", timing.ttft_s),
    ("time per output token", timing.tpot_s),
    ("whole request", timing.e2e_s),
)


def measure(
    sessions: tuple[Session, Session], workload: Workload, blocks: int, seed: int, emit: Emit
) -> None:
    """Run the pilot, say what can be found, then take turns: ABBA, so many blocks."""
    first, _ = sessions
    turn = _turn(workload, blocks)
    pilot = [first.measure(turn) for _ in range(_PILOT_TURNS)]
    del first.found.sections[-_PILOT_TURNS:]
    per_turn = round(sum(len(s.attempts) for s in pilot) / len(pilot))
    emit(Noted(_detectable(pilot, blocks, per_turn)))
    for letter in interleaved.order(blocks, seed):
        sessions["AB".index(letter)].measure(turn)


def _turn(workload: Workload, blocks: int) -> Workload:
    """Return one turn's share of the load: a block has two turns of each."""
    if workload.duration_s is not None:
        return replace(workload, duration_s=workload.duration_s / (2 * blocks))
    return replace(workload, requests=max(_LEAST_PER_TURN, workload.requests // (2 * blocks)))


def _detectable(pilot: list[Section], blocks: int, per_turn: int) -> str:
    words = []
    for name, formula in _METRICS:
        turns = [list(measured(formula, completed(section))) for section in pilot]
        spread = interleaved.pilot(turns)
        if isinstance(spread, Measured):
            smallest = interleaved.mde(spread.value, blocks, per_turn)
            found = f"{smallest.value:.1%}" if isinstance(smallest, Measured) else str(smallest)
            words.append(f"{name} {found}")
    return (
        f"{blocks} blocks of 4 turns, {per_turn} requests a turn: the smallest difference that "
        f"this finds with 80 % power is {', '.join(words) or 'not known: the pilot was too short'}"
    )
