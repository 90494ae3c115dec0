"""Process trees and their memory, on real processes and on files laid out by hand."""

import os
from pathlib import Path

from steelyard.telemetry import processes
from steelyard.telemetry.processes import Memory, Stat

PROC = Path("/proc")
STAT = "7 (a) ) b) R 3 7 7 0 -1 0 0 0 0 0 150 50 20 30 20 0 4 0 99 0 0"


def process(root: Path, pid: int, *, status: str = "", smaps: str = "", stat: str = STAT) -> None:
    folder = root / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True)
    (folder / "stat").write_text(stat)
    (folder / "task" / str(pid) / "stat").write_text(stat)
    if status:
        (folder / "status").write_text(status)
    if smaps:
        (folder / "smaps_rollup").write_text(smaps)


def test_a_name_with_brackets_does_not_shift_the_fields(tmp_path: Path) -> None:
    process(tmp_path, 7)
    assert processes.read_stat(tmp_path / "7") == Stat("R", 3, 250 / os.sysconf("SC_CLK_TCK"), 99)


def test_what_is_gone_or_cut_off_is_no_process(tmp_path: Path) -> None:
    assert processes.read_stat(tmp_path / "7") is None
    process(tmp_path, 8, stat="8 (x) R 1")
    assert processes.read_stat(tmp_path / "8") is None
    assert processes.memory(tmp_path, [7, 8]) is None
    assert processes.cpu_s(tmp_path, [7, 8]) == 0
    assert processes.runnable(tmp_path, [7]) == 0


def test_a_tree_is_whoever_stems_from_its_root() -> None:
    assert processes.descendants({2: 1, 3: 2, 4: 3, 9: 1}, 2) == {2, 3, 4}
    assert processes.descendants({1: 1}, 1) == {1}


def test_we_are_in_our_own_tree_and_run() -> None:
    parent_of = processes.parents(PROC)
    assert parent_of[os.getpid()] == os.getppid()
    assert os.getpid() in processes.descendants(parent_of, os.getppid())
    assert processes.runnable(PROC, [os.getpid()]) >= 1


def test_a_single_process_has_its_own_high_mark(tmp_path: Path) -> None:
    process(tmp_path, 7, status="Name:\tx\nVmHWM:\t 900 kB\nVmRSS:\t 500 kB\nVmSwap:\t 8 kB\n")
    assert processes.memory(tmp_path, [7]) == Memory(500 * 1024, 900 * 1024, 8 * 1024)


def test_pages_shared_between_processes_count_once(tmp_path: Path) -> None:
    process(
        tmp_path, 7, status="VmHWM: 900 kB\nVmRSS: 500 kB\n", smaps="Rss: 500 kB\nPss: 300 kB\n"
    )
    process(
        tmp_path, 8, status="VmHWM: 900 kB\nVmRSS: 400 kB\n", smaps="Rss: 400 kB\nPss: 200 kB\n"
    )
    process(tmp_path, 9, status="VmHWM: 10 kB\nVmRSS: 10 kB\n")
    assert processes.memory(tmp_path, [7, 8, 9]) == Memory(510 * 1024, 510 * 1024, 0)
