"""How often at least one of k samples is right, estimated from n of which c were.

Not aware of what was sampled. Source: M. Chen et al., Evaluating Large Language Models Trained on
Code, arXiv 2107.03374, section 2.1: the estimator without bias; 1 - (1 - c/n)^k is too low.
"""

from __future__ import annotations

import math


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return 1 - C(n - c, k) / C(n, k), for 0 <= c <= n and 1 <= k <= n."""
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"of {n} samples {c} are right, and {k} are drawn: that cannot be")
    return 1 - math.comb(n - c, k) / math.comb(n, k)
