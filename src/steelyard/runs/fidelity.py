"""Fidelity: how far a variant's token probabilities are from the reference's, on held-out text.

Both are decoded by llama.cpp in child processes, on the same tokens, in windows of one length.
The reference's probabilities are computed once for each campaign and kept while it runs. Not aware
of tasks; what the numbers mean is `analysis.fidelity`'s.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis.fidelity import Circumstances, Positions, compared, of_reference
from steelyard.domain.campaign import Sweep
from steelyard.domain.errors import SteelyardError
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Variant
from steelyard.domain.summary import Fidelity
from steelyard.llamalib import evaluate, passages
from steelyard.llamalib.passages import Passage
from steelyard.llamalib.tokens import tokenise
from steelyard.models import disk
from steelyard.platform import clock
from steelyard.runs.texts import fidelity_text

PHASE: Final = "fidelity"
WINDOW: Final = 512
# The first tokens of a window have little context: they are read, not scored.
_SCORE_FROM: Final = 64
SCORED: Final = WINDOW - _SCORE_FROM
_BYTES_PER_LOGPROB: Final = 4
_ROOM: Final = 1 << 31
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Weighed:
    """A variant and where its bytes lie."""

    variant: Variant
    path: Path


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """A variant's fidelity, and the reference's own perplexity on the same text."""

    variant: Fidelity
    reference: Fidelity


def compare(reference: Weighed, weighed: Weighed, sweep: Sweep, folder: Path, emit: Emit) -> Pair:
    """Score both on the same positions and compare. Raises `SteelyardError` where that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    text = fidelity_text()
    tokens = folder / "passages.json"
    if not tokens.exists():
        read = tokenise(reference.path, text)
        words = reference.variant.require_file().vocabulary
        passages.write(tokens, windows(read, sweep.fidelity_positions, words))
    known = passages.read(tokens)
    needed = 2 * sum(p.scored for p in known) * _BYTES_PER_LOGPROB
    disk.require(
        folder, needed * reference.variant.require_file().vocabulary, what="token probabilities"
    )
    ours = folder / f"{reference.variant.artifact.sha256[:16]}.npy"
    if not ours.exists():
        _score(reference, tokens, ours, sweep, emit)
    theirs = folder / f"{weighed.variant.artifact.sha256[:16]}.npy"
    try:
        _score(weighed, tokens, theirs, sweep, emit)
        found = evaluate.compare(ours, theirs, passages.targets(known))
    finally:
        theirs.unlink(missing_ok=True)
    where = Circumstances(
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        context_tokens=WINDOW,
        kv_type=sweep.profile.kv_type,
        reference_sha256=reference.variant.artifact.sha256,
    )
    positions = Positions(
        kl_divergence=found.kld.tolist(),
        negative_log_likelihood=found.nll_variant.tolist(),
        top_is_same=found.top1_equal.tolist(),
    )
    own = of_reference(found.nll_reference.tolist(), where)
    return Pair(_value(compared(positions, where)), _value(own))


def forget(folder: Path) -> None:
    """Delete the kept probabilities of a campaign that has ended; they can be made again."""
    for path in folder.glob("*.npy"):
        path.unlink()


def windows(tokens: tuple[int, ...], positions: int, vocabulary: int) -> list[Passage]:
    """Cut the text into windows, as many as are asked for and as the probabilities have room."""
    most = _ROOM // (_BYTES_PER_LOGPROB * max(1, vocabulary))
    wanted = max(1, min(positions, most) // SCORED)
    starts = range(0, len(tokens) - WINDOW + 1, WINDOW)
    found = [Passage(tokens[at : at + WINDOW], _SCORE_FROM) for at in starts]
    if not found:
        raise SteelyardError(f"the held-out text has only {len(tokens)} tokens of this model")
    return found[:wanted]


def _score(weighed: Weighed, tokens: Path, out: Path, sweep: Sweep, emit: Emit) -> None:
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(PHASE, 100, weighed.variant.label))
    evaluate.scored(
        weighed.path,
        tokens,
        out,
        context=WINDOW,
        threads=sweep.controls.threads,
        kv_type=sweep.profile.kv_type,
        flash_attention=sweep.profile.flash_attention,
        log=out.with_suffix(".log"),
        progress=lambda done, total: emit(Advanced(PHASE, 100 * done // max(1, total))),
    )
    emit(PhaseEnded(PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))


def _value(found: Reading[Fidelity]) -> Fidelity:
    match found:
        case Measured(value=value):
            return value
        case Missing() as reason:
            raise SteelyardError(str(reason))
