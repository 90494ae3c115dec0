"""`sweep`: from what was typed to the last screen, begun or gone on with.

Puts the rooms together and holds the folder. Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, assert_never, final

from steelyard.app import subjects
from steelyard.app.engines import machinery
from steelyard.app.results.keeping import keeper
from steelyard.app.sweeps import (
    asked,
    fetched,
    fetching,
    foreseeing,
    ladder,
    model_folders,
    reporting,
    served_subjects,
    work,
)
from steelyard.app.sweeps import spec as sweep_spec
from steelyard.app.sweeps.fetching import Fetching
from steelyard.app.sweeps.folder import REQUEST, SweepFolder
from steelyard.app.sweeps.foreseeing import Foreseen
from steelyard.app.sweeps.model_folders import FolderOrder
from steelyard.app.sweeps.plan import planned
from steelyard.app.sweeps.questions import questions
from steelyard.app.sweeps.reporting import Outcome, Written
from steelyard.app.sweeps.served_subjects import Access, Roll
from steelyard.app.sweeps.spec import SweepRequest
from steelyard.campaigns.events import Resumed
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.states import replay
from steelyard.domain.campaign import Sweep
from steelyard.domain.errors import BadInput, Interrupted
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import Controls, Place, Proof, RunSpec
from steelyard.domain.subject import Subject, Variant
from steelyard.engines.attached import AttachedEngine
from steelyard.platform import clock, locks
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for

_NS_PER_S: Final = 1e9
_PATHS: Final = "paths.json"
_SERVERS: Final = "servers.json"


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A sweep that can begin or go on: every file verified, spec and plan on disk."""

    folder: SweepFolder
    sweep: Sweep
    plan: Plan
    paths: Mapping[str, Path]
    servers: Mapping[str, str]


def perform(request: SweepRequest, emit: Emit) -> Outcome:
    """Run a sweep, new or resumed, to its end and return the last screen."""
    if request.resume:
        foreseeing.check_settings()
        folder = asked.to_resume(request)
        if folder.exists():
            return _go_on(request, folder, emit)
        request = asked.asked_at_first(request, folder)
    found = asked.still_on_a_hub(request)
    with fetching.in_use(found):
        ahead = _here(request, found, emit)
        folder = ahead.folder
        with locks.folder_lock(folder.root), _goes_on(folder):
            foreseeing.refuse_used(folder)
            with fetched.in_use(_sources(ahead.order)):
                prepared = _begun(ahead, emit)
                fetched.adopt(folder, tuple(prepared.paths.values()))
                ended = _campaign(request, prepared, emit)
    # Not before the leases are gone: our own would keep everything.
    if not prepared.servers:
        fetched.clear(folder, prepared.sweep, prepared.paths, asked.wish(request), ended, emit)
    return ended


