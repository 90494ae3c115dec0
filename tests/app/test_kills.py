"""Kills at any moment: a resume ends in the same decision, and nothing of ours is left running."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.app import stage
from tests.app.stage import Stage

from steelyard.loadgen import spool
from steelyard.runs.bench import Key

ITEMS = 25
FAST = ("--items", str(ITEMS), "--repeats", "1", "--quants", "Q4_K_M,Q2_K", "--include-polluted")


def decision(out: Path) -> list[Any]:
    """Return what does not depend on the clock: picks that rest on marks, verdicts, counts."""
    summary = json.loads((out / "sweep_summary.json").read_text())
    minimum = [p["label"] for p in summary["recommendation"] if p["name"].startswith("minimum")]
    marks = [
        (r["variant"]["label"], r["role"], r["marks"]["right"], r["marks"]["wrong"])
        for r in summary["per_quant"]
    ]
    verdicts = [
        r["verdict"]["value"]["name"] for r in summary["per_quant"] if "value" in r["verdict"]
    ]
    return [minimum, marks, verdicts]


def words(made: Stage, out: Path) -> tuple[str, ...]:
    """Return what a user types: go on where a sweep has begun, else begin it."""
    begun = (out / "request.json").exists()
    what = ("--resume", "--include-polluted") if begun else (f"{made.ladder}@scripted", *FAST)
    return (*what, "--out", str(out))


def killed_after(made: Stage, out: Path, delay_s: float, number: signal.Signals) -> bool:
    """Start or resume the sweep, kill it after a while; return whether it had ended before."""
    child = subprocess.Popen(
        made.argv("sweep", *words(made, out)),
        env=made.env,
        cwd=made.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        child.wait(delay_s)
    except subprocess.TimeoutExpired:
        family = stage.children_of(child.pid)
        child.send_signal(number)
        child.wait(30)
        gone(family)
        return False
    return True


def gone(family: list[int]) -> None:
    """Wait until none of these processes is left, and fail if one is."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        left = [pid for pid in family if Path(f"/proc/{pid}/exe").exists() and _alive(pid)]
        if not left:
            return
        time.sleep(0.05)
    pytest.fail(f"still running: {left}")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_often(made: Stage, out: Path, kills: int, spread_s: float) -> int:
    """Kill the sweep at random points until it has been killed so often or has ended."""
    draw = random.Random(7)
    done = 0
    while done < kills:
        if killed_after(made, out, 0.5 + draw.random() * spread_s, signal.SIGKILL):
            break
        done += 1
    return done


def sent_twice(out: Path) -> list[str]:
    """Return the task requests that came whole more than once."""
    again = []
    for path in (out / "runs").glob("*/spool.bin"):
        whole = [Key.read(e.id) for e in spool.read(path) if e.failure is None]
        tasks = Counter((k.section, k.sample, k.ask) for k in whole if "/l" in k.section)
        again += [f"{path.parent.name} {key}" for key, count in tasks.items() if count > 1]
    return again


def kills_end_in_the_same_decision(tmp_path: Path, kills: int) -> None:
    made = stage.build(tmp_path, items=ITEMS)
    straight, broken = made.home / "straight", made.home / "broken"
    done = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(straight))
    assert done.returncode in (0, 1), done.stderr
    assert kill_often(made, broken, kills, spread_s=4.0) >= min(3, kills)
    last = made.run("sweep", *words(made, broken))
    assert last.returncode == done.returncode, last.stderr
    assert decision(broken) == decision(straight)
    assert sent_twice(broken) == []


def test_three_kills_end_in_the_same_decision(tmp_path: Path) -> None:
    kills_end_in_the_same_decision(tmp_path, 3)


def test_a_kill_between_a_record_and_its_line_in_the_journal_keeps_the_record(
    tmp_path: Path,
) -> None:
    made = stage.build(tmp_path, items=ITEMS)
    out = made.home / "out"
    done = made.run("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out))
    assert done.returncode in (0, 1), done.stderr
    journal = out / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    ended = next(n for n, text in enumerate(lines) if b"cell_finished" in text)
    spec = json.loads(lines[ended])["event"]["run_id"]
    record = out / "runs" / spec / "record.json"
    before = record.read_bytes()
    journal.write_bytes(b"".join(lines[:ended]))
    again = made.run("sweep", "--resume", "--include-polluted", "--out", str(out))
    assert again.returncode == done.returncode, again.stderr
    assert record.read_bytes() == before


@pytest.mark.full
def test_thirty_kills_end_in_the_same_decision(tmp_path: Path) -> None:
    kills = 0
    for number in range(10):
        if kills >= 30:
            break
        folder = tmp_path / str(number)
        folder.mkdir()
        kills_end_in_the_same_decision(folder, 6)
        kills += 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_a_sweep_that_can_go_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    made = stage.build(tmp_path, items=ITEMS)
    out = made.home / "out"
    child = subprocess.Popen(
        made.argv("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out)),
        env=made.env,
        cwd=made.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and not list((out / "runs").glob("*/spool.bin")):
        time.sleep(0.02)
    family = stage.children_of(child.pid)
    assert family
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130, said
    assert "Traceback" not in said
    gone(family)
    last = made.run("sweep", "--resume", "--include-polluted", "--out", str(out))
    assert last.returncode in (0, 1), last.stderr


def test_a_second_sweep_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    made = stage.build(tmp_path, items=ITEMS)
    out = made.home / "out"
    first = subprocess.Popen(
        made.argv("sweep", f"{made.ladder}@scripted", *FAST, "--out", str(out)),
        env=made.env,
        cwd=made.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (out / "journal.jsonl").exists():
            time.sleep(0.02)
        second = made.run("sweep", "--resume", "--out", str(out))
        assert second.returncode == 2
        assert str(first.pid) in second.stderr
    finally:
        first.kill()
        first.wait()
