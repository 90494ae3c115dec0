"""The journal: what is written is read back, and a torn tail is dropped."""

from __future__ import annotations

import pytest

from steelyard.campaigns.events import (
    BudgetSpent,
    Calibrated,
    CanaryBlocked,
    CanaryPassed,
    CellFailed,
    CellFinished,
    CellStarted,
    EngineProven,
    Event,
    FidelityFailed,
    FidelityMeasured,
    Interrupted,
    Resumed,
    Started,
    Summarised,
)
from steelyard.campaigns.journal import line_of, read
from steelyard.domain.errors import StoreError

ONE_OF_EACH: tuple[Event, ...] = (
    Started("c", "p", 60.0),
    Resumed(),
    Calibrated(1.5),
    Calibrated(0.1, failure="the port was taken"),
    EngineProven(passed=True, found="512 of 512", seconds=3.0),
    CanaryPassed("r0", 2.0),
    CanaryBlocked("r0", ("texts differ",), ("close other programs",), 2.0),
    CellStarted("r1"),
    CellFinished("r1", "completed", "POLLUTED", 4.0, ("SWAPPING",)),
    CellFailed("r2", "the engine ended with code 139", 1.0, engine_died=True),
    FidelityMeasured("Q4_K_M", 5.0),
    FidelityFailed("Q2_K", "no room", 0.0),
    BudgetSpent(),
    Interrupted(),
    Summarised(qualified=True, measured=True),
)
WHOLE = b"".join(line_of(event) for event in ONE_OF_EACH)


def test_every_event_is_read_back_as_it_was() -> None:
    found = read(WHOLE)
    assert found.events == ONE_OF_EACH
    assert found.good_bytes == len(WHOLE)
    assert found.dropped is None


def test_a_journal_cut_at_any_byte_gives_the_events_before_the_cut() -> None:
    for cut in range(len(WHOLE) + 1):
        found = read(WHOLE[:cut])
        assert found.events == ONE_OF_EACH[: len(found.events)]
        assert found.good_bytes == WHOLE.rfind(b"\n", 0, cut) + 1
        assert (found.dropped is None) == (found.good_bytes == cut)


def test_an_unknown_last_line_is_dropped_and_said() -> None:
    found = read(WHOLE + b'{"kind":"from_the_future"}\n')
    assert found.events == ONE_OF_EACH
    assert found.good_bytes == len(WHOLE)
    assert found.dropped is not None


def test_a_damaged_line_in_the_middle_is_not_guessed_over() -> None:
    lines = WHOLE.split(b"\n")
    lines[3] = b'{"kind":"cell_fin'
    with pytest.raises(StoreError, match="journal line 4 is not JSON"):
        read(b"\n".join(lines))


def test_a_damaged_line_before_a_torn_one_is_not_guessed_over() -> None:
    with pytest.raises(StoreError, match="journal line 2"):
        read(line_of(Resumed()) + b"\x00\x00\n{")
