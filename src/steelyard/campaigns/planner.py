"""From a sweep to its plan: pure, without effect, the same on every machine.

Tasks run once, in the first block; workloads run in every block; the reference is run a second
time as the A/A row. Estimates come from rates the caller measured or guessed, scaled by the bytes
a variant reads for each token (decoding is bound by memory). Not aware of paths, prices or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

from steelyard.analysis import rawspeed
from steelyard.analysis.sizing import items_for_margin, smallest_visible_loss
from steelyard.campaigns.order import interleave, shuffled
from steelyard.campaigns.plan import Cell, Plan, Skip
from steelyard.domain.campaign import AA_REPLICA, CANARY_REPLICA, SENTINEL_REPLICA, Role, Sweep
from steelyard.domain.errors import BadInput, TooLittleRoom
from steelyard.domain.run import RunSpec
from steelyard.domain.subject import Subject, Variant
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload

# What the raw events of one generated token and of one request take on disk, compressed or not.
_BYTES_PER_TOKEN: Final = 400
_BYTES_PER_REQUEST: Final = 4096
_BYTES_PER_LOGIT: Final = 2


@final
@dataclass(frozen=True, slots=True)
class ItemLoad:
    """What an item of a task takes on average: requests, tokens to be read and to be written."""

    requests: float
    prompt_tokens: float
    output_tokens: float


@final
@dataclass(frozen=True, slots=True)
class Rates:
    """How fast the reference runs here: measured in an earlier campaign, or a guess.

    `calibration_s` and `proof_s` are 0 where an earlier result still holds. `items` has what an
    item takes by the name of its task's section; of another task the two `task_` numbers hold.
    """

    load_s: float = 1.0
    prompt_tps: float = 200.0
    output_tps: float = 20.0
    task_prompt_tokens: int = 160
    task_output_tokens: int = 32
    fidelity_tps: float = 100.0
    calibration_s: float = 5.0
    proof_s: float = 10.0
    items: Mapping[str, ItemLoad] = field(default_factory=dict)

    def item(self, task: Task) -> ItemLoad:
        """Return what an item of a task takes, its room to think included."""
        usual = ItemLoad(1, self.task_prompt_tokens, self.task_output_tokens)
        found = self.items.get(task.section, usual)
        return replace(found, output_tokens=found.output_tokens + found.requests * task.thinking)


def plan(
    sweep: Sweep,
    rates: Rates = Rates(),
    *,
    refused: Mapping[str, str] | None = None,
    different: tuple[int, float] | None = None,
) -> Plan:
    """Lay out a sweep; `refused` maps labels to why this machine or engine cannot take them.

    `different` says of its items how many are no form of another, and how many of these count as
    one; without it all of them count.

    Raises `BadInput` when there is no reference or it was refused, `TooLittleRoom` when a workload
    does not fit the context.
    """
    refused = refused or {}
    _check(sweep, refused)
    kept, skipped = _keep(sweep, refused)
    items = sum(task.items for task in sweep.tasks)
    counted = different or (items, 1.0)
    comparisons = max(1, len(kept) - 1)
    fidelity = _fidelity_labels(sweep, kept)
    return Plan(
        sweep_id=sweep.id,
        cells=tuple(_cells(sweep, kept, rates)),
        canary=_canary(sweep),
        fidelity=fidelity,
        skipped=skipped,
        items=items,
        smallest_visible_loss=smallest_visible_loss(sweep.gates, comparisons, *counted),
        items_for_margin=items_for_margin(
            sweep.gates, comparisons, len({task.family for task in sweep.tasks})
        ),
        overhead_s=rates.calibration_s + rates.proof_s + _canary_s(sweep, rates),
        # The reference's own probabilities are computed once; spread them over the comparisons.
        fidelity_s=sweep.fidelity_positions / rates.fidelity_tps * (1 + 1 / max(1, len(fidelity))),
        disk_bytes=_disk_bytes(sweep, kept, rates),
        raw=tuple(variant.label for variant in kept) if sweep.raw_repeats else (),
        raw_s=_raw_s(sweep, rates),
        soak=sweep.soak,
        different_items=counted[0],
        design_effect=counted[1],
    )


def _check(sweep: Sweep, refused: Mapping[str, str]) -> None:
    references = [variant for variant in sweep.variants if variant.reference is not None]
    if len(references) != 1:
        raise BadInput(
            f"a sweep needs one reference, this one has {len(references)}",
            hint="mark exactly one variant as the reference",
        )
    if sweep.reference.label in refused:
        raise BadInput(
            f"the reference {sweep.reference.label!r} cannot run here: "
            f"{refused[sweep.reference.label]}",
            hint="choose a smaller reference; nothing can be compared without one",
        )
    extra = [load for load in (sweep.sentinel, sweep.canary, sweep.soak) if load is not None]
    for load in (*sweep.workloads, *extra):
        needed = (load.prompt_tokens_max or load.prompt_tokens) + load.output_tokens
        if needed > sweep.profile.context_tokens:
            raise TooLittleRoom(
                f"workload {load.name} needs {needed} tokens of context and the engine profile "
                f"gives {sweep.profile.context_tokens}",
                hint="raise the profile's context_tokens or shorten the workload",
            )


def _keep(sweep: Sweep, refused: Mapping[str, str]) -> tuple[list[Variant], tuple[Skip, ...]]:
    """Leave out what was refused and what is byte for byte a variant already kept."""
    ordered = [sweep.reference, *sweep.candidates]
    kept: list[Variant] = []
    skipped: list[Skip] = []
    first: dict[str, str] = {}
    for variant in ordered:
        sha256 = variant.artifact.sha256
        if variant.label in refused:
            skipped.append(Skip(variant.label, refused[variant.label]))
        elif sha256 in first:
            skipped.append(Skip(variant.label, f"the same bytes as {first[sha256]}"))
        else:
            first[sha256] = variant.label
            kept.append(variant)
    return kept, tuple(skipped)


def _cells(sweep: Sweep, kept: list[Variant], rates: Rates) -> list[Cell]:
    placed: list[Cell] = []
    sentinels = 0
    for block in range(max(1, sweep.repeats)):
        cells = [_cell(sweep, variant, 0, block, rates) for variant in kept]
        cells.append(_cell(sweep, sweep.reference, AA_REPLICA, block, rates))
        cells = [cell for cell in cells if cell.spec.workloads or cell.spec.tasks]
        cells = shuffled(cells, lambda cell: cell.spec.id, seed=sweep.seed, block=block)
        if sweep.sentinel is not None and cells:
            start, load = sentinels, sweep.sentinel
            cells = interleave(
                cells,
                lambda n, start=start, load=load, block=block: _sentinel(  # type: ignore[misc]
                    sweep, load, start + n, block, rates
                ),
                first_block=block == 0,
            )
            sentinels += sum(cell.role == "sentinel" for cell in cells)
        placed.extend(cells)
    return placed


def _cell(sweep: Sweep, variant: Variant, replica: int, block: int, rates: Rates) -> Cell:
    spec = RunSpec(
        subject=_subject(sweep, variant),
        controls=sweep.controls,
        workloads=sweep.workloads,
        tasks=sweep.tasks if block == 0 else (),
        task_streams=sweep.task_streams if block == 0 else 1,
        repeat=block,
        replica=replica,
        campaign_seed=sweep.seed,
    )
    role: Role = "aa" if replica else "reference" if variant.reference else "candidate"
    return _estimated(Cell(spec, role, variant.label, block), sweep, variant, rates)


def _sentinel(sweep: Sweep, load: Workload, number: int, block: int, rates: Rates) -> Cell:
    spec = RunSpec(
        subject=_subject(sweep, sweep.reference),
        controls=sweep.controls,
        workloads=(load,),
        repeat=number,
        replica=SENTINEL_REPLICA,
        campaign_seed=sweep.seed,
    )
    cell = Cell(spec, "sentinel", sweep.reference.label, block)
    return _estimated(cell, sweep, sweep.reference, rates)


def _canary(sweep: Sweep) -> RunSpec | None:
    if sweep.canary is None:
        return None
    return RunSpec(
        subject=_subject(sweep, sweep.reference),
        controls=sweep.controls,
        workloads=(sweep.canary,),
        replica=CANARY_REPLICA,
        campaign_seed=sweep.seed,
    )


def _subject(sweep: Sweep, variant: Variant) -> Subject:
    return Subject(variant.artifact, sweep.engine, sweep.runtime, sweep.profile)


def _fidelity_labels(sweep: Sweep, kept: list[Variant]) -> tuple[str, ...]:
    if sweep.fidelity_positions <= 0:
        return ()
    return tuple(variant.label for variant in kept if variant.reference is None)


def _estimated(cell: Cell, sweep: Sweep, variant: Variant, rates: Rates) -> Cell:
    share = _share(variant, sweep.reference)
    output_tps = rates.output_tps / max(share, 1e-9)
    requests = 0
    seconds = rates.load_s * share
    for load in cell.spec.workloads:
        count = load.requests + load.warmup
        requests += count
        seconds += count * (_prompt_tokens(load) / rates.prompt_tps)
        seconds += count * load.output_tokens / output_tps
    for task in cell.spec.tasks:
        each = rates.item(task)
        requests += round(task.items * each.requests)
        seconds += task.items * each.prompt_tokens / rates.prompt_tps
        seconds += task.items * each.output_tokens / output_tps
    return replace(cell, estimate_s=seconds, requests=requests)


def _share(variant: Variant, reference: Variant) -> float:
    """Return the bytes that a token reads, by the reference's; of unseen files nothing is told."""
    if variant.file is None or reference.file is None:
        return 1.0
    return variant.file.active_bytes / max(1, reference.file.active_bytes)