def _go_on(request: SweepRequest, folder: SweepFolder, emit: Emit) -> Outcome:
    """Go on with a sweep whose plan is laid; what of its files is gone and needed is fetched."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    subject = str(begun.get("subject", subjects.BUNDLED))
    asked.refuse_about_hubs(request, subject)
    hub = asked.hub_request(request, subject)
    with locks.folder_lock(folder.root), _goes_on(folder):
        prepared = _resumed(folder)
        if prepared.servers:
            return _campaign(request, prepared, emit)
        sweep, wish = prepared.sweep, asked.wish(request, begun)
        fetched.check(wish, {v.label: prepared.paths[v.artifact.sha256] for v in sweep.variants})
        campaign = replay(prepared.plan, folder.events())
        campaign.take(_going_on(request))
        needed = [one for one in sweep.variants if one.label in campaign.needed()]
        with fetched.restored(folder, needed, prepared.paths, hub, emit) as paths:
            ended = _campaign(request, replace(prepared, paths=paths), emit)
        fetched.clear(folder, sweep, paths, wish, ended, emit)
    return ended


def _going_on(request: SweepRequest) -> Resumed:
    """Return how a sweep goes on: what is polluted still is measured again, unless it counts."""
    return Resumed(request.budget, again=not request.include_polluted)


def _sources(order: ladder.Order | FolderOrder | Roll) -> tuple[Path, ...]:
    return () if isinstance(order, Roll) else tuple(path for path, _ in order.chosen.files)


def _here(request: SweepRequest, found: Fetching | None, emit: Emit) -> Foreseen:
    """Foresee, see that there is room for all of it, and have everything here."""
    if found is None:
        ahead = foreseeing.foresee(request, emit)
        foreseeing.check_room(ahead)
        return ahead
    quiet: Emit = lambda _: None  # noqa: E731 - what it would say has been said
    out, again = request.out or foreseeing.new_folder(found.model), emit
    request = replace(request, out=out)
    if found.is_ladder:
        ahead, again = foreseeing.foresee(request, emit, found), quiet
        foreseeing.check_machine(ahead)
        found = ahead.fetching or found
        fetching.require_room(found, out, ahead.disk_bytes)
    else:
        asked.check_source(request, found)
        fetching.require_room(found, out, 0)
    for line in fetching.lines(found, request.keep, keep_all=request.keep_all):
        emit(Noted(line))
    fetching.fetch(found, out, emit)
    ahead = foreseeing.foresee(replace(request, subject=found.subject), again)
    foreseeing.check_room(ahead)
    return replace(ahead, request=request)


@contextmanager
def _goes_on(folder: SweepFolder) -> Iterator[None]:
    """Say after an interrupt how to go on, where there is something to go on with."""
    try:
        yield
    except KeyboardInterrupt:
        if not folder.begun():
            raise
        out = shlex.quote(str(folder.root))
        raise Interrupted(
            "the sweep was interrupted; what had finished is kept",
            hint=f"`steelyard sweep --resume --out {out}` goes on",
        ) from None


def _campaign(request: SweepRequest, prepared: Prepared, emit: Emit) -> Outcome:
    """Perform the campaign of a prepared sweep, whose folder we hold."""
    folder = prepared.folder
    access = asked.access_of(folder) if prepared.servers else None
    with keeper(emit, prepared.sweep) as keep:

        def place_of(spec: RunSpec) -> Place:
            if access is not None:
                return served_subjects.place(spec, prepared.servers, folder.run(spec.id))
            return place_for(
                spec.subject,
                folder.run(spec.id),
                prepared.paths,
                engine_profile=prepared.sweep.engine_profile,
            )

        def report(where: SweepFolder) -> Written:
            return reporting.write(where, include_polluted=request.include_polluted)

        def prove(subject: Subject, controls: Controls) -> Proof:
            if access is not None:
                return served_subjects.unproved(subject)
            return machinery.prove(subject, controls, emit)

        def attach(spec: RunSpec) -> AttachedEngine:
            context = prepared.sweep.profile.context_tokens
            return served_subjects.again(spec, prepared.servers, access or Access(), context)

        executor = Executor(Verifier(), emit)
        crew = work.Crew(
            executor, place_of, emit, keep, prove, report, attach if access is not None else None
        )
        stop = work.perform(folder, prepared.sweep, prepared.plan, crew, _going_on(request))
    return reporting.outcome(folder, stop)


def _begun(ahead: Foreseen, emit: Emit) -> Prepared:
    """Make and verify the ladder, then write down what is asked."""
    request, folder = ahead.request, ahead.folder
    folder.write(REQUEST, asked.settled_at_first(request))
    started_ns = clock.monotonic_ns()
    variants, paths, servers = _made(ahead, emit)
    seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    phase = "first answers" if servers else "ladder"
    folder.write(reporting.LADDER_TIME, {phase: round(seconds, 3)})
    loads, settled = ahead.sweep.workloads, ahead.settled
    asked_of = questions(request, ahead.weighed, settled.profile, variants)
    sweep = sweep_spec.sweep_of(request, ahead.weighed, loads, settled, variants, asked_of.tasks)
    paths |= settled.paths
    laid_out = planned(sweep, asked_of, served_subjects.the_same(variants, servers))
    folder.write(_PATHS, {sha256: str(path) for sha256, path in paths.items()})
    if servers:
        folder.write(_SERVERS, servers)
    folder.begin(sweep, laid_out)
    return Prepared(folder, sweep, laid_out, paths, servers)


def _made(
    ahead: Foreseen, emit: Emit
) -> tuple[tuple[Variant, ...], dict[str, Path], dict[str, str]]:
    """Have every variant ready: its file lies where it says, or its server has answered for it."""
    match ahead.order:
        case Roll() as roll:
            context = ahead.settled.profile.context_tokens
            return served_subjects.made_ready(roll, context, emit), {}, dict(roll.servers)
        case ladder.Order() as order:
            return *ladder.make(order, ahead.folder.models, emit), {}
        case FolderOrder() as order:
            return *model_folders.make(order, ahead.folder.models, emit), {}
        case _:
            assert_never(ahead.order)


def _resumed(folder: SweepFolder) -> Prepared:
    paths = folder.read(dict[str, str], _PATHS) or {}
    located = {sha256: Path(path) for sha256, path in paths.items()}
    servers = folder.read(dict[str, str], _SERVERS) or {}
    sweep = folder.sweep()
    known = servers or located
    if lost := [one.label for one in sweep.variants if one.artifact.sha256 not in known]:
        raise BadInput(
            f"{folder.root / _PATHS} does not say where {', '.join(lost)} lies",
            hint="restore the file, or begin anew in another --out",
        )
    return Prepared(folder, sweep, folder.plan(), located, servers)
