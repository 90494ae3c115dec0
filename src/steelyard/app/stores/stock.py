"""`models`: what model files are here, what they are, and quants made from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

from steelyard.app import subjects
from steelyard.app.mixes import recipes
from steelyard.app.results import history
from steelyard.app.subjects import Chosen
from steelyard.app.sweeps import ladder
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.subject import ArtifactFacts, EngineProfile, Variant
from steelyard.models import imatrix, memory
from steelyard.models.ladder import Runtime
from steelyard.platform import clock
from steelyard.runs.texts import importance_text

_MIB = 1 << 20
_NS_PER_S = 1e9


@final
@dataclass(frozen=True, slots=True)
class QuantiseOrder:
    """What `models quantise` was asked for."""

    subject: str
    quants: tuple[str, ...]
    out: Path | None
    imatrix: str | None
    requantise: bool
    runtime: Runtime


def show_text(subject: str, emit: Emit, *, as_json: bool) -> str:
    """Show every file that a subject stands for, hashed and read."""
    chosen = subjects.choose(subject)
    names = subjects.labels(chosen.files)
    shown = [(subjects.verified(names[path], path, emit), path) for path, _ in chosen.files]
    if as_json:
        rows = [{"path": str(path), "variant": plain(variant)} for variant, path in shown]
        return json.dumps(rows, indent=1, sort_keys=True)
    return "\n\n".join(_shown(variant, path) for variant, path in shown)


def quantise_text(order: QuantiseOrder, emit: Emit) -> str:
    """Make quants, verify each, and say what came out."""
    chosen = subjects.require_gguf(subjects.choose(order.subject), "quantising")
    source = chosen.files[0][0]
    out = order.out or (Path.cwd() if chosen.model == subjects.BUNDLED else source.parent)
    matrix = _imatrix(order, chosen, out, emit)
    made = ladder.order(
        Chosen(chosen.model, chosen.files[:1], chosen.engine, ladder=False, imatrix=chosen.imatrix),
        order.quants,
        matrix,
        order.runtime,
        requantise=order.requantise,
    )
    if not made.made:
        raise BadInput(
            f"{source.name} is {', '.join(order.quants)} already: there is nothing to make",
            hint="ask for another quant",
        )
    variants, paths = ladder.make(made, out, emit)
    return "\n\n".join(_shown(v, paths[v.artifact.sha256]) for v in variants[1:])


def recipe_text(
    subject: str, recipe: Path, out: Path | None, imatrix_file: str | None, emit: Emit
) -> str:
    """Make the mix of a recipe, verify it, and say what came out."""
    matrix = None if imatrix_file is None else Path(imatrix_file)
    order = recipes.RecipeOrder(subject, recipe, out, matrix)
    return _shown(*recipes.apply(order, emit))


def _imatrix(order: QuantiseOrder, chosen: Chosen, out: Path, emit: Emit) -> Path | None:
    """Return the importance matrix to use; compute one where that was asked for."""
    if order.imatrix is None:
        return None
    if order.imatrix != "compute":
        return Path(order.imatrix)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{chosen.model}.imatrix.gguf"
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("importance matrix", None, chosen.model))
    imatrix.compute(
        chosen.files[0][0],
        importance_text(),
        path,
        progress=lambda done, _total: emit(Advanced("importance matrix", done)),
    )
    emit(PhaseEnded("importance matrix", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return path


def _shown(variant: Variant, path: Path) -> str:
    facts = variant.require_file()
    types = ", ".join(f"{name} {share:.0%}" for name, share in _shares(facts))
    profile = EngineProfile(context_tokens=min(4096, facts.context_tokens or 4096))
    needed = memory.estimate(facts, profile, history.memory_here()) / _MIB
    return "\n".join(
        [
            f"{variant.label}  {path}",
            f"  sha256         {variant.artifact.sha256}",
            f"  bytes          {variant.artifact.size_bytes:,}",
            f"  architecture   {facts.architecture}, {facts.layers} layers, "
            f"{facts.parameters:,} weights",
            f"  bits a weight  {facts.file_bpw:.3f} (body {facts.body_bpw:.3f})",
            f"  tensor types   {types}",
            f"  read per token {facts.active_bytes:,} bytes",
            f"  context        {facts.context_tokens:,} tokens, vocabulary {facts.vocabulary:,}",
            f"  chat template  {facts.chat_template_sha256 or 'none'}",
            f"  imatrix        {facts.imatrix or 'none'}",
            f"  memory         about {needed:,.0f} MiB at "
            f"{profile.context_tokens:,} tokens (estimated)",
        ]
    )


def _shares(facts: ArtifactFacts) -> list[tuple[str, float]]:
    total = sum(facts.type_elements.values()) or 1
    return sorted(
        ((name, count / total) for name, count in facts.type_elements.items()), key=lambda x: -x[1]
    )
