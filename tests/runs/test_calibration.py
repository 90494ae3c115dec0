"""The client's own error: a small positive bound, or the reason why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.domain.progress import Progress
from steelyard.domain.reading import Measured, Missing
from steelyard.runs import calibration


def test_the_bound_of_this_machine_is_small_and_positive(tmp_path: Path) -> None:
    told: list[Progress] = []
    found = calibration.calibrate(tmp_path / "calibration", told.append)
    for reading in (found.ttft_error_s, found.gap_error_s):
        assert isinstance(reading, Measured), reading
        # A busy machine may be ten times worse than a quiet one; a wrong clock is far worse.
        assert 0 < reading.value < 0.1


def test_it_can_be_done_again_in_the_same_folder(tmp_path: Path) -> None:
    told: list[Progress] = []
    (tmp_path / "spool.bin").write_bytes(b"left by a kill")
    assert isinstance(calibration.calibrate(tmp_path, told.append).ttft_error_s, Measured)


def test_the_bound_is_the_99th_percentile_of_the_sizes() -> None:
    errors = [*range(-500, 500), *range(-500, 500)]
    found = calibration._bound(errors)
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(495e-9)


def test_fewer_than_a_hundred_samples_give_no_bound() -> None:
    found = calibration._bound([1000] * 99)
    assert isinstance(found, Missing)
    assert found.code == "too_few_samples"
    assert "99 of 100" in str(found)
    assert calibration._bound([1000] * 100) == Measured(1e-6, "client")
