"""`sweep`: from what was typed to a plan, and from a plan to the last screen.

Puts the rooms together and checks what can be known before the first second is spent. Not aware
of terminals: text comes back as text.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, assert_never, cast, final

from steelyard.analysis.ratings import rated_metrics
from steelyard.app import subjects
from steelyard.app.benches.request import is_address
from steelyard.app.engines import machinery
from steelyard.app.hub import hub_subjects
from steelyard.app.hub.pulling import HubRequest
from steelyard.app.profiles import engine_settings
from steelyard.app.results import history
from steelyard.app.results.keeping import keeper
from steelyard.app.subjects import Chosen
from steelyard.app.sweeps import (
    fetched,
    fetching,
    ladder,
    model_folders,
    reporting,
    served_subjects,
    work,
)
from steelyard.app.sweeps import spec as sweep_spec
from steelyard.app.sweeps.fetched import Wish
from steelyard.app.sweeps.fetching import Fetching
from steelyard.app.sweeps.folder import REQUEST, SweepFolder
from steelyard.app.sweeps.model_folders import FolderOrder
from steelyard.app.sweeps.plan import planned
from steelyard.app.sweeps.reporting import Outcome, Written
from steelyard.app.sweeps.served_subjects import Access, Roll
from steelyard.app.sweeps.spec import SweepRequest, Weighed
from steelyard.campaigns.events import Resumed
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.states import replay
from steelyard.domain.campaign import Sweep
from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, Interrupted
from steelyard.domain.ids import plain
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import Controls, Place, Proof, RunSpec
from steelyard.domain.subject import Subject, Variant
from steelyard.engines.attached import AttachedEngine
from steelyard.models import disk, memory
from steelyard.platform import clock, hardware, locks, settings
from steelyard.reports.figures import duration
from steelyard.runs import sidecar
from steelyard.runs.execute import Executor, require_trained
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for, require_cores

LONG_S: Final = 3600.0
_NS_PER_S: Final = 1e9
_PATHS: Final = "paths.json"
_SERVERS: Final = "servers.json"
# What a resume may say anew; everything else was settled when the sweep began.
_ANEW: Final = frozenset(
    {"out", "resume", "budget", "yes", "dry_run", "include_polluted", "disk_reserve"}
)
# These too; but what was said at the start holds as long as nothing else is said.
_ADDED: Final = frozenset({"keep", "keep_all"})


@final
@dataclass(frozen=True, slots=True)
class Foreseen:
    """A sweep as it can be known before anything is made, hashed or written."""

    request: SweepRequest
    order: ladder.Order | FolderOrder | Roll
    weighed: Weighed
    folder: SweepFolder
    sweep: Sweep
    plan: Plan
    settled: engine_settings.Settled
    fetching: Fetching | None = None

    @property
    def disk_bytes(self) -> int:
        """Return what this sweep adds to the disk: the plan counts files that are there already."""
        counted = sum(variant.artifact.size_bytes for variant in self.sweep.variants)
        return self.plan.disk_bytes - counted + self.order.file_bytes


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A sweep that can begin or go on: every file verified, spec and plan on disk."""

    folder: SweepFolder
    sweep: Sweep
    plan: Plan
    paths: Mapping[str, Path]
    servers: Mapping[str, str]


def foresee(request: SweepRequest, emit: Emit, found: Fetching | None = None) -> Foreseen:
    """Check and estimate; writes nothing. Raises `BadInput` for what cannot be done.

    `found` tells what is still on a hub; of that only what the sweep will run is kept.
    """
    _check_settings()
    if request.resume:
        raise BadInput(
            "--dry-run plans a new sweep, and --resume goes on with one",
            hint="its plan lies in plan.json in the sweep's folder",
        )
    served = is_address(request.subject)
    ahead = _served(request, emit) if served else _files(request, emit, found)
    _announce(ahead, emit)
    return ahead


