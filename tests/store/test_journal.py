"""The journal: durable lines, a torn end forgiven, anything else refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.domain.errors import BadInput, StoreError
from steelyard.store.journal import Journal, read_journal

EVENTS = [{"kind": "started", "n": n, "text": "größer\n"} for n in range(5)]


def written(path: Path) -> Path:
    with Journal(path) as journal:
        for event in EVENTS:
            journal.append(event)
    return path


def test_events_come_back_in_order_and_later_ones_follow(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl")
    with Journal(path) as journal:
        assert list(journal.events) == EVENTS
        journal.append({"kind": "ended"})
    assert list(read_journal(path)) == [*EVENTS, {"kind": "ended"}]


def test_no_file_is_an_empty_journal(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.jsonl") == ()


def test_cut_at_any_byte_it_keeps_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    whole = written(tmp_path / "journal.jsonl").read_bytes()
    cut = tmp_path / "cut.jsonl"
    for size in (0, 1, 9, *range(len(whole) // 2, len(whole), 11), len(whole) - 1):
        cut.write_bytes(whole[:size])
        complete = whole[:size].count(b"\n")
        with Journal(cut) as journal:
            assert list(journal.events) == EVENTS[:complete]
            journal.append({"kind": "resumed"})
        assert list(read_journal(cut)) == [*EVENTS[:complete], {"kind": "resumed"}]


def test_zeros_that_a_power_cut_left_at_the_end_are_a_torn_line(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl")
    path.write_bytes(path.read_bytes() + b"\0" * 70)
    assert list(read_journal(path)) == EVENTS


@pytest.mark.parametrize("damage", ["change", "drop", "swap", "rubbish"])
def test_damage_in_the_middle_names_the_line(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path / "journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    match damage:
        case "change":
            lines[2] = lines[2].replace(b'"n":2,', b'"n":9,')
        case "drop":
            del lines[2]
        case "swap":
            lines[2], lines[3] = lines[3], lines[2]
        case _:
            lines[2] = b"rubbish\n"
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="line 3 of") as caught:
        Journal(path)
    assert "first 2 lines" in caught.value.hint
    assert path.read_bytes() == before


def test_each_line_is_json_for_any_tool(tmp_path: Path) -> None:
    lines = written(tmp_path / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == EVENTS


_KILLED = """
import os, signal, sys
from pathlib import Path
from steelyard.store.journal import Journal
journal = Journal(Path(sys.argv[1]))
for n in range(1000):
    journal.append({"n": n})
    print(n, flush=True)
"""


def test_what_was_appended_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    seen = 0
    for line in child.stdout:
        seen = int(line) + 1
        if seen >= 20:
            child.kill()
            break
    seen += len(child.stdout.readlines())
    child.stdout.close()
    child.wait()
    assert len(read_journal(path)) >= seen


def test_a_place_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        Journal(tmp_path / "file" / "journal.jsonl")


_NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from steelyard.domain.errors import BadInput
from steelyard.store.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
journal = Journal(Path(sys.argv[1]))
try:
    for n in range(1000):
        journal.append({"n": n})
except BadInput:
    print(n)
"""


def test_a_line_that_found_no_room_is_not_there_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    told = subprocess.run(
        [sys.executable, "-c", _NO_ROOM, str(path)], capture_output=True, text=True, check=True
    )
    kept = read_journal(path)
    assert len(kept) == int(told.stdout) > 0
    assert path.read_bytes().endswith(b"\n")
