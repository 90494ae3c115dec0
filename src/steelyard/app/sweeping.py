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
from typing import Any, Final, cast, final

from steelyard.analysis.ratings import rated_metrics
from steelyard.app import (
    engine_settings,
    fetched,
    fetching,
    history,
    hub_subjects,
    ladder,
    machinery,
    reporting,
    subjects,
    sweep_spec,
    work,
)
from steelyard.app.fetched import Wish
from steelyard.app.fetching import Fetching
from steelyard.app.folder import REQUEST, SweepFolder
from steelyard.app.keeping import keeper
from steelyard.app.pulling import HubRequest
from steelyard.app.reporting import Outcome, Written
from steelyard.app.sweep_spec import SweepRequest
from steelyard.campaigns.events import Resumed
from steelyard.campaigns.plan import Plan, Skip
from steelyard.campaigns.planner import Rates, plan
from steelyard.campaigns.states import replay
from steelyard.domain.campaign import Sweep
from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, Interrupted
from steelyard.domain.ids import plain
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import Controls, Place, Proof, RunSpec
from steelyard.domain.subject import Subject
from steelyard.models import disk, memory
from steelyard.platform import clock, hardware, locks, settings
from steelyard.reports.figures import duration
from steelyard.runs import sidecar
from steelyard.runs.execute import Executor, require_trained
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for, require_cores
from steelyard.workloads import suites

LONG_S: Final = 3600.0
_NS_PER_S: Final = 1e9
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
    order: ladder.Order
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
    listed = found.files if found else None
    chosen = subjects.require_gguf(subjects.choose(request.subject, listed), "a sweep")
    for path, facts in chosen.files:
        require_trained(facts, path.name)
    if request.sidecar:
        sidecar.require(chosen.engine, sweep_spec.runtime_of(request, chosen))
    order = ladder.order(
        chosen, request.quants, request.imatrix, request.runtime, requantise=request.requantise
    )
    if found is not None:
        found = found.narrowed(frozenset(path for path, _ in order.chosen.files))
    _check_keep(request, order.chosen.files)
    folder = SweepFolder(request.out or _new_folder(chosen.model))
    _refuse_used(folder)
    variants = ladder.foreseen(order)
    loads = sweep_spec.loads_of(request, chosen, variants[0].facts)
    settled = sweep_spec.settled_for(request, chosen, loads, emit)
    sweep = sweep_spec.sweep_of(request, chosen, loads, settled, variants)
    ahead = Foreseen(request, order, folder, sweep, _planned(sweep), settled, found)
    _announce(ahead, emit)
    return ahead


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
            with fetched.in_use(tuple(path for path, _ in ahead.order.chosen.files)):
                prepared = _begun(ahead, emit)
                fetched.adopt(folder, tuple(prepared.paths.values()))
                ended = _campaign(request, prepared, emit)
    # Not before the leases are gone: our own would keep everything.
    fetched.clear(folder, prepared.sweep, prepared.paths, _wish(request), ended, emit)
    return ended


def _go_on(request: SweepRequest, folder: SweepFolder, emit: Emit) -> Outcome:
    """Go on with a sweep whose plan is laid; what of its files is gone and needed is fetched."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    subject = str(begun.get("subject", subjects.BUNDLED))
    _refuse_about_hubs(request, subject)
    hub = _hub_request(request, subject)
    with locks.folder_lock(folder.root), _goes_on(folder):
        prepared = _resumed(folder)
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
    with keeper(emit, prepared.sweep) as keep:

        def place_of(spec: RunSpec) -> Place:
            return place_for(
                spec.subject,
                folder.run(spec.id),
                prepared.paths,
                engine_profile=prepared.sweep.engine_profile,
            )

        def report(where: SweepFolder) -> Written:
            return reporting.write(where, include_polluted=request.include_polluted)

        def prove(subject: Subject, controls: Controls) -> Proof:
            return machinery.prove(subject, controls, emit)

        executor = Executor(Verifier(), emit)
        crew = work.Crew(executor, place_of, emit, keep, prove, report)
        stop = work.perform(folder, prepared.sweep, prepared.plan, crew, request.budget)
    return reporting.outcome(folder, stop)


def _begun(ahead: Foreseen, emit: Emit) -> Prepared:
    """Make and verify the ladder, then write down what is asked."""
    request, folder = ahead.request, ahead.folder
    folder.write(REQUEST, _settings(request))
    started_ns = clock.monotonic_ns()
    variants, paths = ladder.make(ahead.order, folder.models, emit)
    seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    folder.write(reporting.LADDER_TIME, {"ladder": round(seconds, 3)})
    loads, settled = ahead.sweep.workloads, ahead.settled
    sweep = sweep_spec.sweep_of(request, ahead.order.chosen, loads, settled, variants)
    paths |= settled.paths
    planned = _planned(sweep)
    folder.write("paths.json", {sha256: str(path) for sha256, path in paths.items()})
    folder.begin(sweep, planned)
    return Prepared(folder, sweep, planned, paths)


def _resumed(folder: SweepFolder) -> Prepared:
    paths = folder.read(dict[str, str], "paths.json") or {}
    located = {sha256: Path(path) for sha256, path in paths.items()}
    sweep = folder.sweep()
    if lost := [one.label for one in sweep.variants if one.artifact.sha256 not in located]:
        raise BadInput(
            f"{folder.root / 'paths.json'} does not say where {', '.join(lost)} lies",
            hint="restore the file, or begin anew in another --out",
        )
    return Prepared(folder, sweep, folder.plan(), located)


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
        if isinstance(value, str | Path):
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


def _planned(sweep: Sweep) -> Plan:
    """Lay out the sweep, and say which of the suite's workloads there is no room for."""
    found = plan(sweep, _rates(sweep))
    trained, context = sweep.reference.facts.context_tokens, sweep.profile.context_tokens
    out = []
    for load in suites.workloads(sweep.suite):
        if load in sweep.workloads:
            continue
        why = f"this sweep has {context:,} tokens of context: as asked for, or as memory has room"
        if trained and suites.context_needed((load,)) > trained:
            why = f"the model was trained for {trained:,} tokens of context"
        out.append(Skip(load.name, why))
    return replace(found, skipped=(*found.skipped, *out))


def _rates(sweep: Sweep) -> Rates:
    """Guess how fast the reference runs here: memory bounds decoding, arithmetic the prefill."""
    facts = sweep.reference.facts
    threads = sweep.controls.threads or 1
    return Rates(
        load_s=0.4 + facts.tensor_bytes / 1e9,
        prompt_tps=max(1.0, min(8000.0, threads * 25e9 / (2 * facts.parameters))),
        output_tps=max(0.2, min(1200.0, 8e9 / facts.active_bytes)),
        # The shipped items are short questions with answers of a few tokens.
        task_prompt_tokens=90,
        task_output_tokens=12,
        fidelity_tps=max(1.0, min(4000.0, threads * 12e9 / (2 * facts.parameters))),
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
    require_cores(sweep.controls)
    # No candidate has more bits than the reference: what holds that one holds them all.
    memory.require(sweep.reference.facts, sweep.profile, history=history.memory_here())
    for variant in sweep.variants:
        trained = variant.facts.context_tokens
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
    return Path("sweeps") / f"{model}-{stamp}"
