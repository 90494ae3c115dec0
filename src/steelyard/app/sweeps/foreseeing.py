"""A sweep as it can be known before anything is made: checked, foreseen, and told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis.ratings import rated_metrics
from steelyard.analysis.sizing import assumed
from steelyard.app import subjects
from steelyard.app.benches.request import is_address
from steelyard.app.profiles import engine_settings
from steelyard.app.results import history
from steelyard.app.subjects import Chosen
from steelyard.app.sweeps import asked, ladder, model_folders, served_subjects
from steelyard.app.sweeps import spec as sweep_spec
from steelyard.app.sweeps.fetching import Fetching
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.app.sweeps.model_folders import FolderOrder
from steelyard.app.sweeps.plan import planned
from steelyard.app.sweeps.questions import questions
from steelyard.app.sweeps.served_subjects import Roll
from steelyard.app.sweeps.spec import SweepRequest, Weighed
from steelyard.campaigns.plan import Plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.counts import counted
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit, Noted
from steelyard.models import disk, memory
from steelyard.platform import clock, hardware, settings
from steelyard.reports.figures import duration
from steelyard.runs import sidecar
from steelyard.runs.execute import require_trained
from steelyard.runs.places import require_cores

LONG_S: Final = 3600.0


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
        there = sum(variant.artifact.size_bytes for variant in self.sweep.variants)
        return self.plan.disk_bytes - there + self.order.file_bytes


def foresee(request: SweepRequest, emit: Emit, found: Fetching | None = None) -> Foreseen:
    """Check and estimate; writes nothing. Raises `BadInput` for what cannot be done.

    `found` tells what is still on a hub; of that only what the sweep will run is kept.
    """
    check_settings()
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
    asked.check_keep(request, order.chosen.files)
    folder = SweepFolder(request.out or new_folder(chosen.model))
    refuse_used(folder)
    variants = (
        ladder.foreseen(order) if isinstance(order, ladder.Order) else model_folders.foreseen(order)
    )
    loads = sweep_spec.loads_of(request, chosen, variants[0].require_file())
    settled = sweep_spec.settled_for(request, chosen, loads, emit)
    weighed = Weighed(chosen.model, chosen.engine, sweep_spec.runtime_of(request, chosen))
    asked_of = questions(request, weighed, settled.profile, variants)
    sweep = sweep_spec.sweep_of(request, weighed, loads, settled, variants, asked_of.tasks)
    laid_out = planned(sweep, asked_of)
    return Foreseen(request, order, weighed, folder, sweep, laid_out, settled, found)


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
    folder = SweepFolder(request.out or new_folder(roll.weighed.model))
    refuse_used(folder)
    loads = served_subjects.loads_of(request, roll)
    settled = engine_settings.Settled(sweep_spec.needs(request, loads), None, None)
    asked_of = questions(request, roll.weighed, settled.profile, roll.variants)
    sweep = sweep_spec.sweep_of(
        request, roll.weighed, loads, settled, roll.variants, asked_of.tasks
    )
    laid_out = planned(sweep, asked_of, served_subjects.the_same(roll.variants, roll.servers))
    return Foreseen(request, roll, roll.weighed, folder, sweep, laid_out, settled)


def _announce(ahead: Foreseen, emit: Emit) -> None:
    """Say what it will take and what it can see, and refuse a long one that nobody agreed to."""
    request, sweep, estimate = ahead.request, ahead.sweep, ahead.plan
    minutes = estimate.seconds / 60
    emit(
        Noted(
            f"{sweep.model}: {len(estimate.cells)} runs, {estimate.requests:,} requests, about "
            f"{minutes:.0f} min and {disk.size(ahead.disk_bytes)} of disk in {ahead.folder.root}. "
            f"{_sight(estimate)}, the margin is {100 * sweep.gates.margin:.1f}."
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


def _sight(estimate: Plan) -> str:
    """Say of how many items a variant is asked what loss they can show, and if what holds."""
    asked = f"{counted(estimate.items, 'item')} a variant"
    if estimate.different_items < estimate.items:
        asked += f", {estimate.different_items:,} of them different (the others are their forms)"
    least = 100 * estimate.smallest_visible_loss
    return (
        f"{asked}; the smallest loss they can show is {least:.1f} points "
        f"({assumed(estimate.design_effect)})"
    )


def check_room(ahead: Foreseen) -> None:
    """Refuse what this machine has no disk, memory or context for."""
    disk.require(ahead.folder.root, ahead.disk_bytes, what="this sweep")
    check_machine(ahead)


def check_machine(ahead: Foreseen) -> None:
    """Refuse what this machine has no cores or memory for, or the model no context."""
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


def check_settings() -> None:
    """Raise `BadInput` for settings that cannot be used: better now than after the last run."""
    rated_metrics(hardware.device(), settings.load().ratings)


def refuse_used(folder: SweepFolder) -> None:
    """Raise `BadInput` where a sweep lies in the folder already."""
    if folder.exists():
        raise BadInput(
            f"{folder.root} holds a sweep already",
            hint="add --resume to go on with it, or give another --out",
        )


def new_folder(model: str) -> Path:
    """Return a folder under `sweeps/` that is named after the model and the time."""
    stamp = clock.wall_time()[:19].replace(":", "").replace("-", "").replace("T", "-")
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in model)
    return Path("sweeps") / f"{plain}-{stamp}"