def _files(request: SweepRequest, emit: Emit, found: Fetching | None) -> Foreseen:
    """Foresee a sweep of files, which an engine of ours serves."""
    served_subjects.refuse_without_server(request)
    listed = found.files if found else None
    chosen = subjects.choose(subjects.on(request.subject, request.engine), listed)
    if not model_folders.is_of_folders(chosen):
        subjects.require_gguf(chosen, "a sweep")
    for path, facts in chosen.files:
        require_trained(facts, path.name)
    if request.sidecar:
        sidecar.require(chosen.engine, sweep_spec.runtime_of(request, chosen))
    order = _order(request, chosen)
    if found is not None:
        found = found.narrowed(frozenset(path for path, _ in order.chosen.files))
    _check_keep(request, order.chosen.files)
    folder = SweepFolder(request.out or _new_folder(chosen.model))
    _refuse_used(folder)
    variants = (
        ladder.foreseen(order) if isinstance(order, ladder.Order) else model_folders.foreseen(order)
    )
    loads = sweep_spec.loads_of(request, chosen, variants[0].require_file())
    settled = sweep_spec.settled_for(request, chosen, loads, emit)
    weighed = Weighed(chosen.model, chosen.engine, sweep_spec.runtime_of(request, chosen))
    sweep = sweep_spec.sweep_of(request, weighed, loads, settled, variants)
    return Foreseen(request, order, weighed, folder, sweep, planned(sweep), settled, found)


def _order(request: SweepRequest, chosen: Chosen) -> ladder.Order | FolderOrder:
    """Return what is to be made, of what kind its files are."""
    if model_folders.is_of_folders(chosen):
        if request.imatrix is not None or request.requantise:
            option = "--imatrix" if request.imatrix is not None else "--requantise"
            raise BadInput(
                f"{option} is for GGUF files, and {request.subject} is a folder of safetensors",
                hint=f"leave {option} out",
            )
        return model_folders.order(chosen, request.quants)
    return ladder.order(
        chosen, request.quants, request.imatrix, request.runtime, requantise=request.requantise
    )


def _served(request: SweepRequest, emit: Emit) -> Foreseen:
    """Foresee a sweep of models that a server of somebody else's serves."""
    roll = served_subjects.call(request, emit)
    folder = SweepFolder(request.out or _new_folder(roll.weighed.model))
    _refuse_used(folder)
    loads = served_subjects.loads_of(request, roll)
    settled = engine_settings.Settled(sweep_spec.needs(request, loads), None, None)
    sweep = sweep_spec.sweep_of(request, roll.weighed, loads, settled, roll.variants)
    laid_out = planned(sweep, served_subjects.the_same(roll.variants, roll.servers))
    return Foreseen(request, roll, roll.weighed, folder, sweep, laid_out, settled)


def perform(request: SweepRequest, emit: Emit) -> Outcome:
    """Run a sweep, new or resumed, to its end and return the last screen."""
    if request.resume:
        _check_settings()
        folder = _to_resume(request)
        if folder.exists():
            return _go_on(request, folder, emit)
        request = _asked_at_first(request, folder)
    found = _still_on_a_hub(request)
    with fetching.in_use(found):
        ahead = _here(request, found, emit)
        folder = ahead.folder
        with locks.folder_lock(folder.root), _goes_on(folder):
            _refuse_used(folder)
            with fetched.in_use(_sources(ahead.order)):
                prepared = _begun(ahead, emit)
                fetched.adopt(folder, tuple(prepared.paths.values()))
                ended = _campaign(request, prepared, emit)
    # Not before the leases are gone: our own would keep everything.
    if not prepared.servers:
        fetched.clear(folder, prepared.sweep, prepared.paths, _wish(request), ended, emit)
    return ended


def _sources(order: ladder.Order | FolderOrder | Roll) -> tuple[Path, ...]:
    return () if isinstance(order, Roll) else tuple(path for path, _ in order.chosen.files)


