"""How near is the memory estimate to what llama.cpp takes, over shapes, contexts, slots, types?

`python benchmarks/memory.py [--shapes smollm2-135m,…] [--seconds 120] [--folder DIR] [--out FILE]`
`python benchmarks/memory.py --read FILE…` prints the table of earlier runs again.

Each shape becomes a file with random weights, is served once a cell, and is removed again. Two
things are compared with what was foreseen: the buffers that the engine says it asked for, and the
most that its process ever held once the context of every slot was full. A cell whose context
would take longer than `--seconds` to fill is only compared by its buffers; with flash attention a
part of it is filled, and what its process should hold so far is compared. Ends with 1 where the
median is over 5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import steelyard
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.llamalib.kernels import cores
from steelyard.models import artifacts, gguf, memory, shapes, synth
from steelyard.models.memory import MemoryEstimate
from steelyard.runs import filled
from steelyard.runs.places import place_for
from steelyard.stats.quantiles import quantile_estimate

BUNDLED = Path(steelyard.__file__).parent / "bundled" / "base.gguf"
MIB = 1 << 20
# How many weights a token is multiplied with in a second here, about: decides what is filled.
WEIGHTS_A_SECOND = 30e9
PART = 640
Cell = dict[str, Any]
SHORT: Cell = {"context_tokens": 2048}
BRIEF: Cell = {"context_tokens": 1024}
FLASH: Cell = {"flash_attention": True}
CELLS: dict[str, list[tuple[str, list[Cell]]]] = {
    "smollm2-135m": [
        ("Q4_K_M", [SHORT, {**SHORT, "slots": 4}, {"context_tokens": 8192}]),
        ("Q8_0", [{"context_tokens": 4096, "slots": 2, **FLASH}, {"context_tokens": 4096}]),
        ("Q4_0", [{"context_tokens": 8192, "kv_type": "q8_0", **FLASH}, SHORT]),
        ("F16", [{**SHORT, "micro_batch_tokens": 256}]),
    ],
    "openelm-270m": [
        ("Q6_K", [SHORT, {**SHORT, "slots": 2, **FLASH}]),
        ("IQ4_NL", [{**SHORT, "slots": 2}]),
    ],
    "smollm2-360m": [("Q4_K_M", [SHORT, {"context_tokens": 8192, "kv_type": "q4_0", **FLASH}])],
    "qwen2.5-0.5b": [
        ("Q4_K_M", [BRIEF, {"context_tokens": 32_768}, {"context_tokens": 4096, "slots": 4}]),
        ("Q8_0", [{"context_tokens": 8192, "kv_type": "q8_0", **FLASH}]),
    ],
    "qwen3-0.6b": [
        ("Q5_K_M", [BRIEF, {"context_tokens": 8192, **FLASH}]),
        ("Q4_0", [{"context_tokens": 32_768, "kv_type": "q4_0", **FLASH}]),
    ],
    "gemma-3-1b": [
        ("Q4_K_M", [BRIEF, {"context_tokens": 8192, "slots": 2, **FLASH}]),
        ("Q8_0", [{"context_tokens": 32_768}, {"context_tokens": 32_768, **FLASH}]),
    ],
    "granite-3.1-1b-a400m": [
        ("Q4_K_M", [BRIEF, {**BRIEF, "slots": 4, **FLASH}, {"context_tokens": 32_768}]),
        ("Q6_K", [{"context_tokens": 8192, **FLASH}]),
    ],
    "llama-3.2-1b": [
        ("Q4_K_M", [BRIEF, {"context_tokens": 8192, **FLASH}, {"context_tokens": 32_768}]),
        ("Q6_K", [{"context_tokens": 32_768, "kv_type": "q8_0", **FLASH}]),
    ],
    "gemma-2-2b": [
        ("Q4_K_M", [{"context_tokens": 8192, **FLASH}, {"context_tokens": 8192, "slots": 2}]),
    ],
    "llama-3.2-3b": [
        ("Q4_K_M", [{"context_tokens": 8192, **FLASH}, {"context_tokens": 32_768}]),
    ],
}


@dataclass(frozen=True, slots=True)
class Row:
    """One cell: what was foreseen and what was found, in bytes; None where it was not looked at."""

    shape: str
    quant: str
    context: int
    slots: int
    kv_type: str
    flash: bool
    micro_batch: int
    filled: int
    foreseen: dict[str, int]
    buffers: dict[str, int] | None
    resident: int | None

    def error(self, part: str) -> float | None:
        """Relative error of a part of the engine's buffers, of `buffers` or of `resident`."""
        if part == "resident":
            used = self.resident
        else:
            used = None if self.buffers is None else self.buffers.get(part)
        return self.foreseen[part] / used - 1 if used else None


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--shapes", default=",".join(CELLS))
    flags.add_argument("--seconds", type=float, default=120.0)
    flags.add_argument("--folder", type=Path, default=None)
    flags.add_argument("--out", type=Path, default=None)
    flags.add_argument("--read", type=Path, nargs="+", default=())
    options = flags.parse_args()
    rows = [Row(**row) for path in options.read for row in json.loads(path.read_text())]
    if rows:
        print(*map(line, rows), sep="\n")
        sys.exit(report(rows))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name in options.shapes.split(","):
            for quant, cells in CELLS[name]:
                rows += measured(name, quant, cells, Path(folder), options.seconds)
                if options.out is not None:
                    options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    sys.exit(report(rows))


