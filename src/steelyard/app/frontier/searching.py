"""`models frontier`: the best quality that fits memory, context and speed, as measured, and proof.

The shell of `campaigns.fit_search`: runs cells with their context really filled and does what the
machine says next. Every run is a record in the folder and in the store. Not aware of terminals:
text comes back as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, final

from steelyard.app import calibrating
from steelyard.app.benches import benching
from steelyard.app.frontier import ground as frontier_ground
from steelyard.app.frontier import texts
from steelyard.app.frontier.ground import FrontierRequest, Ground
from steelyard.app.frontier.prepare import Prepared, prepare
from steelyard.app.profiles import files as profile_files
from steelyard.app.profiles import places as profile_places
from steelyard.app.results.keeping import keeper
from steelyard.app.sweeps import fetched
from steelyard.campaigns.cells import Cell
from steelyard.campaigns.fit_limits import Seen
from steelyard.campaigns.fit_search import Broke, Event, Finished, Ran, Search, Standing, Try
from steelyard.domain.errors import Interrupted
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, RunRecord, RunSpec
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.platform import atomic, clock, hardware, locks
from steelyard.runs import brim
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for

_PHASE: Final = "frontier"
_NS_PER_S: Final = 1e9
_NOTHING_RAN: Final = 3


@final
@dataclass(frozen=True, slots=True)
class Told:
    """What to print, and how to exit: 0 with a winner, 1 where nothing fits, 3 where none ran."""

    text: str
    json: str
    exit_code: int


def perform(request: FrontierRequest, emit: Emit) -> Told:
    """Search until every cell was run or ruled out, or the budget ends."""
    began_ns = clock.monotonic_ns()

    def elapsed_s() -> float:
        return (clock.monotonic_ns() - began_ns) / _NS_PER_S

    ground = frontier_ground.lay(request, emit)
    here = tuple(path for path, _ in ground.chosen.files)
    with fetched.in_use(here), locks.folder_lock(ground.folder):
        try:
            prepared = prepare(ground, elapsed_s, emit)
            executor = Executor(
                Verifier(),
                emit,
                instrument=calibrating.instrument(emit),
                proving=benching.proved,
            )
        except KeyboardInterrupt:
            raise Interrupted(
                "the search was interrupted before a cell was run",
                hint=f"quants that were made lie in {ground.folder}",
            ) from None
        left_s = max(0.0, request.budget - elapsed_s())
        machine = Search(prepared.candidates, ground.limits, budget_s=left_s)
        with keeper(emit) as keep:
            emit(PhaseStarted(_PHASE, None, ground.chosen.model))
            hunt = _Hunt(prepared, executor, emit, keep, clock.monotonic_ns())
            found, interrupted = hunt.search(machine)
            emit(PhaseEnded(_PHASE, elapsed_s()))
        told = _told(prepared, found, elapsed_s())
    if interrupted:
        where = f"the cells that had been run stand in {ground.folder / texts.FILE}"
        profile = f"; the profile of the best is {ground.out}" if found.winner else ""
        raise Interrupted("the search was interrupted", hint=where + profile)
    return told


@final
@dataclass(slots=True)
class _Hunt:
    """The search under way."""

    prepared: Prepared
    executor: Executor
    emit: Emit
    keep: Callable[[RunRecord], None]
    began_ns: int
    number: int = 0

    def search(self, machine: Search) -> tuple[Finished, bool]:
        """Do what the machine says until it is done; True where the user ended it."""
        try:
            step = machine.start()
            while isinstance(step, Try):
                cell = step.candidate.cell
                self.emit(Advanced(_PHASE, self.number, f"{step.stage}: {cell.name}"))
                step = machine.handle(self._tried(step))
        except KeyboardInterrupt:
            return machine.stop(), True
        return step, False

    def _tried(self, step: Try) -> Event:
        """Run one cell, and say what it showed."""
        began_ns, cell = clock.monotonic_ns(), step.candidate.cell
        limits = self.prepared.ground.limits
        asked = brim.Asked(
            context_tokens=self.prepared.ground.base.context_tokens,
            output_tps=limits.output_tps,
            memory_bytes=limits.memory_bytes,
            limit_s=step.limit_s,
            draft=cell.draft,
            on_gpu=cell.placing.gpu_layers > 0,
        )
        shown, record, held = self._run(cell, asked)
        now_ns = clock.monotonic_ns()
        seconds, elapsed_s = (now_ns - began_ns) / _NS_PER_S, (now_ns - self.began_ns) / _NS_PER_S
        if shown is None or record.outcome != "completed":
            return Broke(record.reason or "it could not be run", elapsed_s)
        if shown.late:
            return Broke(shown.late, elapsed_s, no_time=True)
        took = held.memory_bytes
        if not shown.tokens and isinstance(took, Measured) and took.value < shown.least_bytes:
            took = Measured(shown.least_bytes, "engine")
        speeds = shown.output_tps, shown.prompt_tps
        polluted = ", ".join(one.code for one in record.cautions if one.pollutes)
        seen = Seen(took, held.gpu_bytes, *speeds, shown.tokens, seconds, polluted)
        return Ran(seen, elapsed_s, shown.refused)

    def _run(self, cell: Cell, asked: brim.Asked) -> tuple[brim.Found | None, RunRecord, brim.Held]:
        """Start a cell's engine, run it, stop it; whatever ends it, its record is kept."""
        ground, file = self.prepared.ground, self.prepared.files[cell.quant]
        self.number += 1
        paths = {file.variant.artifact.sha256: file.path, **ground.settled.paths}
        draft_sha256 = None
        if ground.draft is not None:
            draft_sha256 = ground.draft.variant.artifact.sha256
            paths[draft_sha256] = ground.draft.path.absolute()
        profile = cell.profile(ground.base, draft_sha256)
        loads = brim.look_load(asked.context_tokens), brim.full_load(asked.context_tokens)
        seed = ground.request.seed
        spec = RunSpec(
            Subject(file.variant.artifact, "llamacpp", ground.request.runtime, profile),
            Controls(seed=seed, warmup=0, device=ground.settled.device),
            workloads=loads,
            repeat=self.number,
            campaign_seed=seed,
        )
        label = re.sub(r"[^A-Za-z0-9]+", "-", cell.name)
        folder = ground.folder / f"{self.number:03d}-{label}"
        place = place_for(spec.subject, folder, paths, engine_profile=ground.settled.name)
        shown: brim.Found | None = None
        interrupted = False
        with self.executor.session(spec, file.variant, place) as session:
            session.restarts = 0  # one that dies is a cell that died, and the budget is not for it
            try:
                if session.bench is not None:
                    shown = brim.run(session, asked)
            except KeyboardInterrupt:
                interrupted = True
                session.cancel()
        record = self.executor.record(session)
        self.keep(record)
        if interrupted:
            raise KeyboardInterrupt
        return shown, record, brim.held(record, folder)


