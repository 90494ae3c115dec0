"""How far a file with a quantised cache is from the reference with an exact one: KL divergence.

The text, windows and positions are those of a sweep's fidelity (`runs.fidelity`); there every
variant has the same cache, here each has its own, and the reference's is the exact one. Not aware
of budgets or of what the numbers are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis.fidelity import Circumstances, Positions, compared
from steelyard.domain.errors import SteelyardError
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Fidelity
from steelyard.llamalib import evaluate, passages
from steelyard.llamalib.tokens import tokenise
from steelyard.models import disk
from steelyard.runs import fidelity
from steelyard.runs.texts import fidelity_text

_BYTES_PER_LOGPROB: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Weighed:
    """A file with the types of its cache, and how it is computed."""

    path: Path
    sha256: str
    keys: str
    values: str
    flash_attention: bool
    threads: int


@final
class Scale:
    """The reference's probabilities of some positions, against which others are weighed."""

    __slots__ = ("_folder", "_known", "_reference", "_text", "_tokens")

    def __init__(self, reference: Weighed, vocabulary: int, positions: int, folder: Path) -> None:
        """Cut the text; nothing is computed yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self._text, self._folder, self._reference = fidelity_text(), folder, reference
        read = tokenise(reference.path, self._text)
        self._tokens = folder / "passages.json"
        passages.write(self._tokens, fidelity.windows(read, positions, vocabulary))
        self._known = passages.read(self._tokens)
        needed = 2 * self.positions * _BYTES_PER_LOGPROB * vocabulary
        disk.require(folder, needed, what="token probabilities")

    @property
    def positions(self) -> int:
        """How many positions are scored."""
        return sum(part.scored for part in self._known)

    def begin(self, progress: Callable[[int, int], None]) -> None:
        """Compute the reference's probabilities."""
        self._score(self._reference, self._ours, progress)

    def weigh(self, weighed: Weighed, progress: Callable[[int, int], None]) -> Fidelity:
        """Return how far this one is; raises `SteelyardError` where it cannot be computed."""
        theirs = self._folder / "weighed.npy"
        try:
            self._score(weighed, theirs, progress)
            found = evaluate.compare(self._ours, theirs, passages.targets(self._known))
        finally:
            theirs.unlink(missing_ok=True)
        where = Circumstances(
            text_sha256=hashlib.sha256(self._text.encode()).hexdigest(),
            context_tokens=fidelity.WINDOW,
            kv_type="/".join(dict.fromkeys((weighed.keys, weighed.values))),
            reference_sha256=self._reference.sha256,
        )
        positions = Positions(
            kl_divergence=found.kld.tolist(),
            negative_log_likelihood=found.nll_variant.tolist(),
            top_is_same=found.top1_equal.tolist(),
        )
        match compared(positions, where):
            case Measured(value=value):
                return value
            case Missing() as reason:
                raise SteelyardError(str(reason))

    def close(self) -> None:
        """Delete the kept probabilities: they are large, and can be made again."""
        self._ours.unlink(missing_ok=True)

    @property
    def _ours(self) -> Path:
        return self._folder / "reference.npy"

    def _score(self, weighed: Weighed, out: Path, progress: Callable[[int, int], None]) -> None:
        evaluate.scored(
            weighed.path,
            self._tokens,
            out,
            context=fidelity.WINDOW,
            threads=weighed.threads,
            kv_type=weighed.keys,
            kv_type_v=weighed.values,
            flash_attention=weighed.flash_attention,
            log=out.with_suffix(".log"),
            progress=progress,
        )
