"""The divergence of a subject from a reference of which only a pack is here.

With r = q / p, KL(p || q) is the sum of p (r - 1 - log r) over the vocabulary, since both sum to
one; each term is at least nothing and flat around r = 1, so that rounding hardly shows in it. Over
the rest of the vocabulary it is the mass of the rest times the mean over tokens drawn from it,
which is free of bias (J. Schulman, Approximating KL divergence, 2020, the estimator k3). Where
probabilities outside a list are not told, all that is not compared token by token is one bin, and
by the log sum inequality the result is a lower bound. Not aware of models or servers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.stats.means import batch_means
from steelyard.stats.quantiles import quantile_estimate
from steelyard.store.packs import Floats, Rows, coded

_LEAST: Final = 1e-12  # what is left of one where the told probabilities sum to one


@final
@dataclass(frozen=True, slots=True)
class Told:
    """One position as a server told it: nats; masses of the reference, and what is in a half.

    `rest` is the reference's probability in the bin. `half_mass` and `half_divergence` are those of
    the less likely half of the tokens that were compared one by one.
    """

    divergence: float
    same_top: bool
    rest: float
    half_mass: float
    half_divergence: float


def condense(logprobs: Floats, top: int, drawn: int, draws: np.random.Generator) -> Rows:
    """Keep of (positions, vocabulary) log-probabilities the top and a systematic draw of the rest.

    Systematic: one random start, equal steps of probability; every token of the rest is met in
    proportion to its own.
    """
    positions = np.arange(len(logprobs))[:, None]
    # Of equals the first comes first, as for whoever asks for the largest.
    part = np.sort(np.argpartition(-logprobs, top - 1, axis=1)[:, :top], axis=1)
    order = np.argsort(-logprobs[positions, part], axis=1, kind="stable")
    ids = part[positions, order]
    rest = np.exp(logprobs)
    rest[positions, ids] = 0.0
    tail = rest.sum(axis=1)
    starts = (np.arange(drawn) + draws.random((len(logprobs), 1))) / drawn
    found = np.empty((len(logprobs), drawn), np.uint32)
    for number, row in enumerate(rest):
        upto = np.cumsum(row)
        at = np.searchsorted(upto, starts[number] * upto[-1], side="right")
        # A step that rounding puts behind the end is at the last token that has any probability.
        found[number] = np.minimum(at, int(np.searchsorted(upto, upto[-1])))
    return Rows(
        ids.astype(np.uint32),
        coded(logprobs[positions, ids]),
        found,
        coded(logprobs[positions, found]),
        tail.astype(np.float32),
    )


def known(rows: Rows, top: Floats, drawn: Floats) -> Floats:
    """Return the divergence at each position of a subject's log-probabilities of the same tokens.

    `top` is (positions, top) and `drawn` (positions, drawn), natural logarithms.
    """
    ours = rows.top
    inside = (np.exp(ours) * _excess(top - ours)).sum(axis=1)
    found: Floats = inside + rows.tail * _excess(drawn - rows.drawn).mean(axis=1)
    return found


def told(rows: Rows, at: int, answer: Sequence[tuple[int, float]]) -> Told:
    """Compare one position with a server's most probable tokens, the rest in one bin."""
    theirs = dict(answer)
    row = rows.cut(at, at + 1)
    ids, ours = row.ids[0].tolist(), row.top[0]
    there = np.array([token in theirs for token in ids])
    q = np.array([theirs.get(token, 0.0) for token in ids])
    p = np.exp(ours)
    terms = np.where(there, p * _excess(q - ours), 0.0)
    rest = float(row.tail[0]) + float(p[~there].sum())
    left = max(_LEAST, 1.0 - float(np.exp(q[there]).sum()))
    seen = np.flatnonzero(there)
    half = seen[len(seen) // 2 :]
    bin_ = rest * float(_excess(np.log(left / rest))) if rest > 0 else left
    return Told(
        divergence=float(terms.sum()) + bin_,
        same_top=ids[0] == max(theirs, key=theirs.__getitem__),
        rest=rest,
        half_mass=float(p[half].sum()),
        half_divergence=float(terms[half].sum()),
    )


def left_out(found: Sequence[Told]) -> Reading[float]:
    """Allow for what one bin hides, in nats: for its mass twice what the less likely half shows.

    No bound: a token that is not told may have next to no probability. Twice, since what is told is
    what the subject gives much to, so that what it gives too little to is missing in that half.
    """
    mass = sum(one.half_mass for one in found)
    if mass <= 0:
        return Missing("nothing_compared", "no token of the reference's was among those told")
    rest = sum(one.rest for one in found) / len(found)
    return Measured(2 * rest * sum(one.half_divergence for one in found) / mass, "estimated")


def figures(divergence: Sequence[float], same_top: Sequence[bool]) -> Mapping[str, Estimate]:
    """Return mean, tail and same-top share, named as in `domain.pack.PackCheck`."""
    return {
        "divergence": batch_means(divergence),
        "p99": quantile_estimate(divergence, 0.99),
        "p999": quantile_estimate(divergence, 0.999),
        "same_top": batch_means([float(same) for same in same_top]),
    }


def _excess(log_ratio: npt.NDArray[np.float64] | np.float64) -> Floats:
    """Return r - 1 - log r."""
    found: Floats = np.expm1(log_ratio) - log_ratio
    return found
