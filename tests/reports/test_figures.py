"""Numbers as people read them."""

from __future__ import annotations

import pytest

from steelyard.domain.reading import Measured, Missing
from steelyard.reports import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00012, "120 µs"), (0.031, "31 ms"), (4.25, "4.2 s"), (441, "7 min 21 s"),
     (3599.6, "1 h 00 min"), (7384, "2 h 03 min")],
)  # fmt: skip
def test_a_duration_is_told_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00012345, "0.00012"), (0.0999, "0.10"), (9.96, "10"), (1234.0, "1,200"), (0.0, "0")],
)
def test_significant_digits_are_never_exponents(value: float, text: str) -> None:
    assert figures.significant(value, 2) == text


def test_short_times_are_shown_in_milliseconds_for_the_whole_column() -> None:
    shown = figures.display("s", [0.07, 0.75], declared=None)
    assert (shown.unit, shown.text(0.07)) == ("ms", "70")


def test_a_declared_display_unit_wins() -> None:
    assert figures.display("s", [2.0], declared=("min", 1 / 60)).unit == "min"


def test_a_column_that_spans_magnitudes_keeps_the_digits_of_the_small_ones() -> None:
    shown = figures.display("nats", [0.00012, 0.0322], declared=None)
    assert shown.text(0.00012) == "0.00012"


def test_a_loss_has_its_sign_and_zero_has_none() -> None:
    assert figures.points(0.0108) == "+1.1"
    assert figures.points(-0.002) == "-0.2"
    assert figures.points(-0.0001) == "0.0"


def test_large_files_are_in_gigabytes() -> None:
    assert figures.size(4_920_000_000) == "4.92 GB"
    assert figures.size(11_353_738) == "11.4 MB"


def test_an_absence_is_a_dash_with_its_reason() -> None:
    assert figures.said(Missing("no_counter", "no counter"), figures.percent) == "— (no counter)"
    assert figures.said(Measured(0.5, "client"), figures.percent) == "50.0 %"
