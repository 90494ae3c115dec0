"""Patterns matched in a process beside ours: what ends it, and whose answer is whose."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from steelyard.platform import matching


def child() -> int:
    """Return the process that matches."""
    assert matching.find("a", "a") == "a"
    held = matching._MATCHES._child
    assert held is not None
    return held.pid


def test_a_process_that_was_ended_is_started_again() -> None:
    before = child()
    os.kill(before, signal.SIGKILL)
    assert matching.find("b+", "abbc") == "bb"
    assert child() != before


def test_only_the_limit_is_called_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(matching.TooSlowError):
        matching.find("^(a+)+$", "a" * 40 + "!", cpu_s=0.1)
    monkeypatch.setattr(matching, "_MATCHER", matching._MATCHER.with_name("no_such.py"))
    with pytest.raises(RuntimeError, match="ended before"):
        matching.find("a", "a")


def test_an_interrupt_shifts_no_later_answer() -> None:
    matcher = psutil.Process(child())
    before_s = matcher.cpu_times().user

    def interrupt() -> None:
        """Interrupt once it is at work, for then we wait for it."""
        until = time.monotonic() + 60
        while matcher.cpu_times().user < before_s + 0.05 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        matching.find("^(a+)+$", "a" * 40 + "!")
    assert matching.find("x+", "axx") == "xx"
    assert matching.find("y", "axx") is None