def _go_on(request: SweepRequest, folder: SweepFolder, emit: Emit) -> Outcome:
    """Go on with a sweep whose plan is laid; what of its files is gone and needed is fetched."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    subject = str(begun.get("subject", subjects.BUNDLED))
    _refuse_about_hubs(request, subject)
    hub = _hub_request(request, subject)
    with locks.folder_lock(folder.root), _goes_on(folder):
        prepared = _resumed(folder)
        if prepared.servers:
            return _campaign(request, prepared, emit)
        sweep, wish = prepared.sweep, _wish(request, begun)
        fetched.check(wish, {v.label: prepared.paths[v.artifact.sha256] for v in sweep.variants})
        campaign = replay(prepared.plan, folder.events())
        campaign.take(Resumed(request.budget))
        needed = [one for one in sweep.variants if one.label in campaign.needed()]
        with fetched.restored(folder, needed, prepared.paths, hub, emit) as paths:
            ended = _campaign(request, replace(prepared, paths=paths), emit)
        fetched.clear(folder, sweep, paths, wish, ended, emit)
    return ended


def _still_on_a_hub(request: SweepRequest) -> Fetching | None:
    """Ask what is still to be fetched; refuse what is about fetching where nothing can be."""
    _refuse_about_hubs(request, request.subject)
    return fetching.ahead(request.subject, _hub_request(request, request.subject))


def _refuse_about_hubs(request: SweepRequest, subject: str) -> None:
    """Refuse what is about fetching for a subject of which nothing ever is."""
    about = ("keep", "keep_all", "include", "exclude")
    said = [f"--{name.replace('_', '-')}" for name in about if getattr(request, name)]
    if said and not hub_subjects.is_hub(subject):
        raise BadInput(
            f"{said[0]} is about what a sweep fetches, and {subject} comes from no hub: "
            "nothing of it is fetched or removed",
            hint="leave it out",
        )


def _here(request: SweepRequest, found: Fetching | None, emit: Emit) -> Foreseen:
    """Foresee, see that there is room for all of it, and have everything here."""
    if found is None:
        ahead = foresee(request, emit)
        _check_room(ahead)
        return ahead
    quiet: Emit = lambda _: None  # noqa: E731 - what it would say has been said
    out, again = request.out or _new_folder(found.model), emit
    request = replace(request, out=out)
    if found.is_ladder:
        ahead, again = foresee(request, emit, found), quiet
        _check_machine(ahead)
        found = ahead.fetching or found
        fetching.require_room(found, out, ahead.disk_bytes)
    else:
        _check_source(request, found)
        fetching.require_room(found, out, 0)
    for line in fetching.lines(found, request.keep, keep_all=request.keep_all):
        emit(Noted(line))
    fetching.fetch(found, out, emit)
    ahead = foresee(replace(request, subject=found.subject), again)
    _check_room(ahead)
    return replace(ahead, request=request)


def _hub_request(request: SweepRequest, subject: str) -> HubRequest:
    return HubRequest(
        subject,
        include=request.include,
        exclude=request.exclude,
        disk_reserve=request.disk_reserve,
        yes=request.yes,
    )


def _wish(request: SweepRequest, begun: Mapping[str, Any] | None = None) -> Wish:
    said = begun or {}
    return Wish(
        request.keep or tuple(said.get("keep", ())),
        request.keep_all or bool(said.get("keep_all")),
    )


def _check_source(request: SweepRequest, found: Fetching) -> None:
    """Check the one file of a hub that the variants are to be made of."""
    fetching.require_source(found, request.quants, requantise=request.requantise)
    _check_keep(request, found.files)


def _check_keep(request: SweepRequest, files: subjects.Files) -> None:
    fetched.check(_wish(request), {name: path for path, name in subjects.labels(files).items()})


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


def dry_run_text(request: SweepRequest, emit: Emit, *, as_json: bool) -> str:
    """Return the plan of a sweep, and of what it would fetch; fetches headers at the most."""
    found = None if request.resume else _still_on_a_hub(request)
    if found is None or found.is_ladder:
        ahead = foresee(request, emit, found)
        if ahead.fetching is not None:
            fetching.require_room(ahead.fetching, ahead.folder.root, ahead.disk_bytes)
        return plan_text(ahead, as_json=as_json)
    _check_source(request, found)
    fetching.require_room(found, request.out or _new_folder(found.model), 0)
    if as_json:
        told = {"fetch": fetching.as_plain(found, keep_all=request.keep_all)}
        return json.dumps(told, indent=1, sort_keys=True)
    lines = fetching.lines(found, request.keep, keep_all=request.keep_all)
    made = "What is made of it, and in which order it is run, is planned once the file is here."
    return "\n".join([f"From {found.landing.repo}:", *lines, made])


def plan_text(ahead: Foreseen, *, as_json: bool) -> str:
    """Return the plan for people or as JSON."""
    request, found = ahead.request, ahead.fetching
    if as_json:
        told = dict(cast("Mapping[str, Any]", plain(ahead.plan)))
        if found is not None:
            told["fetch"] = fetching.as_plain(found, keep_all=request.keep_all)
        return json.dumps(told, indent=1, sort_keys=True)
    lines = [f"Plan {ahead.plan.id} of {ahead.sweep.model}, in this order:"]
    for number, cell in enumerate(ahead.plan.cells, start=1):
        work_names = [w.name for w in cell.spec.workloads] + [t.family for t in cell.spec.tasks]
        lines.append(
            f"{number:4d}. block {cell.block + 1}  {cell.label:<10} {cell.role:<10} "
            f"about {cell.estimate_s:5.1f} s  {', '.join(work_names)}"
        )
    lines += [f"      skipped: {skip.label}: {skip.reason}" for skip in ahead.plan.skipped]
    if (soak := ahead.plan.soak) is not None:
        lasts = f"{soak.streams} at a time for {duration(ahead.plan.soak_s)}"
        lines.append(f"      then: what is chosen is kept under load, {lasts}")
    if found is not None:
        lines.append(f"From {found.landing.repo}:")
        lines += fetching.lines(found, request.keep, keep_all=request.keep_all)
    lines.append(f"Everything is written to {ahead.folder.root}/")
    return "\n".join(lines)


def _campaign(request: SweepRequest, prepared: Prepared, emit: Emit) -> Outcome:
    """Perform the campaign of a prepared sweep, whose folder we hold."""
    folder = prepared.folder
    access = _access(folder) if prepared.servers else None
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
        stop = work.perform(folder, prepared.sweep, prepared.plan, crew, request.budget)
    return reporting.outcome(folder, stop)


def _begun(ahead: Foreseen, emit: Emit) -> Prepared:
    """Make and verify the ladder, then write down what is asked."""
    request, folder = ahead.request, ahead.folder
    folder.write(REQUEST, _settings(request))
    started_ns = clock.monotonic_ns()
    variants, paths, servers = _made(ahead, emit)
    seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    phase = "first answers" if servers else "ladder"
    folder.write(reporting.LADDER_TIME, {phase: round(seconds, 3)})
    loads, settled = ahead.sweep.workloads, ahead.settled
    sweep = sweep_spec.sweep_of(request, ahead.weighed, loads, settled, variants)
    paths |= settled.paths
    laid_out = planned(sweep, served_subjects.the_same(variants, servers))
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


def _access(folder: SweepFolder) -> Access:
    """Return how the servers of a sweep are spoken to: as was typed when it began."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    return Access.of(from_plain(SweepRequest, begun, source=str(folder.root / REQUEST)))


