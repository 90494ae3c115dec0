"""Gather an importance matrix by running a model: mean squares of what flows into each weight.

`python -m steelyard.llamalib.importance --model F --text FILE --out FILE.npz` watches every product
of the compute graph, as llama-imatrix does, and stores sums and counts per tensor. It reads the
graph's memory, so it refuses unless the self-check found every field in its place. `gathered` runs
it as a child. Not aware of imatrix files.
Source: `collect_imatrix` in tools/imatrix/imatrix.cpp of ggml-org/llama.cpp.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import BadInput, ConformanceError
from steelyard.llamalib import children, conformance, guardian, layout
from steelyard.llamalib.decode import Decoder
from steelyard.llamalib.kernels import cores

_MODULE: Final = "steelyard.llamalib.importance"
_F32: Final = 0
_I32: Final = 26
_LEAST_TOKENS: Final = 16  # llama-imatrix passes over smaller batches
CHUNK_TOKENS: Final = 512

Sums = dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]


def gathered(
    model: Path,
    text: str,
    *,
    chunks: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sums:
    """Run a model over a text in a child; return sums (experts, columns) and counts by tensor.

    `progress` is called with (chunks done, chunks in all).
    """
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        source, out = Path(folder, "text.txt"), Path(folder, "sums.npz")
        source.write_text(text, encoding="utf-8")
        argv = [sys.executable, "-m", _MODULE, "--model", str(model), "--text", str(source)]
        argv += ["--out", str(out), "--threads", str(threads or cores())]
        argv += ["--chunks", str(chunks or 0)]
        children.run(argv, progress=progress)
        with np.load(out) as stored:
            names = {name.rpartition("|")[0] for name in stored.files}
            return {name: (stored[f"{name}|sums"], stored[f"{name}|counts"]) for name in names}


@final
class Collector:
    """Sees every node of the graph before and after it is computed, and adds up what it needs."""

    __slots__ = ("_indirect", "_product", "failure", "sums")

    def __init__(self) -> None:
        self._product = layout.operation("MUL_MAT")
        self._indirect = layout.operation("MUL_MAT_ID")
        self.sums: Sums = {}
        self.failure: Exception | None = None

    def watch(self, node: int, asks: bool, _data: int | None) -> bool:  # noqa: FBT001
        """Say whether a node is wanted, or take it. Nothing may be raised through native code."""
        try:
            if asks:
                return self._wanted(node)
            self._take(node)
        except Exception as error:  # noqa: BLE001 -- it is raised again once the decoder returns
            self.failure = error
            return False
        return True

    def _wanted(self, node: int) -> bool:
        op = layout.tensor_field(node, "op")[0]
        if op == self._indirect:
            return True
        if op != self._product:
            return False
        weights, inputs, _ = layout.tensor_field(node, "src")
        enough = layout.tensor_field(inputs, "ne")[1] >= _LEAST_TOKENS
        right_type = layout.tensor_field(inputs, "type")[0] == _F32
        return enough and right_type and _name(weights).startswith("blk.")

    def _take(self, node: int) -> None:
        weights, inputs, choice = layout.tensor_field(node, "src")
        name = _name(weights)
        values = _matrix(inputs, np.float32)
        squares = values.astype(np.float64) ** 2
        columns = squares.shape[-1]
        if layout.tensor_field(node, "op")[0] != self._indirect:
            sums, counts = self._entry(name, 1, columns)
            sums[0] += squares.reshape(-1, columns).sum(0)
            counts[0] += squares.size // columns
            return
        experts = layout.tensor_field(weights, "ne")[2]
        chosen = _matrix(choice, np.int32)[0, 0]
        sums, counts = self._entry(name, experts, columns)
        tokens, slots = chosen.shape
        rows = np.broadcast_to(squares[0], (tokens, slots, columns))
        np.add.at(sums, chosen.reshape(-1), rows.reshape(-1, columns))
        counts += np.bincount(chosen.reshape(-1), minlength=experts)

    def _entry(
        self, name: str, experts: int, columns: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        if name not in self.sums:
            self.sums[name] = (np.zeros((experts, columns)), np.zeros(experts))
        return self.sums[name]


def _matrix(tensor: int, kind: type[np.float32 | np.int32]) -> npt.NDArray[np.float32]:
    """View a tensor's memory, slowest dimension first."""
    wanted = _F32 if kind is np.float32 else _I32
    found = layout.tensor_field(tensor, "type")[0]
    data = layout.tensor_field(tensor, "data")[0]
    if found != wanted or not data:
        raise ConformanceError(
            f"an activation is of type {found} at {data:#x}, not readable as {wanted}",
            hint="make the importance matrix with llama-imatrix",
        )
    shape = layout.tensor_field(tensor, "ne")[::-1]
    strides = layout.tensor_field(tensor, "nb")[::-1]
    extent = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 4
    raw = (ctypes.c_uint8 * extent).from_address(data)
    return np.ndarray(shape, dtype=kind, buffer=raw, strides=strides)


def _name(tensor: int) -> str:
    """Return a weight's name without the copy marks of other back ends (`CPU#name#0`)."""
    name = layout.tensor_name(tensor)
    return name.split("#")[1] if "#" in name else name


def main(argv: Sequence[str] | None = None) -> int:
    """Be the child: gather, and report progress or the error as JSON lines on stdout."""
    flags = argparse.ArgumentParser(prog=_MODULE, allow_abbrev=False)
    for name in ("--model", "--text", "--out"):
        flags.add_argument(name, type=Path, required=True)
    flags.add_argument("--threads", type=int, default=cores())
    flags.add_argument("--chunks", type=int, default=0, help="0 is as many as the text has")
    options = flags.parse_args(argv)
    guardian.bind()
    guardian.watch()
    return children.reporting(lambda: _gather(options))


def _gather(options: argparse.Namespace) -> None:
    conformance.require_callback()
    collector = Collector()
    with Decoder(
        options.model, context=CHUNK_TOKENS, threads=options.threads, watch=collector.watch
    ) as decoder:
        tokens = decoder.tokenise(options.text.read_text(encoding="utf-8"))
        count = len(tokens) // CHUNK_TOKENS
        if count < 1:
            raise BadInput(
                f"the calibration text has {len(tokens)} tokens, and {CHUNK_TOKENS} make a chunk",
                hint="give a longer text; 50 chunks or more are usual",
            )
        count = min(count, options.chunks) if options.chunks else count
        for chunk in range(count):
            first = chunk * CHUNK_TOKENS
            for _ in decoder.logits(tokens[first : first + CHUNK_TOKENS]):
                pass
            if collector.failure is not None:
                raise collector.failure
            children.show(chunk + 1, count)
    stored = {}
    for name, (sums, counts) in collector.sums.items():
        stored[f"{name}|sums"], stored[f"{name}|counts"] = sums, counts
    np.savez(options.out, **stored)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
