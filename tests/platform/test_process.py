"""Children on a leash: nothing of them is left, however we or they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steelyard.platform import process

PYTHON = sys.executable
# A leader with one child of its own; both ids go to a file, then both sleep.
FAMILY = """
import os, pathlib, signal, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child}")
time.sleep(60)
"""
OURS = """
import pathlib, sys, time
from steelyard.platform import process
process.start(sys.argv[2:], log=pathlib.Path(sys.argv[1]))
print("up", flush=True)
time.sleep(60)
"""


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def eventually_gone(pids: list[int], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while any(running(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def ids(path: Path) -> list[int]:
    end = time.monotonic() + 10
    while not (path.exists() and len(path.read_text().split()) == 2):
        assert time.monotonic() < end, "the family did not start"
        time.sleep(0.01)
    return [int(word) for word in path.read_text().split()]


def test_stop_ends_the_whole_group(tmp_path: Path) -> None:
    child = process.start([PYTHON, "-c", FAMILY, str(tmp_path / "ids")], log=tmp_path / "log")
    family = ids(tmp_path / "ids")
    assert family[0] == child.pid
    assert child.stop() == -signal.SIGTERM
    assert eventually_gone(family)


def test_a_stubborn_group_is_killed_after_the_grace(tmp_path: Path) -> None:
    words = [PYTHON, "-c", FAMILY, str(tmp_path / "ids"), "stubborn"]
    child = process.start(words, log=tmp_path / "log")
    family = ids(tmp_path / "ids")
    assert child.stop(grace_s=0.1) == -signal.SIGKILL
    assert eventually_gone(family)


def test_when_the_leader_crashes_its_children_go_too(tmp_path: Path) -> None:
    with process.start([PYTHON, "-c", FAMILY, str(tmp_path / "ids")], log=tmp_path / "log"):
        leader, child = ids(tmp_path / "ids")
        os.kill(leader, signal.SIGKILL)
        assert eventually_gone([child])


def test_nothing_outlives_our_own_sigkill(tmp_path: Path) -> None:
    words = [PYTHON, "-c", OURS, str(tmp_path / "log"), PYTHON, "-c", FAMILY, str(tmp_path / "ids")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as ours:
        family = ids(tmp_path / "ids")
        ours.kill()
        ours.wait()
        assert eventually_gone(family)


def test_a_program_that_does_not_exist_says_so_in_the_log(tmp_path: Path) -> None:
    with process.start(["/no/such/engine"], log=tmp_path / "log") as child:
        assert child.wait(10) == 127
    assert "cannot start /no/such/engine: No such file" in (tmp_path / "log").read_text()


def test_affinity_holds_from_the_first_instruction(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    show = "import os; print(sorted(os.sched_getaffinity(0)))"
    with process.start([PYTHON, "-c", show], log=tmp_path / "log", affinity=[core]) as child:
        assert child.wait(10) == 0
    assert (tmp_path / "log").read_text().strip() == f"[{core}]"


def test_the_watcher_is_no_part_of_the_tree_and_ends_with_it(tmp_path: Path) -> None:
    words = [PYTHON, "-c", "import time; time.sleep(60)", str(tmp_path)]
    with process.start(words, log=tmp_path / "log") as child:
        until, line = time.monotonic() + 10, "\0".join([*words, ""]).encode()
        while Path(f"/proc/{child.pid}/cmdline").read_bytes() != line:
            assert time.monotonic() < until, "it never became the program"
            time.sleep(0.01)
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text()
        assert children.strip() == ""
        watchers = [pid for pid in mentioning(tmp_path) if pid != child.pid]
        assert len(watchers) == 1
    assert eventually_gone(watchers)


@pytest.mark.parametrize("end", ["by itself", "stopped", "killed with us"])
def test_what_a_program_has_had_others_start_is_removed_however_it_ends(
    tmp_path: Path, end: str
) -> None:
    left = tmp_path / "left by the daemon"
    left.touch()
    then = ["rm", str(left)]
    up = tmp_path / "up"
    sleep_s = 0.1 if end == "by itself" else 60
    code = f"import time, pathlib; pathlib.Path({str(up)!r}).touch(); time.sleep({sleep_s})"
    words = [PYTHON, "-c", code]
    if end == "killed with us":
        code = (
            "import sys, time, pathlib; from steelyard.platform import process;"
            f"process.start({words!r}, log=pathlib.Path({str(tmp_path / 'log')!r}),"
            f" afterwards={then!r}); print('up', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE) as ours:
            assert ours.stdout is not None
            ours.stdout.readline()
            assert _comes(up)
            assert left.exists()
            ours.kill()
    else:
        with process.start(words, log=tmp_path / "log", afterwards=then) as child:
            assert _comes(up)
            assert left.exists() or end == "by itself"
            if end == "by itself":
                child.wait(10)
    assert _comes(left, gone=True)


def _comes(path: Path, *, gone: bool = False) -> bool:
    """Wait until a file is there, or is not."""
    until = time.monotonic() + 10
    while path.exists() is gone and time.monotonic() < until:
        time.sleep(0.02)
    return path.exists() is not gone


def mentioning(path: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if str(path).encode() in words:
            found.append(int(entry.parent.name))
    return found
