"""Signals to optimise by once the gates are met: spread of latency, retries, loss per GiB saved.

Never a gate. `vibe_delta` is the paired loss of right answers per GiB that the file is smaller
than the reference's: negative where a smaller file answered better. Not aware of verdicts: a loss
within noise gives a small number, and the verdict beside it says that it is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import BaselineStatus, Optimisation
from steelyard.stats.means import variance

_GIB: Final = 1024**3
_PAIR: Final = 2


def signals(
    latencies_s: Sequence[float],
    retries: int,
    loss: Reading[float],
    saved_bytes: Reading[int],
    status: BaselineStatus = "OK",
) -> Optimisation:
    """Return the signals of one variant; `status` says what its loss was compared with."""
    return Optimisation(
        latency_variance_s2=latency_variance(latencies_s),
        retries=retries,
        vibe_delta=vibe_delta(loss, saved_bytes, status),
        status=status,
    )


def latency_variance(latencies_s: Sequence[float]) -> Reading[float]:
    """Return the sample variance of whole-request times, in seconds squared."""
    if len(latencies_s) < _PAIR:
        return Missing("too_few_samples", f"a variance takes 2 requests; {len(latencies_s)} ended")
    return Measured(variance(latencies_s), "derived")


def vibe_delta(
    loss: Reading[float], saved_bytes: Reading[int], status: BaselineStatus
) -> Reading[float]:
    """Return the share of right answers lost per GiB saved, or why there is none."""
    if status != "OK":
        return Missing(status.lower(), "there is no comparable reference to lose against")
    if isinstance(loss, Missing):
        return loss
    if isinstance(saved_bytes, Missing):
        return saved_bytes
    if saved_bytes.value <= 0:
        return Missing("nothing_saved", "the file is no smaller than the reference's")
    return Measured(loss.value / (saved_bytes.value / _GIB), "derived")