def _to_resume(request: SweepRequest) -> SweepFolder:
    if request.out is None:
        raise BadInput("--resume needs --out", hint="name the folder of the sweep to go on with")
    folder = SweepFolder(request.out)
    begun = folder.read(dict[str, Any], REQUEST)
    if begun is None:
        folder.sweep()
    for name, said in _settings(request).items():
        if name in _ADDED:
            continue
        if begun is not None and begun.get(name) != said:
            raise BadInput(
                f"the sweep in {folder.root} was not begun with {name} {said}",
                hint="leave out what was settled at its start, or begin anew in another --out",
            )
    return folder


def _asked_at_first(request: SweepRequest, folder: SweepFolder) -> SweepRequest:
    """Return the request of a sweep that ended while its ladder was made: it is made again."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    first = from_plain(SweepRequest, begun, source=str(folder.root / REQUEST))
    anew = {name: getattr(request, name) for name in _ANEW - {"resume"}}
    wish = _wish(request, begun)
    return replace(first, **anew, keep=wish.labels, keep_all=wish.everything)


def _settings(request: SweepRequest) -> dict[str, Any]:
    """Return what was asked for beyond the defaults, as far as it is settled at the start."""
    usual = SweepRequest()
    found: dict[str, Any] = {}
    for field in fields(request):
        value = getattr(request, field.name)
        if field.name in _ANEW or value == getattr(usual, field.name):
            continue
        found[field.name] = list(value) if isinstance(value, tuple) else value
        # Of the rest a word is a word, whatever a folder here may be called.
        if isinstance(value, Path) or field.name == "subject":
            name, at, engine = str(value).partition("@")
            path = Path(name).expanduser()
            found[field.name] = f"{path.resolve()}{at}{engine}" if path.exists() else str(value)
    return found


def _refuse_used(folder: SweepFolder) -> None:
    if folder.exists():
        raise BadInput(
            f"{folder.root} holds a sweep already",
            hint="add --resume to go on with it, or give another --out",
        )


def _announce(ahead: Foreseen, emit: Emit) -> None:
    """Say what it will take and what it can see, and refuse a long one that nobody agreed to."""
    request, sweep, estimate = ahead.request, ahead.sweep, ahead.plan
    minutes = estimate.seconds / 60
    emit(
        Noted(
            f"{sweep.model}: {len(estimate.cells)} runs, {estimate.requests:,} requests, about "
            f"{minutes:.0f} min and {disk.size(ahead.disk_bytes)} of disk in {ahead.folder.root}. "
            f"{estimate.items:,} items a variant; the smallest loss they can show is "
            f"{100 * estimate.smallest_visible_loss:.1f} points, the margin is "
            f"{100 * sweep.gates.margin:.1f}."
        )
    )
    if estimate.soak is not None and request.budget and request.budget <= estimate.soak_s:
        raise BadInput(
            f"--soak alone takes {duration(estimate.soak_s)} of {duration(request.budget)}",
            hint="a longer --budget or a shorter --soak",
        )
    if estimate.seconds > LONG_S and not (request.yes or request.budget or request.dry_run):
        raise BadInput(
            f"this sweep would take about {minutes:.0f} minutes",
            hint="add --yes to let it, --budget 45m to bound it, or fewer --quants or --items"
            + (", or a shorter --soak" if estimate.soak is not None else ""),
        )


def _check_room(ahead: Foreseen) -> None:
    """Refuse what this machine has no disk, memory or context for."""
    disk.require(ahead.folder.root, ahead.disk_bytes, what="this sweep")
    _check_machine(ahead)


def _check_machine(ahead: Foreseen) -> None:
    sweep, request = ahead.sweep, ahead.request
    if isinstance(ahead.order, Roll):
        return
    require_cores(sweep.controls)
    # No candidate has more bits than the reference: what holds that one holds them all.
    memory.require(sweep.reference.require_file(), sweep.profile, history=history.memory_here())
    for variant in sweep.variants:
        trained = variant.require_file().context_tokens
        if trained and sweep.profile.context_tokens > trained:
            raise BadInput(
                f"{sweep.model} was trained for {trained:,} tokens of context; "
                f"{'--context asks for' if request.context else 'the work needs'} "
                f"{sweep.profile.context_tokens:,}",
                hint="take a model with more context"
                + (", or ask for less --context" if request.context else ""),
            )


def _check_settings() -> None:
    """Raise `BadInput` for settings that cannot be used: better now than after the last run."""
    rated_metrics(hardware.device(), settings.load().ratings)


def _new_folder(model: str) -> Path:
    stamp = clock.wall_time()[:19].replace(":", "").replace("-", "").replace("T", "-")
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in model)
    return Path("sweeps") / f"{plain}-{stamp}"
