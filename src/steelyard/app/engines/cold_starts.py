"""`engines cold`: how long until an engine answers, with the file on disk and with it in memory.

An engine that is started here is started again and again, in turns with the model's pages dropped
from the page cache and with them read before. A server that somebody else runs is told to unload
the model, where it can, and loads it again for the next request. Every start is a run in the store.
Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import cold as figures
from steelyard.app.benches import benching
from steelyard.app.benches.request import is_address
from steelyard.app.engines import cold_grounds
from steelyard.app.engines.cold_grounds import DROPPED, ColdRequest, Ground
from steelyard.app.results import files
from steelyard.app.results.files import Told
from steelyard.app.results.keeping import keeper
from steelyard.domain.cold import Cache, ColdStart, OneStart
from steelyard.domain.errors import EngineError, Interrupted
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import AppliedControl, RunRecord
from steelyard.platform import clock
from steelyard.reports import cold as report
from steelyard.runs import cold
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier

FILE: Final = "cold.json"
_LOOK_S: Final = 0.01
_NS_PER_S: Final = 1e9


def perform(request: ColdRequest, emit: Emit, *, as_json: bool) -> Told:
    """Start it as often as was asked for, and tell; write `cold.json` where a folder was named."""
    files.refuse(request.out, FILE)
    attached = is_address(request.subject)
    ground = (cold_grounds.theirs if attached else cold_grounds.ours)(request, emit)
    verifier = Verifier()
    ground.verify(verifier)
    executor = Executor(verifier, emit, poll_max_s=_LOOK_S, proving=benching.proved)
    asked = cold.Asked(request.words, request.tokens, request.seed)
    starts: list[OneStart] = []
    began_ns = clock.monotonic_ns()
    emit(PhaseStarted("starts", len(ground.order), ground.model))
    with keeper(emit) as keep, tempfile.TemporaryDirectory(prefix="steelyard-cold-") as folder:
        try:
            for start in _Starts(ground, executor, asked, Path(folder), keep).all():
                starts.append(start)
                emit(Advanced("starts", len(starts), start.cache))
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted after {len(starts)} of {len(ground.order)} starts",
                hint="those that had finished are kept: `steelyard results list`",
            ) from None
    emit(PhaseEnded("starts", (clock.monotonic_ns() - began_ns) / _NS_PER_S))
    found = _found(ground, starts)
    return files.told(
        found,
        report.table(found),
        request.out,
        FILE,
        as_json=as_json,
        measured=any(not start.failed for start in starts),
    )


def _found(ground: Ground, starts: Sequence[OneStart]) -> ColdStart:
    return ColdStart(
        model=ground.model,
        engine=ground.engine,
        size_bytes=ground.size_bytes,
        cold=ground.no_cold or figures.side("cold", starts),
        warm=figures.side("warm", starts),
        theirs=figures.side("theirs", starts),
        cold_over_warm=figures.cold_over_warm(starts),
        starts=tuple(starts),
        simulated=ground.simulated,
    )


# ── single starts ───────────────────────────────────────────────────────────────────────────────


@final
@dataclass(frozen=True, slots=True)
class _Starts:
    """The starts to be made, one after the other; each that counts is kept."""

    ground: Ground
    executor: Executor
    asked: cold.Asked
    folder: Path
    keep: Callable[[RunRecord], None]

    def all(self) -> Iterator[OneStart]:
        """Make every start; two that fail in a row end them, it will not come up again.

        One that is not counted comes first: the engine's program lies in memory from then on.
        """
        order = self.ground.order
        rehearsal = self._one(len(order), order[-1], counts=False)
        if rehearsal.failed:
            raise EngineError(rehearsal.failed)
        failures = 0
        for number, cache in enumerate(order):
            start = self._one(number, cache, counts=True)
            yield start
            failures = failures + 1 if start.failed else 0
            if failures > 1:
                return

    def _one(self, number: int, cache: Cache, *, counts: bool) -> OneStart:
        cached = self.ground.prepare(cache)
        answered: cold.Answered | None = None
        interrupted = False
        place = self.folder / str(number)
        with self.ground.open(self.executor, number, place) as session:
            try:
                if session.bench is not None:
                    answered = cold.ask(session, self.asked, number)
            except KeyboardInterrupt:
                interrupted = True
                session.cancel()
        told = derived(cached, lambda share: f"{share:.1%} of the file in the page cache")
        session.found.controls += (AppliedControl("file_cache", cache, told),)
        record = self.executor.record(session)
        if counts:
            self.keep(record)
        if interrupted:
            raise KeyboardInterrupt
        return _start(cache, cached, record, answered)


def _start(
    cache: Cache, cached: Reading[float], record: RunRecord, answered: cold.Answered | None
) -> OneStart:
    failed = record.reason if record.outcome == "failed" else ""
    if cache == "cold" and isinstance(cached, Measured) and cached.value > DROPPED:
        failed = f"{cached.value:.0%} of the file stayed in memory: something else holds it"
    none = Missing("not_answered", record.reason or "no request was answered")
    up = record.startup
    return OneStart(
        cache=cache,
        run_id=record.id,
        cached=cached,
        port_s=derived(up, lambda one: one.port_s),
        ready_s=derived(up, lambda one: one.ready_s),
        blind_s=derived(up, lambda one: one.blind_s),
        read_bytes=up if isinstance(up, Missing) else up.value.read_bytes,
        fetched_bytes=none if answered is None else answered.fetched_bytes,
        first_s=none if answered is None else answered.first_s,
        warm_s=none if answered is None else answered.later_s,
        engine_load_s=none if answered is None else answered.engine_load_s,
        failed=failed,
    )
