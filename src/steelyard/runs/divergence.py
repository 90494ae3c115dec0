"""A scale for many files of one model: the reference's probabilities once, then file after file.

What fidelity measures for a sweep, without a sweep: the same windows, the same divergence, but
its sum over each window, since windows are what may be taken for independent. Not aware of mixes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.subject import ArtifactFacts
from steelyard.llamalib import evaluate, passages
from steelyard.llamalib.passages import Passage
from steelyard.llamalib.tokens import tokenise
from steelyard.runs.fidelity import WINDOW, windows

Sums = tuple[float, ...]
ROOM_BYTES: Final = 1 << 31  # for the probabilities of one file
_BYTES_PER_LOGPROB: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Text:
    """A text cut into windows of a model's tokens, and what it is called."""

    name: str
    sha256: str
    windows: tuple[Passage, ...]

    @property
    def positions(self) -> int:
        """How many positions are scored."""
        return sum(window.scored for window in self.windows)

    @property
    def tokens(self) -> tuple[int, ...]:
        """All tokens that are read."""
        return tuple(token for window in self.windows for token in window.tokens)

    @property
    def id(self) -> str:
        """Of the very tokens, however the text is called."""
        raw = np.array(self.tokens, np.int32).tobytes()
        return hashlib.sha256(raw + bytes([len(self.windows) % 256])).hexdigest()[:16]

    def parts(self, facts: ArtifactFacts) -> tuple[tuple[Passage, ...], ...]:
        """Cut the windows into parts whose probabilities have room on the disk."""
        one = max(1, max(w.scored for w in self.windows) * facts.vocabulary * _BYTES_PER_LOGPROB)
        step = max(1, ROOM_BYTES // one)
        return tuple(
            self.windows[first : first + step] for first in range(0, len(self.windows), step)
        )


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """A text, the file that others are compared with, and a folder for probabilities.

    The reference's are kept between files where all of them have room, else they are made anew
    for each file, part by part.
    """

    text: Text
    reference: Path
    facts: ArtifactFacts
    folder: Path
    threads: int

    def weigh(self, model: Path) -> Sums:
        """Return the divergence of a file from the reference, summed over each window, in nats."""
        parts = self.text.parts(self.facts)
        sums: list[float] = []
        for number, part in enumerate(parts):
            kept = self.folder / f"{self.text.id}-{number}.npy"
            try:
                sums += self._part(model, part, kept)
            finally:
                if len(parts) > 1:
                    kept.unlink(missing_ok=True)
        if not all(math.isfinite(total) for total in sums):
            raise SteelyardError(
                f"{model.name} computes log-probabilities that are no numbers on {self.text.name}",
                hint="the reference or this file overflows: weigh it with `steelyard sweep`",
            )
        return tuple(sums)

    def _part(self, model: Path, part: tuple[Passage, ...], ours: Path) -> list[float]:
        self.folder.mkdir(parents=True, exist_ok=True)
        tokens = passages.write(ours.with_suffix(".json"), part)
        if not ours.exists():
            self._score(self.reference, tokens, ours)
        theirs = self.folder / "candidate.npy"
        try:
            self._score(model, tokens, theirs)
            found = evaluate.compare(ours, theirs, passages.targets(part)).kld
        finally:
            theirs.unlink(missing_ok=True)
        ends = np.cumsum([window.scored for window in part])[:-1]
        return [float(some.sum()) for some in np.split(found, ends)]

    def _score(self, model: Path, tokens: Path, out: Path) -> None:
        evaluate.scored(
            model, tokens, out, context=WINDOW, threads=self.threads, log=out.with_suffix(".log")
        )


def read(name: str, text: str, model: Path, positions: int) -> Text:
    """Tokenise a text with a model and cut it; raise `BadInput` where it is too short."""
    tokens = tokenise(model, text)
    if len(tokens) < WINDOW:
        raise BadInput(
            f"{name} has {len(tokens)} tokens of this model, and a window takes {WINDOW}",
            hint="give a longer text",
        )
    cut = windows(tokens, positions, 1)
    return Text(name, hashlib.sha256(text.encode()).hexdigest(), tuple(cut))
