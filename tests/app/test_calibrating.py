"""The instrument is calibrated once, kept, and calibrated anew when it may no longer hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests import unhurried

from steelyard.app import calibrating
from steelyard.app.calibrating import Circumstances, Kept
from steelyard.domain.codec import decode
from steelyard.domain.instrument import Instrument
from steelyard.domain.progress import Noted, PhaseStarted, Progress
from steelyard.domain.reading import Measured, Missing
from steelyard.runs.calibration import Found, Trial

HERE = Circumstances("device", "boot", "6.1", "3.11.7", "0.1")
HOUR_NS = 3600 * 10**9
SMALL, SMALLER = Measured(0.00004, "client"), Measured(0.00001, "client")
FOUND = Found(
    Instrument(SMALL, SMALLER, Measured(0.0001, "client"), "kernel", 8, 3_536),
    (
        Trial("one stream", 312, SMALL, SMALL, SMALLER, SMALLER),
        Trial("four streams", 312, Measured(0.0002, "client"), SMALL, SMALL, SMALLER),
    ),
)
KEPT = Kept(FOUND, HERE, "2026-11-21T00:00:00+00:00", 5 * HOUR_NS)


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    unhurried.calibration_has_time(monkeypatch)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def calibrations(told: list[Progress]) -> int:
    return sum(isinstance(event, PhaseStarted) for event in told)


def test_it_is_calibrated_once_and_anew_when_asked(home: Path) -> None:
    told: list[Progress] = []
    first = calibrating.instrument(told.append)
    assert calibrating.instrument(told.append) == first
    assert calibrations(told) == 1
    kept = decode(Kept, (home / "instrument.json").read_text(), source="x")
    assert kept.found.instrument == first
    again = calibrating.instrument(told.append, fresh=True)
    assert calibrations(told) == 2
    assert calibrating.instrument(told.append) == again
    assert calibrations(told) == 2


@pytest.mark.usefixtures("home")
def test_one_that_was_damaged_is_replaced_and_what_is_printed_is_what_is_kept() -> None:
    calibrating.path().parent.mkdir(parents=True)
    calibrating.path().write_text('{"found": {"trials": []')
    told: list[Progress] = []
    said = calibrating.calibrate_text(told.append, as_json=True)
    assert said.exit_code == 0
    assert calibrating.path().read_text() == said.text
    assert (
        calibrating.instrument(told.append) == decode(Kept, said.text, source="x").found.instrument
    )
    assert calibrations(told) == 1


def test_one_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path / "file" / "home"))
    told: list[Progress] = []
    found = calibrating.instrument(told.append)
    assert isinstance(found.ttft_error_s, Measured)
    (note,) = [event for event in told if isinstance(event, Noted)]
    assert note.warning
    assert "is not kept" in note.text


def test_it_holds_for_a_day() -> None:
    assert calibrating.holds(KEPT, HERE, KEPT.at_ns)
    assert calibrating.holds(KEPT, HERE, KEPT.at_ns + 24 * HOUR_NS - 1)
    assert not calibrating.holds(KEPT, HERE, KEPT.at_ns + 24 * HOUR_NS)
    assert not calibrating.holds(KEPT, HERE, KEPT.at_ns - 1)


@pytest.mark.parametrize("changed", ["device", "boot", "kernel", "python", "steelyard"])
def test_it_does_not_hold_when_something_changed(changed: str) -> None:
    assert not calibrating.holds(KEPT, replace(HERE, **{changed: "other"}), KEPT.at_ns)


def test_without_a_name_for_the_start_of_the_system_nothing_holds(tmp_path: Path) -> None:
    unnamed = calibrating.circumstances(tmp_path / "none")
    assert unnamed.boot == ""
    kept = replace(KEPT, circumstances=unnamed)
    assert not calibrating.holds(kept, unnamed, KEPT.at_ns)
    assert "nothing is kept" in calibrating.said(kept, as_json=False).text


def test_a_missing_bound_is_tried_again_and_ends_with_exit_code_3() -> None:
    few = Missing("too_few_samples", "12 of 100 samples came back (one stream)")
    kept = replace(
        KEPT, found=replace(FOUND, instrument=replace(FOUND.instrument, gap_error_s=few))
    )
    assert not calibrating.holds(kept, HERE, KEPT.at_ns)
    said = calibrating.said(kept, as_json=False)
    assert said.exit_code == 3
    assert "gaps         not known: 12 of 100 samples came back" in said.text


def test_the_bounds_are_told_in_words() -> None:
    said = calibrating.said(KEPT, as_json=False)
    assert said.exit_code == 0
    for words in (
        "first token  0.040 ms  (at its worst with four streams)",
        "gaps         0.010 ms  (at its worst with one stream)",
        "sent late    0.100 ms",
        "the kernel's",
        "3,536 comparisons with the truth, up to 8 streams",
        "for 24 hours",
        "four streams             first token 0.200 ms, gaps 0.040 ms",
    ):
        assert words in said.text, said.text