def _prompt_tokens(load: Workload) -> float:
    return (load.prompt_tokens + (load.prompt_tokens_max or load.prompt_tokens)) / 2


def _canary_s(sweep: Sweep, rates: Rates) -> float:
    spec = _canary(sweep)
    if spec is None:
        return 0.0
    cell = Cell(spec, "canary", sweep.reference.label, 0)
    return _estimated(cell, sweep, sweep.reference, rates).estimate_s


def _raw_s(sweep: Sweep, rates: Rates) -> float:
    """Each test is warmed up once; decoding fills its depth anew before every repetition."""
    if not sweep.raw_repeats:
        return 0.0
    known = {
        pair
        for load in sweep.workloads
        if rawspeed.one_stream(load) and (pair := rawspeed.lengths(load)) is not None
    }
    prefill = sum((1 + 2 * sweep.raw_repeats) * prompt for prompt, _ in known)
    decoded = sum(sweep.raw_repeats * output for _, output in known)
    return rates.load_s + prefill / rates.prompt_tps + decoded / rates.output_tps


def _disk_bytes(sweep: Sweep, kept: list[Variant], rates: Rates) -> int:
    """Model files are counted whole: whoever has them already subtracts them."""
    total = sum(variant.artifact.size_bytes for variant in kept)
    for cell in _cells(sweep, kept, rates):
        tokens = sum(
            (load.requests + load.warmup) * load.output_tokens for load in cell.spec.workloads
        ) + sum(task.items * rates.item(task).output_tokens for task in cell.spec.tasks)
        total += round(tokens) * _BYTES_PER_TOKEN + cell.requests * _BYTES_PER_REQUEST
    if sweep.soak is not None:
        generated = (sweep.soak.duration_s or 0.0) * sweep.soak.streams * rates.output_tps
        total += round(generated * _BYTES_PER_TOKEN)
    # Two files of log-probabilities lie side by side: the reference's and one variant's.
    vocabulary = sweep.reference.file.vocabulary if sweep.reference.file else 0
    return total + 2 * sweep.fidelity_positions * vocabulary * _BYTES_PER_LOGIT