def _told(prepared: Prepared, found: Finished, seconds: float) -> Told:
    """Write the winner's profile, and say what was found."""
    ground = prepared.ground
    if found.winner is not None:
        _write(prepared, found, found.winner)
    report = texts.Report(
        prepared, found, seconds, ground.out if found.winner else None, _usage(prepared, found)
    )
    text = texts.as_json(report)
    atomic.write(ground.folder / texts.FILE, text.encode())
    code = 0 if found.winner else 1 if report.answered else _NOTHING_RAN
    return Told(texts.as_text(report), text, code)


def _write(prepared: Prepared, found: Finished, winner: Standing) -> None:
    """Write the winner as an engine profile, the settings of the one it began with included."""
    ground, cell = prepared.ground, winner.candidate.cell
    named = ground.chosen.profile
    profile = cell.profile(_quiet(ground), None)
    kept = profile_places.settings_of(profile, named.settings if named is not None else {})
    if cell.draft and ground.draft is not None:
        kept[profile_files.DRAFT] = str(ground.draft.path.absolute())
    profile_places.write(
        ground.out,
        ground.folder,
        "llamacpp",
        ground.request.runtime,
        kept,
        texts.comments(prepared, found, winner, hardware.device()),
    )


def _quiet(ground: Ground) -> EngineProfile:
    """Return what cells begin with, without what only made the engine tell more."""
    named = ground.chosen.profile
    usual = named.settings.get("extra_args", ()) if named is not None else ()
    return replace(ground.base, extra_args=tuple(usual))


def _usage(prepared: Prepared, found: Finished) -> str:
    """Return the winner as a subject: its file with the profile behind it."""
    if found.winner is None:
        return ""
    path = str(prepared.files[found.winner.candidate.cell.quant].path)
    return profile_places.by_name(prepared.ground.out, path, "llamacpp")
