"""The client's own error: small and positive bounds, what counts as one, and whether they hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests import unhurried

from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import EngineError
from steelyard.domain.instrument import Instrument
from steelyard.domain.progress import Advanced, PhaseStarted, Progress
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import Exchange
from steelyard.runs import calibration
from steelyard.runs.calibration import Trial, _Load
from steelyard.scripted.truth import Truth

MS = 1_000_000
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "certify.py"
# A token a send, 10 ms apart from 20 ms on; the request was received at 1 ms.
SENT = tuple((20 + 10 * number) * MS for number in range(4))


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    chunk = {"id": "scripted-7", "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


EVENTS = [event(" one"), event(" one"), event(" one"), event(" one", "length")]
ENDS = tuple(sum(map(len, EVENTS[: number + 1])) for number in range(4))
KNOWN = {7: Truth(7, 1 * MS, 1 * MS, 1, SENT, ENDS, (1, 1, 1, 1), ())}


def exchange(
    reads: list[tuple[float, int, float]], *, sent_ms: float = 1.0, failure: str | None = None
) -> Exchange:
    """Return what a client stamped: (moment, events read by then, when last seen empty)."""
    return Exchange(
        *("a", round(sent_ms * MS), round(sent_ms * MS), 60 * MS, 200),
        arrivals_ns=[round(at_ms * MS) for at_ms, _, _ in reads],
        ends=[ENDS[count - 1] for _, count, _ in reads],
        body=b"".join(EVENTS),
        failure=failure,
        stamps="kernel",
        drained_ns=[round(empty_ms * MS) for _, _, empty_ms in reads],
        handed_ns=round(sent_ms * MS),
        segments=4,
    )


@pytest.fixture
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    unhurried.calibration_has_time(monkeypatch)


@pytest.mark.usefixtures("_unhurried")
def test_the_bounds_of_this_machine_are_small_and_positive(tmp_path: Path) -> None:
    told: list[Progress] = []
    (tmp_path / "spool.bin").write_bytes(b"left by a kill")
    found = calibration.measure(tmp_path, told.append)
    instrument = found.instrument
    for reading in (instrument.ttft_error_s, instrument.gap_error_s, instrument.lateness_s):
        assert isinstance(reading, Measured), reading
        # A busy machine may be a thousand times worse than a quiet one; a wrong clock is far worse.
        assert 0 < reading.value < 1
    assert instrument.streams == 8
    assert instrument.samples == sum(trial.samples for trial in found.trials) > 3_000
    assert [trial.ttft_error_s for trial in found.trials].count(instrument.ttft_error_s) >= 1
    total = next(event.total for event in told if isinstance(event, PhaseStarted))
    assert max(event.done for event in told if isinstance(event, Advanced)) == total


def test_bounds_come_back_from_a_file_as_they_went() -> None:
    found = Instrument(
        *(Measured(2e-5, "client"), Measured(1e-5, "client"), Missing("too_few_samples", "3")),
        *("kernel", 8, 3536),
    )
    assert decode(Instrument, encode(found), source="x") == found


def test_a_late_stamp_is_an_error_of_its_size() -> None:
    late = exchange([(20, 1, 19), (32.5, 2, 32.4), (40, 3, 39), (50, 4, 49)])
    found = calibration.compare(late, KNOWN)
    assert found is not None
    assert (found.ttft_s, found.ttft_beyond_s) == pytest.approx((0, 0))
    assert found.gaps_s == pytest.approx((0.0025, -0.0025, 0))
    assert found.gaps_beyond_s == pytest.approx((0.0025, 0.0025, 0))


def test_what_was_read_together_is_off_and_yet_within_its_range() -> None:
    together = exchange([(40, 3, 18), (50, 4, 49)])
    found = calibration.compare(together, KNOWN)
    assert found is not None
    assert found.ttft_s == pytest.approx(0.02)
    assert found.gaps_s == pytest.approx((-0.01, -0.01, 0))
    assert (found.ttft_beyond_s, *found.gaps_beyond_s) == pytest.approx((0, 0, 0, 0))


def test_a_range_that_begins_too_late_does_not_hide_an_error() -> None:
    found = calibration.compare(exchange([(40, 3, 39.5), (50, 4, 49)]), KNOWN)
    assert found is not None
    assert found.ttft_beyond_s == pytest.approx(0.0195)


def test_a_slow_write_is_an_error_of_the_first_token() -> None:
    reads: list[tuple[float, int, float]] = [(20, 1, 19), (30, 2, 29), (40, 3, 39), (50, 4, 49)]
    found = calibration.compare(exchange(reads, sent_ms=0.7), KNOWN)
    assert found is not None
    assert (found.ttft_s, found.ttft_beyond_s) == pytest.approx((0.0003, 0.0003))
    assert found.gaps_s == pytest.approx((0, 0, 0))


def test_what_failed_or_is_not_in_the_log_is_not_compared() -> None:
    reads: list[tuple[float, int, float]] = [(20, 1, 19), (30, 2, 29), (40, 3, 39), (50, 4, 49)]
    assert calibration.compare(exchange(reads, failure="stalled"), KNOWN) is None
    assert calibration.compare(exchange(reads), {}) is None


def test_the_bound_is_the_99th_percentile_of_the_sizes() -> None:
    errors = [*range(-500, 500), *range(-500, 500)]
    found = calibration._bound("load", errors)
    assert isinstance(found, Measured)
    assert found.value == 495


def test_fewer_than_a_hundred_samples_give_no_bound() -> None:
    found = calibration._bound("one stream", [1.0] * 99)
    assert isinstance(found, Missing)
    assert found.code == "too_few_samples"
    assert str(found) == "99 of 100 samples came back (one stream)"
    assert calibration._bound("one stream", [1.0] * 100) == Measured(1.0, "client")


def test_requests_that_were_lost_stand_above_all_errors_that_are_known() -> None:
    errors = [float(number) for number in range(103)]
    assert calibration._bound("load", errors, 1, "deadline") == Measured(102, "client")
    lost = calibration._bound("load", errors, 3, "deadline")
    assert lost == Missing("requests_lost", "3 of 106 were lost (load): deadline")


def test_a_trial_that_lost_requests_says_so_in_place_of_a_bound() -> None:
    load = _Load("load", 1, 102, tokens=4, ttft_ms=1.0, gap_ms=1.0, every_ns=MS)
    reads: list[tuple[float, int, float]] = [(20, 1, 19), (30, 2, 29), (40, 3, 39), (50, 4, 49)]
    good = exchange(reads)
    late = replace(exchange(reads[:2], failure="deadline"), body=EVENTS[0] + EVENTS[1])
    whole = calibration._trial(load, [good] * 102, KNOWN)
    assert whole.ttft_error_s == whole.lateness_s == Measured(0, "client")
    some = calibration._trial(load, [good] * 100 + [late] * 2, KNOWN)
    for reading in (some.ttft_error_s, some.gap_error_s, some.lateness_s):
        assert isinstance(reading, Missing)
        assert str(reading).endswith("(load): deadline")
    strange = calibration._trial(load, [good] * 100 + [replace(good, id="b", body=b"")] * 2, KNOWN)
    assert "other than the server's log" in str(strange.ttft_error_s)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_worst_trial_counts(order: tuple[int, ...]) -> None:
    bounds: list[Reading[float]] = [Measured(value, "client") for value in (0.1, 0.2, 0.3)]
    trials = [Trial("a", 9, bounds[0], bounds[0], bounds[n], bounds[0]) for n in order]
    assert calibration.worst(trials, lambda trial: trial.ttft_error_s) == bounds[2]
    trials.insert(1, Trial("b", 9, bounds[0], bounds[0], Missing("too_few_samples"), bounds[0]))
    assert calibration.worst(trials, lambda trial: trial.ttft_error_s) == Missing("too_few_samples")


@pytest.mark.usefixtures("_unhurried")
def test_a_server_that_does_not_start_is_named_with_its_words(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match="did not start: .*--tokens is at least 1") as caught,
        calibration.pacer(tmp_path, tmp_path / "truth", "--tokens", "0"),
    ):
        pass
    assert caught.value.hint


@pytest.mark.full
def test_bounds_cover_the_truth_and_disturbed_runs_are_flagged() -> None:
    words = [sys.executable, str(BENCHMARK), "--runs", "20", "--seed", "3"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode in (0, 1), ended.stderr

    def share(name: str) -> float:
        hits, of = re.findall(rf"^{name} +(\d+) of (\d+)", ended.stdout, re.MULTILINE)[0]
        return int(hits) / int(of)

    # One miss of twenty is within what chance allows a bound of 95 %.
    assert share("covered, both, clean") >= 0.9, ended.stdout
    assert share("covered, both, disturbed") >= 0.9, ended.stdout
    assert share("flagged, of the disturbed beyond") >= 0.9, ended.stdout