def measured(
    name: str, quant: str, cells: Sequence[Cell], folder: Path, seconds: float
) -> list[Row]:
    """Make one file, serve it once a cell, and remove it."""
    shape = shapes.find(name)
    path = synth.write(synth.plan(shape, quant, gguf.read(BUNDLED)), folder)
    facts = artifacts.inspect(path)
    rows = []
    for cell in cells:
        profile = EngineProfile(**cell)
        subject = Subject(Artifact(path.name, "gguf", "0" * 64), profile=profile)
        needed = profile.context_tokens * profile.slots * facts.parameters / WEIGHTS_A_SECOND
        share = facts.active_bytes / facts.tensor_bytes
        whole = needed * share <= seconds
        tokens = None if whole else PART if profile.flash_attention else 0
        place = place_for(subject, folder / "run", {"0" * 64: path})
        found = filled.look(subject, Controls(threads=cores()), place, tokens=tokens)
        parts = memory.parts(facts, profile)
        held = memory.so_far(facts, profile, found.tokens).total
        row = row_of(name, quant, profile, parts, held, found)
        rows.append(row)
        print(line(row), flush=True)
    path.unlink()
    return rows


def row_of(
    name: str,
    quant: str,
    profile: EngineProfile,
    parts: MemoryEstimate,
    held: int,
    found: filled.Filled,
) -> Row:
    foreseen = {
        "weights": parts.weights,
        "reordered": parts.copies,
        "kv_cache": parts.kv_cache,
        "state": parts.state,
        "compute": parts.compute,
        "output": parts.output,
        "resident": held,
    }
    foreseen["buffers"] = sum(foreseen[key] for key in foreseen if key != "resident")
    match found.buffers:
        case Measured(value=told):
            buffers = {**asdict(told), "buffers": told.total}
        case Missing():
            buffers = None
    resident = found.resident.value if isinstance(found.resident, Measured) else None
    return Row(
        *(name, quant, profile.context_tokens, profile.slots, profile.kv_type),
        flash=profile.flash_attention,
        micro_batch=profile.micro_batch_tokens,
        filled=found.tokens,
        foreseen=foreseen,
        buffers=buffers,
        resident=resident if found.tokens else None,
    )


def line(row: Row) -> str:
    def pair(part: str, used: int | None) -> str:
        error = row.error(part)
        told = "-" if used is None else f"{used / MIB:.0f}"
        off = "" if error is None else f"{100 * error:+.1f} %"
        return f"{row.foreseen[part] / MIB:8.0f} {told:>7} {off:>8}"

    told = row.buffers or {}
    attention = "flash" if row.flash else "plain"
    return (
        f"{row.shape:<21} {row.quant:<7} {row.context:>6} x{row.slots} {row.kv_type:<5} {attention}"
        f" {row.filled:>6} |{pair('kv_cache', told.get('kv_cache'))}"
        f" |{pair('compute', told.get('compute'))} |{pair('buffers', told.get('buffers'))}"
        f" |{pair('resident', row.resident)}"
    )


def report(rows: Sequence[Row]) -> int:
    """Print the errors over all cells; return 1 where the median of a total is over 5 %."""
    print("\nerror = foreseen / used - 1, over cells")
    worst = 0.0
    for part in ("weights", "reordered", "kv_cache", "compute", "buffers", "resident"):
        errors = [error for row in rows if (error := row.error(part)) is not None]
        if not errors:
            continue
        found = quantile_estimate([abs(error) for error in errors], 0.5)
        ends = "below 6 cells no interval"
        if isinstance(found.low, Measured) and isinstance(found.high, Measured):
            ends = f"[{100 * found.low.value:.1f}, {100 * found.high.value:.1f}]"
        middle = sorted(abs(error) for error in errors)[len(errors) // 2]
        if isinstance(found.value, Measured):
            middle = found.value.value
        print(
            f"{part:<10} n = {len(errors):<3} median |error| {100 * middle:5.2f} % {ends},"
            f" from {100 * min(errors):+.1f} % to {100 * max(errors):+.1f} %"
        )
        if part in ("buffers", "resident"):
            worst = max(worst, middle)
    return int(worst > 0.05)


if __name__ == "__main__":
    main()
