"""The live view: a table on a terminal, a line every ten seconds elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from steelyard.cli.live import LiveScreen
from steelyard.domain.progress import Advanced, Gauges, Noted, PhaseEnded, PhaseStarted

COLUMNS = "load done in flight per s first bytes gap errors read late sent late"
SHOW = """
import time
from steelyard.cli.live import LiveScreen
from steelyard.domain.progress import Gauges, Noted, PhaseStarted
def gauges(name, done, failed=0):
    return Gauges(name, 1.0, done + 2, done, failed, 2, 81.5, 10.25, 1500.0, 0.125, 0.5, 40)
with LiveScreen() as screen:
    screen.emit(PhaseStarted("bench", 40, "somebody"))
    for done in range(0, 41, 10):
        screen.emit(gauges("bench/p32/o8/c2", done))
        screen.emit(gauges("bench/p32/o8/c8", done, failed=3))
        time.sleep(0.05)
    screen.emit(Noted("[half] of it is done", warning=True))
"""


def gauges(done: int = 20, planned: int | None = 40, name: str = "bench/p32/o8/c2") -> Gauges:
    return Gauges(
        name=name,
        elapsed_s=1.0,
        sent=done + 2,
        done=done,
        failed=1,
        in_flight=2,
        per_s=81.54,
        first_ms=10.25,
        gap_ms=None,
        late_ms=0.125,
        behind_ms=2500.0,
        planned=planned,
    )


def on_a_terminal(code: str, *, plain: bool = True) -> str:
    """Run code whose standard error is a terminal; return what it wrote, `plain` without codes."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160"}
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                return
            if not piece:
                return
            shown.extend(piece)

    reader = threading.Thread(target=read)
    with subprocess.Popen([sys.executable, "-c", code], env=env, stderr=theirs) as child:
        os.close(theirs)
        reader.start()
        assert child.wait(timeout=60) == 0
    reader.join()
    os.close(ours)
    text = shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text) if plain else text


def test_a_terminal_shows_a_table_with_a_row_for_each_load() -> None:
    shown = on_a_terminal(SHOW)
    lines = [" ".join(line.split()) for line in shown.replace("\r", "\n").split("\n")]
    assert COLUMNS in lines
    assert "c2 40/40 2 81.5 10.2 ms 1.5 s 0 0.125 ms 0.5 ms" in lines
    assert "c8 40/40 2 81.5 10.2 ms 1.5 s 3 0.125 ms 0.5 ms" in lines
    assert "! [half] of it is done" in lines
    assert shown.count("! [half]") == 1


def test_elsewhere_a_line_comes_at_most_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with LiveScreen() as screen:
        for done in range(50):
            screen.emit(gauges(done))
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line == (
        "  load c2 · done 0/40 · in flight 2 · per s 81.5 · first bytes 10.2 ms · gap — · errors 1"
        " · read late 0.125 ms · sent late 2.5 s"
    )


def test_a_load_that_ends_by_time_shows_no_total(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveScreen() as screen:
        screen.emit(gauges(7, planned=None))
    assert "done 7 · in flight" in capsys.readouterr().err


def test_a_quiet_screen_shows_notes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveScreen(quiet=True) as screen:
        screen.emit(PhaseStarted("calibrating", None, ""))
        screen.emit(gauges())
        screen.emit(PhaseEnded("calibrating", 3.0))
        screen.emit(Noted("kept"))
        screen.emit(Noted("not kept", warning=True))
    assert capsys.readouterr().err == "kept\n! not kept\n"


def test_other_phases_show_as_everywhere_and_the_benchs_own_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with LiveScreen() as screen:
        screen.emit(PhaseStarted("hashing", 10, "a.gguf"))
        screen.emit(Advanced("hashing", 5))
        screen.emit(PhaseEnded("hashing", 4.0))
        screen.emit(PhaseStarted("bench", 10, "a server"))
        screen.emit(PhaseEnded("bench", 4.0))
    assert capsys.readouterr().err == "  hashing: a.gguf (4.0 s)\n"


def test_the_screen_is_given_back_when_a_load_breaks_off() -> None:
    broken = SHOW.replace("    screen.emit(Noted", "    raise SystemExit(0)\n    screen.emit(Noted")
    raw = on_a_terminal(broken, plain=False)
    hidden, shown = raw.rfind("\x1b[?25l"), raw.rfind("\x1b[?25h")
    assert 0 <= hidden < shown  # the cursor is back
