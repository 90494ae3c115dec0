"""The cells of a fit frontier with what is foreseen of each, and those that are ruled out by it.

A cell is ruled out only where it surely fails: by the lower end of what it takes, or the upper end
of how fast it may be. What is foreseen of a GPU's speed or of a draft's is nothing. Not aware of
how cells are run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import rates
from steelyard.analysis.rates import Rates
from steelyard.app import device_rates, subjects
from steelyard.app.frontier.ground import Ground
from steelyard.app.hub.fitting import COMPARED, MEMORY_ERROR
from steelyard.app.results import history
from steelyard.campaigns.cells import Cell, grid
from steelyard.domain.progress import Emit
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import ArtifactFacts, EngineProfile
from steelyard.domain.summary import Estimate
from steelyard.models import gguf, ladder, memory, memory_parts, offload, shards
from steelyard.models.disk import size
from steelyard.models.offload import Placing, Weights
from steelyard.platform import hardware

# A cell is ruled out for its speed where this many times the upper end is too slow as well: rates
# of a machine that was busy when it was calibrated are too low, and a short look costs little.
_SURELY: Final = 1.5
_ELSEWHERE: Final = Missing("on_a_gpu", "speeds of a GPU are not foreseen")
_GUESSED: Final = Missing("with_a_draft", "how much a draft helps is not foreseen")


@final
@dataclass(frozen=True, slots=True)
class Rung:
    """One quant: what its file is or will be; `made` where it has yet to be quantised."""

    label: str
    facts: ArtifactFacts
    weights: Weights
    path: Path | None
    made: ladder.Order | None = None


@final
@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is foreseen of one cell; `out` says why it is never run, empty where it may be.

    `cost` orders cells by what a token takes: seconds where this machine's rates are known, else
    the bytes that are read; None on a GPU and with a draft.
    """

    cell: Cell
    memory_bytes: int
    gpu_bytes: int
    output_tps: Estimate
    out: str = ""
    cost: float | None = None


def rungs(ground: Ground) -> tuple[Rung, ...]:
    """Return every quant, the one with most bits first."""
    labels = subjects.labels(ground.chosen.files)
    there = [
        Rung(labels[path], facts, offload.of_tensors(_tensors(path)), path)
        for path, facts in ground.chosen.files
    ]
    made = [
        Rung(one.quant.name, ladder.facts(one), offload.of_targets(one.targets), None, one)
        for one in ground.order.made
    ]
    return tuple(sorted((*there, *made), key=lambda rung: -rung.facts.file_bpw))


def known_rates(ground: Ground, emit: Emit) -> Reading[Rates]:
    """Return this machine's rates, corrected by what was measured here; measured now if asked."""
    if ground.request.calibrate:
        found: Reading[Rates] = Measured(device_rates.calibrate(ground.threads, emit), "client")
    else:
        found = device_rates.kept(ground.threads)
    if isinstance(found, Missing):
        return found
    pairs = history.speed_pairs(hardware.device().id, found.value)
    return Measured(rates.corrected(found.value, pairs), "client")


def foresee(ground: Ground, ladder_: Sequence[Rung], known: Reading[Rates]) -> tuple[Foreseen, ...]:
    """Return every cell with what is foreseen of it, and what rules it out."""
    by_label = {rung.label: rung for rung in ladder_}
    searched = [rung for rung in ladder_ if _named(rung, ground.request.quants)]
    placings = {
        (rung.label, kv): _placings(ground, rung, Cell(rung.label, kv).profile(ground.base, None))
        for rung in searched
        for kv in ground.kvs
    }
    cells = grid(
        [rung.label for rung in searched], ground.kvs, placings, draft=ground.draft is not None
    )
    past = history.memory_here(ground.request.runtime)
    return tuple(_foreseen(ground, by_label[cell.quant], cell, known, past) for cell in cells)


def _named(rung: Rung, wanted: Sequence[str] | None) -> bool:
    """Whether a quant is searched: the reference is in every ladder, and not always asked for."""
    if wanted is None:
        return True
    return rung.label in wanted or rung.label in {_quant_name(name) for name in wanted}


