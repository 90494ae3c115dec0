"""`models export`: a GGUF file as the folder that MLX or Transformers load.

Quantised MLX folders are written by mlx-lm's own converter in its own environment. Not aware of
formats: `models.hf_folder` writes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import final

from steelyard.app import subjects
from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.engines import environments
from steelyard.models import artifacts, disk, folders, hf_folder
from steelyard.models.hf_folder import Layout
from steelyard.platform import clock

_NS_PER_S = 1e9
_SPARE_BYTES = 16 * 1024 * 1024
_WORDS = 1500


@final
@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What `models export` was asked for; `bits` quantises an MLX folder."""

    subject: str
    layout: Layout
    bits: int | None
    out: Path


def export_text(order: ExportOrder, emit: Emit) -> str:
    """Write the folder; say what it holds and how it is used."""
    if order.bits is not None and order.layout != "mlx":
        raise BadInput(
            f"--bits quantises for mlx; {order.layout} folders keep the weights of the file",
            hint="use --format mlx, or leave --bits out",
        )
    chosen = subjects.choose(order.subject)
    path, facts = chosen.files[0]
    if len(chosen.files) != 1 or path.is_dir():
        what = "is a folder already" if path.is_dir() else "holds several files"
        raise BadInput(f"{order.subject} {what}", hint="name one GGUF file")
    disk.require(
        order.out.absolute().parent, 2 * facts.tensor_bytes + _SPARE_BYTES, what="the export"
    )
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("exporting", None, path.name))
    if order.bits is None:
        hf_folder.write(path, order.out, order.layout)
    else:
        _quantised_file(path, order.out, order.bits)
    emit(PhaseEnded("exporting", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    artifact, made = artifacts.fingerprint(order.out), artifacts.inspect(order.out)
    engines = ("mlx",) if order.layout == "mlx" else ("mlx", "transformers")
    names = ", ".join(file.name for file in folders.files_of(order.out))
    return "\n".join(
        [
            f"{order.out}  {artifact.format}, {made.quant}, {made.file_bpw:.2f} bits a weight",
            f"  sha256  {artifact.sha256}",
            f"  files   {names}",
            f"  loads   {', '.join(engines)}: `steelyard bench {order.out}@{engines[0]}`",
        ]
    )


def _quantised_file(source: Path, out: Path, bits: int) -> None:
    """Have mlx-lm quantise a GGUF file into `out`, by way of a full folder of it."""
    environments.required("mlx")
    _require_empty(out)
    full = out.with_name(f".{out.name}.{os.getpid()}.full")
    try:
        hf_folder.write(source, full, "safetensors")
        quantised(full, out, bits)
    finally:
        shutil.rmtree(full, ignore_errors=True)


def quantised(full: Path, out: Path, bits: int) -> None:
    """Have mlx-lm quantise a full folder into `out`, whole or not at all."""
    python = environments.required("mlx").python
    _require_empty(out)
    part = out.with_name(f".{out.name}.{os.getpid()}.quantised")
    try:
        argv = [str(python), "-I", "-m", "mlx_lm", "convert", "--hf-path", str(full)]
        argv += ["--mlx-path", str(part), "-q", "--q-bits", str(bits)]
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EngineError(
                f"mlx-lm could not quantise {full.name}: {done.stderr.strip()[-_WORDS:]}",
                hint="--format mlx without --bits writes it unquantised",
            )
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} exists and is not empty", hint="choose another --out")
