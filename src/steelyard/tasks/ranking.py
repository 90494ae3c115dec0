"""Rankings by vectors, and two rankings made one.

Vectors are compared by their cosine. Rankings are joined by reciprocal rank: a text gets
1 / (60 + its rank) from each. Source: G. Cormack, C. Clarke, S. Buettcher, "Reciprocal Rank Fusion
Outperforms Condorcet and Individual Rank Learning Methods" (SIGIR 2009). Not aware of what embeds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
_RRF: Final = 60


def unit_rows(vectors: Sequence[Sequence[float]]) -> Matrix:
    """Return vectors as rows of length 1; one of nothing but zeros stays as it is."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def nearest(rows: Matrix, question: Matrix) -> list[int]:
    """Return the places of all rows, the most alike to the question first, ties by place."""
    likeness = rows @ question
    return [int(at) for at in np.argsort(-likeness, kind="stable")]


def fused(*rankings: Sequence[int]) -> list[int]:
    """Return one ranking out of several, best first, ties by place."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, at in enumerate(ranking, 1):
            scores[at] += 1 / (_RRF + rank)
    return sorted(scores, key=lambda at: (-scores[at], at))