def _quant_name(text: str) -> str:
    """Return a quant's name as it is written in tables."""
    return text.upper().replace("-", "_")


def _tensors(path: Path) -> Iterator[gguf.Tensor]:
    return (tensor for _, tensor in shards.read_model(path).tensors())


def _placings(ground: Ground, rung: Rung, profile: EngineProfile) -> Sequence[Placing]:
    room = ground.limits.gpu_bytes
    if ground.layers is not None:
        return [Placing(layers) for layers in ground.layers]
    if room is None:
        return (Placing(),)
    return offload.worth_trying(rung.weights, rung.facts, profile, room)


def _foreseen(
    ground: Ground, rung: Rung, cell: Cell, known: Reading[Rates], past: memory.History
) -> Foreseen:
    profile = cell.profile(ground.base, None)
    parts = memory.parts(rung.facts, profile, past)
    on_gpu = offload.on_gpu(rung.weights, rung.facts, profile, cell.placing)
    sure = rung.facts.architecture in COMPARED
    least = int(parts.needed / (1 + MEMORY_ERROR)) if sure else parts.weights + parts.kv_cache
    needed = parts.needed
    if cell.draft and ground.draft is not None:
        facts = ground.draft.variant.require_file()
        more = memory.parts(facts, replace(profile, kv_type="f16", kv_type_v=None))
        needed += more.needed - more.process
        least += more.weights
    speed = _speed(cell, rung.facts, profile, known)
    cost = _cost(cell, rung.facts, profile, known, speed)
    found = Foreseen(cell, max(0, needed - on_gpu), on_gpu, speed, cost=cost)
    return replace(found, out=_out(ground, rung, found, max(0, least - on_gpu)))


def _speed(
    cell: Cell, facts: ArtifactFacts, profile: EngineProfile, known: Reading[Rates]
) -> Estimate:
    if cell.placing.gpu_layers:
        return Estimate(_ELSEWHERE, _ELSEWHERE, _ELSEWHERE, 0)
    if cell.draft:
        return Estimate(_GUESSED, _GUESSED, _GUESSED, 0)
    match known:
        case Missing() as why:
            return Estimate(why, why, why, 0)
        case Measured(value=value):
            kept = memory_parts.kv_cache(facts.memory, profile) if facts.memory else 0
            return rates.output_tps(value, facts, kept)


def _cost(
    cell: Cell,
    facts: ArtifactFacts,
    profile: EngineProfile,
    known: Reading[Rates],
    speed: Estimate,
) -> float | None:
    if cell.draft or cell.placing.gpu_layers:
        return None
    if isinstance(known, Measured):
        return 1 / speed.value.value if isinstance(speed.value, Measured) else None
    kept = memory_parts.kv_cache(facts.memory, profile) if facts.memory else 0
    return float(facts.active_bytes + kept)


def _out(ground: Ground, rung: Rung, found: Foreseen, least: int) -> str:
    limits, request, free = ground.limits, ground.request, ground.free_bytes
    least_gpu = found.gpu_bytes
    if request.min_bpw is not None and rung.facts.file_bpw < request.min_bpw:
        return f"{rung.facts.file_bpw:.2f} bits per weight, and {request.min_bpw:g} are wanted"
    if least > limits.memory_bytes:
        return f"at least {size(least)} of memory, and {size(limits.memory_bytes)} may be taken"
    if limits.gpu_bytes is not None and least_gpu > limits.gpu_bytes:
        return f"at least {size(least_gpu)} on the GPU, and {size(limits.gpu_bytes)} may be taken"
    if least > free:
        return f"at least {size(least)} of memory, and {size(free)} are free here: not run"
    most = found.output_tps.high
    if isinstance(most, Measured) and most.value * _SURELY < limits.output_tps:
        return f"at most {most.value:.1f} tok/s foreseen, and {limits.output_tps:g} are wanted"
    return ""
