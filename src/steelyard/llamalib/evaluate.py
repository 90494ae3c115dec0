"""Log-probabilities of every scored position of some passages, written by a child process.

`python -m steelyard.llamalib.evaluate --model F --tokens FILE.json --out FILE.npy --context N
--threads T` writes one row per scored position (natural logarithms over the vocabulary), a batch at
a time into a memory map, and one JSON line of progress per passage on stdout. `scored` runs it;
`compare` reads two such files. Not aware of text, tasks or verdicts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import BadInput, SteelyardError, TooLittleRoom
from steelyard.llamalib import children, guardian, passages
from steelyard.llamalib.decode import Decoder
from steelyard.llamalib.kernels import cores
from steelyard.llamalib.library import KV_TYPES

Floats = npt.NDArray[np.float64]
_BLOCK_BYTES: Final = 1 << 26
_MODULE: Final = "steelyard.llamalib.evaluate"


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """What a variant changed, position by position: natural logarithms, one element each.

    `kld` is the divergence of the variant's distribution from the reference's; `nll_*` is the
    negative log-likelihood of the true token; `top1_equal` whether both rank the same token first.
    """

    kld: Floats
    nll_reference: Floats
    nll_variant: Floats
    top1_equal: npt.NDArray[np.bool_]


def scored(
    model: Path,
    tokens: Path,
    out: Path,
    *,
    context: int,
    threads: int | None = None,
    kv_type: str = "f16",
    kv_type_v: str | None = None,
    flash_attention: bool = False,
    log: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Score passages in a child process; `progress` is called with (positions done, in all).

    The child's errors are raised as the errors they were; its memory and any crash are its own.
    """
    argv = [sys.executable, "-m", _MODULE, "--model", str(model), "--tokens", str(tokens)]
    argv += ["--out", str(out), "--context", str(context), "--threads", str(threads or cores())]
    argv += ["--kv-type", kv_type, "--kv-type-v", kv_type_v or kv_type]
    argv += ["--flash-attention", "on" if flash_attention else "off"]
    children.run(argv, log=log, progress=progress)
    return out


def compare(
    reference: Path,
    variant: Path,
    targets: npt.NDArray[np.int32],
    *,
    block_bytes: int = _BLOCK_BYTES,
) -> Comparison:
    """Compare two files of log-probabilities, a bounded block of positions at a time."""
    ours, theirs = np.load(reference, mmap_mode="r"), np.load(variant, mmap_mode="r")
    if ours.shape != theirs.shape or ours.shape[0] != targets.shape[0]:
        raise BadInput(
            f"{reference.name} {ours.shape} and {variant.name} {theirs.shape} do not score the same"
            f" {targets.shape[0]} positions",
            hint="score both with the same passages, and variants of one vocabulary",
        )
    count = ours.shape[0]
    kld, top = np.empty(count), np.empty(count, np.bool_)
    nll = np.empty((2, count))
    step = max(1, block_bytes // (8 * ours.shape[1]))
    for first in range(0, count, step):
        rows = slice(first, min(first + step, count))
        p, q = ours[rows].astype(np.float64), theirs[rows].astype(np.float64)
        kld[rows] = np.sum(np.exp(p) * (p - q), axis=1)
        picked = np.arange(p.shape[0]), targets[rows]
        nll[0, rows], nll[1, rows] = -p[picked], -q[picked]
        top[rows] = p.argmax(axis=1) == q.argmax(axis=1)
    return Comparison(kld, nll[0], nll[1], top)


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return natural log-probabilities of rows of logits."""
    shifted: Floats = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted.astype(np.float32)


def write_scores(
    decoder: Decoder,
    parts: Sequence[passages.Passage],
    out: Path,
    show: Callable[[int, int], None],
) -> None:
    """Score passages into `out`, at most one batch of positions in memory."""
    total = sum(part.scored for part in parts)
    part_file = out.with_name(f".{out.name}.part")
    table = np.lib.format.open_memmap(
        part_file, mode="w+", dtype=np.float32, shape=(total, decoder.vocabulary)
    )
    row = 0
    for part in parts:
        # The logits at position i tell of the token at i + 1, so the last position tells nothing.
        position = 0
        for block in decoder.logits(part.tokens[:-1]):
            skip = max(0, part.score_from - 1 - position)
            wanted = block[skip:]
            position += block.shape[0]
            if wanted.shape[0]:
                table[row : row + wanted.shape[0]] = log_softmax(wanted)
                row += wanted.shape[0]
        show(row, total)
    table.flush()
    del table
    part_file.replace(out)


def main(argv: Sequence[str] | None = None) -> int:
    """Be the child: score, and report progress or the error as JSON lines on stdout."""
    flags = argparse.ArgumentParser(prog=_MODULE, allow_abbrev=False)
    flags.add_argument("--model", type=Path, required=True)
    flags.add_argument("--tokens", type=Path, required=True)
    flags.add_argument("--out", type=Path, required=True)
    flags.add_argument("--context", type=int, required=True)
    flags.add_argument("--threads", type=int, default=cores())
    flags.add_argument("--kv-type", choices=KV_TYPES, default="f16")
    flags.add_argument("--kv-type-v", choices=KV_TYPES, default=None)
    flags.add_argument("--flash-attention", choices=("on", "off"), default="off")
    options = flags.parse_args(argv)
    guardian.bind()
    guardian.watch()
    return children.reporting(lambda: _score(options))


def _score(options: argparse.Namespace) -> None:
    parts = passages.read(options.tokens)
    longest = max(len(part.tokens) for part in parts)
    if longest > options.context:
        raise TooLittleRoom(
            f"a passage has {longest} tokens and the context is {options.context}",
            hint="ask for a larger context, or cut the passages",
        )
    with Decoder(
        options.model,
        context=options.context,
        threads=options.threads,
        kv_type=options.kv_type,
        kv_type_v=options.kv_type_v,
        flash_attention=options.flash_attention == "on",
    ) as decoder:
        try:
            write_scores(decoder, parts, options.out, children.show)
        except OSError as error:
            raise SteelyardError(
                f"{options.out} cannot be written: {error.strerror}", hint="free disk space"
            ) from None


if __name__ == "__main__":
    sys.exit(main())
