"""Durations as people write them, in seconds."""

from __future__ import annotations

import math

import pytest

from steelyard.domain import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45m", 2700.0), ("1h30m", 5400.0), (" 500MS ", 0.5), (".5s", 0.5), ("0s", 0.0)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert duration.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "m", "1h 30m", "-1s", "1h30"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration.seconds(text) is None


def test_more_than_a_number_holds_is_without_end() -> None:
    assert duration.seconds("9" * 400 + "h") == math.inf
