"""Several findings at once: Holm for verdicts, Bonferroni for bounds, false discoveries to explore.

Eight variants in six families, all truly equal, give a false "worse" in 76 % of campaigns
without a correction and in 2 % with Holm's. Not aware of what is tested. Sources: S. Holm,
Scandinavian Journal of Statistics 6 (1979) 65-70; O. J. Dunn, JASA 56 (1961) 52-64 (Bonferroni's
inequality for intervals); Y. Benjamini and Y. Hochberg, JRSS B 57 (1995) 289-300.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return adjusted p-values in the order given; reject where one is at most alpha."""
    count = len(p_values)
    adjusted = [1.0] * count
    running = 0.0
    for rank, index in enumerate(_ascending(p_values)):
        running = max(running, min(1.0, p_values[index] * (count - rank)))
        adjusted[index] = running
    return tuple(adjusted)


def holm_levels(p_values: Sequence[float], alpha: float) -> tuple[float, ...]:
    """Return the level at which Holm tests each hypothesis, in the order given.

    A bound taken at its level excludes the tested value exactly when Holm rejects, so table and
    verdict cannot contradict each other. Once one hypothesis stands, all later ones are tested at
    its level. The family-wise error of the *decisions* is `alpha`; for bounds that hold jointly
    whatever was tested, take `alpha / len(p_values)` (Bonferroni) for each.
    """
    count = len(p_values)
    levels = [alpha] * count
    standing: float | None = None
    for rank, index in enumerate(_ascending(p_values)):
        level = alpha / (count - rank)
        levels[index] = level if standing is None else standing
        if standing is None and p_values[index] > level:
            standing = level
    return tuple(levels)


def bonferroni(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return adjusted p-values in the order given: what the joint bounds exclude at `alpha`."""
    return tuple(min(1.0, p * len(p_values)) for p in p_values)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return q-values in the order given: of those at most q, a share of q is luck, on average.

    It holds for tests that are independent or rise and fall together. A way to look for what to
    ask next; no error of a decision is bounded by it.
    """
    count = len(p_values)
    adjusted = [1.0] * count
    running = 1.0
    for rank, index in reversed(list(enumerate(_ascending(p_values), start=1))):
        running = min(running, p_values[index] * count / rank)
        adjusted[index] = running
    return tuple(adjusted)


def _ascending(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=lambda index: p_values[index])
