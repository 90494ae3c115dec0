"""Experts that an importance matrix saw too rarely to know their columns.

A mixture sends each token to a few experts. One that a calibration text hardly reached has
importances that are noise, or none at all, and the quant of its weights goes by them. Not aware of
texts. The floors are ours: a tenth of the even share, and the tokens at which the mean of squares
of a column has a relative error of about a seventh (2/n for a normal input, square root).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from steelyard.models.imatrix import Imatrix

LEAST_SHARE: Final = 0.1  # of what each would get if all were chosen equally often
LEAST_TOKENS: Final = 100
_LAYER: Final = re.compile(r"^blk\.(\d+)\.")


@final
@dataclass(frozen=True, slots=True)
class RareExpert:
    """One expert of one layer: tokens that it saw, and its share of an even part (1 is even)."""

    layer: int
    expert: int
    tokens: int
    even_share: float


def rare(matrix: Imatrix) -> tuple[RareExpert, ...]:
    """Return the experts below either floor, by layer; the worst of an expert's tensors counts."""
    found: dict[tuple[int, int], RareExpert] = {}
    for name, statistic in matrix.statistics.items():
        layer, counts = _LAYER.match(name), statistic.counts
        if layer is None or counts.size < 2:  # noqa: PLR2004 -- one expert is no mixture
            continue
        even = float(counts.sum()) / counts.size
        for number, count in enumerate(counts.tolist()):
            share = count / even if even else 0.0
            if share >= LEAST_SHARE and count >= LEAST_TOKENS:
                continue
            one = RareExpert(int(layer[1]), number, int(count), share)
            known = found.get((one.layer, number))
            if known is None or one.tokens < known.tokens:
                found[one.layer, number] = one
    return tuple(found[key] for key in sorted(found))


def warnings(matrix: Imatrix, experts: int) -> tuple[str, ...]:
    """Say which experts of a model with so many the matrix knows too little of, a line a layer."""
    if not experts:
        return ()
    told = {n: s.counts.size for n, s in matrix.statistics.items() if "_exps." in n}
    if told and max(told.values()) < experts:
        return (
            f"{matrix.name} does not say how many tokens each expert saw (an older format): "
            "whether some were seen too rarely cannot be told",
        )
    if not told:
        return (f"{matrix.name} knows nothing of this model's {experts} experts",)
    layers: dict[int, list[RareExpert]] = {}
    for one in rare(matrix):
        layers.setdefault(one.layer, []).append(one)
    return tuple(
        f"{matrix.name} saw too little of {len(some)} of {experts} experts of layer {layer}: "
        + ", ".join(_said(one) for one in sorted(some, key=lambda one: one.tokens)[:8])
        + (", …" if len(some) > 8 else "")  # noqa: PLR2004
        for layer, some in sorted(layers.items())
    )


def _said(one: RareExpert) -> str:
    if not one.tokens:
        return f"expert {one.expert} never"
    return f"expert {one.expert} {one.tokens} tokens ({one.even_share:.0%} of an even share)"
