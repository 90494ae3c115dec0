"""Several settings of one engine in rounds, one at a time: each turn starts it, asks, and stops it.

One at a time, since two engines on one GPU would share what is being measured; in rounds, so that
heat and drift meet all alike (`stats.interleaved.rounds`). Every turn is a run in the store. A
setting that fails leaves. Power and the GPUs' memory are looked at from here, where the system
tells them. Not aware of what is set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import turns as figures
from steelyard.analysis.turns import Turn
from steelyard.app.engines.openings import Open
from steelyard.app.results.keeping import keeper
from steelyard.domain.errors import Interrupted
from steelyard.domain.load import Closed
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.prompts import Synthetic
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.workload import Workload
from steelyard.platform import clock, gpu_memory
from steelyard.runs.execute import Executor
from steelyard.stats import interleaved
from steelyard.telemetry.power import Nvml, PowerSampler, Rapl

_NS_PER_S: Final = 1e9
_ELSEWHERE: Final = Missing("elsewhere", "the server was up before: nobody saw its memory grow")


@final
@dataclass(frozen=True, slots=True)
class Setting:
    """One of the things compared: its name, and how its n-th turn is begun in a folder.

    `ours`: it is started here, so that memory and power of this machine are its own.
    """

    name: str
    open: Open
    ours: bool = True


@final
@dataclass(frozen=True, slots=True)
class Rounds:
    """How often, with what, in which order."""

    workload: Workload
    count: int
    seed: int


def workload(prompt: int, output: int, requests: int, streams: int) -> Workload:
    """Return the load of one turn: prompts of an exact length, so many at a time."""
    return Workload(
        "bench",
        prompt_tokens=prompt,
        output_tokens=output,
        requests=requests,
        streams=streams,
        load=Closed(streams),
        prompts=Synthetic(prompt, output),
    )


def take(
    settings: Sequence[Setting], rounds: Rounds, executor: Executor, emit: Emit
) -> tuple[Turn, ...]:
    """Give every setting its turns. An interrupt keeps the runs that had finished."""
    order = interleaved.rounds(len(settings), rounds.count, rounds.seed)
    began_ns = clock.monotonic_ns()
    emit(PhaseStarted("turns", len(order)))
    taken: list[_Taken] = []
    with ExitStack() as stack:
        keep = stack.enter_context(keeper(emit))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="steelyard-turns-")))
        meters = {
            sampler_name: stack.enter_context(PowerSampler(source))
            for sampler_name, source in (("processor", Rapl()), ("gpu", Nvml()))
            if all(setting.ours for setting in settings)
        }
        left: set[int] = set()
        try:
            for done, (number, setting) in enumerate(order):
                emit(Advanced("turns", done, settings[setting].name))
                if setting in left:
                    continue
                place = folder / f"{number}-{setting}"
                turn = _turn(settings[setting], setting, number, rounds, executor, place, keep)
                taken.append(turn)
                if turn.record.outcome != "completed":
                    left.add(setting)
                    why = turn.record.reason.splitlines()[0]
                    emit(Noted(f"{settings[setting].name} leaves: {why}", warning=True))
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted after {len(taken)} of {len(order)} turns",
                hint="those that had finished are kept: `steelyard results list`",
            ) from None
    emit(PhaseEnded("turns", (clock.monotonic_ns() - began_ns) / _NS_PER_S))
    series = {name: meter.series() for name, meter in meters.items()}
    return tuple(
        figures.read(each.setting, each.number, each.record, each.device_bytes, series)
        for each in taken
    )


@final
@dataclass(frozen=True, slots=True)
class _Taken:
    """A turn that has ended: of which setting, in which round, its record."""

    setting: int
    number: int
    record: RunRecord
    device_bytes: Reading[int]


def _turn(
    setting: Setting,
    index: int,
    number: int,
    rounds: Rounds,
    executor: Executor,
    folder: Path,
    keep: Callable[[RunRecord], None],
) -> _Taken:
    before = gpu_memory.used_bytes() if setting.ours else _ELSEWHERE
    grown: Reading[int] = before if isinstance(before, Missing) else Missing("not_measured")
    interrupted = False
    with setting.open(executor, number, folder) as session:
        try:
            if session.bench is not None:
                session.measure(rounds.workload)
                grown = _growth(before)
        except KeyboardInterrupt:
            interrupted = True
            session.cancel()
    record = executor.record(session)
    keep(record)
    if interrupted:
        raise KeyboardInterrupt
    return _Taken(index, number, record, grown)


def _growth(before: Reading[int]) -> Reading[int]:
    """Return by how much the memory in use has grown, 0 where somebody else's has shrunk more."""
    if isinstance(before, Missing):
        return before
    now = gpu_memory.used_bytes()
    if isinstance(now, Missing):
        return now
    return Measured(max(0, now.value - before.value), "client")
