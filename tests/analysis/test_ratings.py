"""Ratings: the catalogue's bands, a board's degrees, and what the user sets."""

from dataclasses import replace

import pytest

from steelyard.analysis.ratings import is_board, rated_metrics
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.run import Device

SERVER = Device("Debian 12", "Xeon", 64, 256 << 30, "x86_64")
BOARD = Device("Debian 12", "Raspberry Pi 5", 4, 8 << 30, "aarch64")


@pytest.mark.parametrize(
    ("tps", "band"),
    [
        (31, "excellent"),
        (30, "excellent"),
        (20, "good"),
        (10, "acceptable"),
        (5, "poor"),
        (4, "failed"),
    ],
)
def test_a_limit_belongs_to_the_better_band(tps: float, band: str) -> None:
    assert rated_metrics(SERVER)["output_tps"].band(tps) == band


def test_degrees_are_rated_on_boards_only() -> None:
    assert rated_metrics(SERVER)["cpu_temperature_max_c"].band(95) is None
    assert rated_metrics(BOARD)["cpu_temperature_max_c"].band(82) == "acceptable"
    assert rated_metrics(BOARD)["cpu_temperature_max_c"].band(95) == "failed"


def test_a_large_or_foreign_machine_is_no_board() -> None:
    assert is_board(BOARD)
    assert not is_board(SERVER)
    assert not is_board(replace(BOARD, cores=80))
    assert not is_board(replace(BOARD, memory_bytes=64 << 30))


def test_the_users_limits_replace_the_catalogues() -> None:
    mine = rated_metrics(BOARD, {"ttft_s": (0.1, 0.2, 0.3, 0.4), "tpot_s": (1.0, 2.0, 3.0, 4.0)})
    assert mine["ttft_s"].band(0.35) == "poor"
    assert mine["tpot_s"].band(0.5) == "excellent"
    assert mine["output_tps"].band(31) == "excellent"


def test_limits_of_an_unknown_metric_are_refused() -> None:
    with pytest.raises(UnknownName, match="'output_tp'") as caught:
        rated_metrics(SERVER, {"output_tp": (4.0, 3.0, 2.0, 1.0)})
    assert "output_tps" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("output_tps", (1.0, 2.0, 3.0, 4.0)),
        ("ttft_s", (4.0, 3.0, 2.0, 1.0)),
        ("client_engine_ratio", (1.0, 2.0, 3.0, 4.0)),
    ],
)
def test_limits_that_run_the_wrong_way_are_refused(
    name: str, limits: tuple[float, float, float, float]
) -> None:
    with pytest.raises(BadInput, match=name) as caught:
        rated_metrics(SERVER, {name: limits})
    assert caught.value.hint
