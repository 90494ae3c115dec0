"""Signals after the gates: numbers or reasons."""

from __future__ import annotations

import pytest

from steelyard.analysis.optimisation import signals
from steelyard.domain.reading import Measured, Missing, Reading

GIB = 1024**3
LOSS: Reading[float] = Measured(0.03, "derived")
SAVED: Reading[int] = Measured(GIB, "derived")


def test_the_loss_is_divided_by_the_gigabytes_saved() -> None:
    found = signals([1.0, 2.0, 3.0], 2, LOSS, Measured(2 * GIB, "derived"))
    assert found.vibe_delta == Measured(0.015, "derived")
    assert found.latency_variance_s2 == Measured(1.0, "derived")
    assert (found.retries, found.status) == (2, "OK")


def test_a_gain_is_a_negative_loss() -> None:
    found = signals([1.0, 1.0], 0, Measured(-0.01, "derived"), SAVED)
    assert found.vibe_delta == Measured(-0.01, "derived")


@pytest.mark.parametrize(
    ("loss", "saved", "code"),
    [
        (LOSS, Measured(0, "derived"), "nothing_saved"),
        (Missing("no_paired_items"), SAVED, "no_paired_items"),
        (LOSS, Missing("not_here"), "not_here"),
    ],
)
def test_without_a_saving_or_a_loss_there_is_no_ratio(
    loss: Reading[float], saved: Reading[int], code: str
) -> None:
    found = signals([1.0], 0, loss, saved)
    assert isinstance(found.vibe_delta, Missing)
    assert found.vibe_delta.code == code
    assert isinstance(found.latency_variance_s2, Missing)


def test_without_a_reference_the_status_says_so() -> None:
    found = signals([], 0, LOSS, SAVED, "NO_BASELINE")
    assert found.status == "NO_BASELINE"
    assert isinstance(found.vibe_delta, Missing)
