"""The bundled model: train base and draft, then write the files that ship.

`reproduce` is what `steelyard forge bundled` runs: resumable from the checkpoints in its work
folder, and telling of every log line. Not aware of doors.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from steelyard.forge import card, checkpoint, evaluate, export, imatrix, proof
from steelyard.forge.network import Network
from steelyard.forge.recipes import BASE, DRAFT, Recipe
from steelyard.forge.train import Progress, Trainer, append_log, train
from steelyard.models import imatrix as imatrix_files

Tell: TypeAlias = Callable[[str, Progress, int], None]
_AIM: Final = 0.75
_BASE_SHARE: Final = 0.85  # of the time, where it is limited
_WEIGHTS: Final = ("base.gguf", "draft.gguf", "imatrix.gguf")


def reproduce(
    out: Path,
    work: Path,
    *,
    limit_s: float | None = None,
    tell: Tell = lambda _name, _line, _steps: None,
    threads: int | None = None,
    compiled: bool = True,
    items: int = 300,
) -> dict[str, Any]:
    """Train what is not yet trained, write every shipped file into `out`, return the card.

    `tell(recipe name, log line, planned steps)` is called every few steps. Checkpoints are kept in
    `work`: broken off at any moment, the next call goes on. `limit_s` bounds the training.
    """
    crew = threads or os.cpu_count() or 1
    for recipe, share in ((BASE, _BASE_SHARE), (DRAFT, 1 - _BASE_SHARE)):
        folder = work / recipe.name
        if recipe is DRAFT:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(work / BASE.name / "tokenizer.json", folder / "tokenizer.json")
        trainer = Trainer(recipe, folder, compiled=compiled)
        trainer.resume()
        end = None
        if limit_s is not None:
            end = time.monotonic_ns() + int(limit_s * share * 1e9)
        train(trainer, end_at_ns=end, threads=crew, tell=_telling(recipe, trainer, tell))
    return assemble(work / BASE.name, work / DRAFT.name, out, threads=crew, items=items)


def _telling(recipe: Recipe, trainer: Trainer, tell: Tell) -> Callable[[Progress], None]:
    def line_told(line: Progress) -> None:
        append_log(trainer.folder, line)
        tell(recipe.name, line, trainer.steps)

    return line_told


def assemble(
    base: Path, draft: Path, out: Path, *, threads: int = 2, items: int = 300, remark: str = ""
) -> dict[str, Any]:
    """Write the shipped files from two training folders; return the card."""
    out.mkdir(parents=True, exist_ok=True)
    big, small = checkpoint.load(BASE, base), checkpoint.load(DRAFT, draft)
    export.write_gguf(big.network, big.codec, out / "base.gguf", name="Steelyard bundled base")
    export.write_gguf(small.network, big.codec, out / "draft.gguf", name="Steelyard bundled draft")
    exact = export.rounded(big.network)
    write_imatrix(exact, big, out / "imatrix.gguf")
    answers = proof.answers(exact, big.codec, sha256(out / "base.gguf"))
    (out / "proof.json").write_text(json.dumps(answers, separators=(",", ":")) + "\n")
    log, draft_log = checkpoint.read_log(base), checkpoint.read_log(draft)
    (out / "training_log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in card.thinned(log))
    )
    (out / "curve.svg").write_text(card.curve(log))
    found = evaluate.marks(out / "base.gguf", items=items, threads=threads)
    facts: dict[str, Any] = {
        "format": "steelyard-card-1",
        "licence": "Apache-2.0",
        "parameters": sum(parameter.numel() for parameter in big.network.parameters()),
        "context": export.CONTEXT,
        "base": card.training(BASE, log),
        "draft": card.training(DRAFT, draft_log),
        "held_out": card.figures(found),
        "files": {
            name: {"bytes": (out / name).stat().st_size, "sha256": sha256(out / name)}
            for name in _WEIGHTS
        },
        "made_with": ", ".join(
            f"{name} {importlib.metadata.version(name)}"
            for name in ("torch", "tokenizers", "gguf", "xllamacpp")
        ),
    }
    share = facts["held_out"]["overall"]["share"]
    missed = "" if share >= _AIM else f"The aim of {_AIM:.0%} overall was not reached. "
    facts["remark"] = (missed + remark).strip()
    (out / "card.json").write_text(json.dumps(facts, indent=1) + "\n")
    (out / "card.md").write_text(card.text(facts))
    return facts


def write_imatrix(exact: Network, big: checkpoint.Checkpoint, path: Path, chunks: int = 48) -> None:
    """Gather and write the importance matrix of the base."""
    text = imatrix.calibration(BASE, big.codec, chunks)
    imatrix_files.write(
        path,
        imatrix.statistics(exact, text),
        chunks=len(text),
        chunk_tokens=imatrix.CHUNK,
        datasets=("steelyard-mix-train",),
    )


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
