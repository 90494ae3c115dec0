"""`models synth`: files of random weights in the shapes of published models, and which there are.

Not aware of terminals or of formats: text comes back as text, `models.synth` writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.app import subjects
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.models import disk, gguf, shapes, synth
from steelyard.platform import clock

_MIB: Final = 20
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class SynthOrder:
    """What was asked for."""

    shape: str
    quants: tuple[str, ...]
    out: Path
    seed: int


def shapes_text(*, as_json: bool) -> str:
    """List the shapes that there are."""
    if as_json:
        rows = [
            {
                "name": shape.name,
                "architecture": shape.architecture,
                "parameters": synth.parameters(shape),
                "context": shape.context,
            }
            for shape in shapes.BY_NAME.values()
        ]
        return json.dumps({"shapes": rows}, indent=1)
    lines = [f"{'shape':<22} {'architecture':<12} {'weights':>8} {'context':>8}"]
    for shape in shapes.BY_NAME.values():
        weights = f"{synth.parameters(shape) / 1e9:.2f} B"
        lines.append(f"{shape.name:<22} {shape.architecture:<12} {weights:>8} {shape.context:>8}")
    return "\n".join(lines)


def synth_text(order: SynthOrder, emit: Emit) -> str:
    """Write one file for each quant; all are decided, and room is asked for, before the first."""
    shape, words = shapes.find(order.shape), gguf.read(subjects.bundled("base.gguf"))
    planned = [synth.plan(shape, quant, words, seed=order.seed) for quant in order.quants]
    for one in planned:
        if (path := order.out / one.file_name).exists():
            raise BadInput(f"{path} exists", hint="remove it, or choose another --out")
    disk.require(order.out, sum(one.file_bytes for one in planned), what=f"{shape.name}")
    lines = []
    for one in planned:
        started_ns = clock.monotonic_ns()
        phase = f"writing {one.file_name}"
        emit(PhaseStarted(phase, one.file_bytes >> _MIB or None))
        path = synth.write(one, order.out, _shown(phase, emit))
        emit(PhaseEnded(phase, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
        lines.append(f"{path}  {disk.size(path.stat().st_size)}, {one.quant.name}, synthetic")
    lines.append(
        "Weights are random: memory and speed are the model's, what it answers means nothing."
    )
    return "\n".join(lines)


def _shown(phase: str, emit: Emit) -> synth.Progress:
    return lambda done, _total: emit(Advanced(phase, done >> _MIB))
