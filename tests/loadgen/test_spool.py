"""The spool survives a kill at any byte."""

from __future__ import annotations

import os
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Exchange
from steelyard.loadgen import spool
from steelyard.loadgen.spool import Raw, pack

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
FIRST = Raw(
    "item/α#0",
    intended_ns=10,
    sent_ns=20,
    handed_ns=22,
    done_ns=90,
    times=array("q", [25, 30, 100_040]),
    sizes=array("H", [len(HEAD), 2, 3]),
    spreads=array("H", [0, 1, 7]),
    raw=HEAD + b"ab\x00cd",
    segments=4,
    late_ns=70_000,
)
ONE = Exchange(
    "item/α#0",
    *(10, 20, 90, 200, (30, 100_040), (2, 5), b"ab\x00cd"),
    stamps="kernel",
    drained_ns=(-9_970, 30_040),
    handed_ns=22,
    segments=3,
    late_ns=70_000,
)
NOTHING = array("q"), array("H"), array("H")
SECOND = Raw("two", 10, 20, 22, 90, *NOTHING, raw=b"", failure="stalled", reconnects=1)
TWO = Exchange("two", 10, 20, 90, 0, (), (), b"", failure="stalled", reconnects=1, handed_ns=22)
RAW = {id(ONE): FIRST, id(TWO): SECOND}


def write(path: Path, *exchanges: Exchange) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for exchange in exchanges:
        spool.append(descriptor, RAW[id(exchange)])
    os.close(descriptor)


def test_a_read_takes_twelve_bytes() -> None:
    few, many = (
        len(pack(replace(FIRST, times=array("q", t), sizes=array("H", t), spreads=array("H", t))))
        for t in ([1], list(range(1, 1001)))
    )
    assert (many - few) / 999 == 12


def test_one_read_without_a_kernel_stamp_leaves_the_users_clock() -> None:
    assert spool.taken_apart(replace(FIRST, user_reads=1)).stamps == "user"


def test_what_is_not_http_keeps_its_reason() -> None:
    babble = replace(FIRST, raw=b"220 mail ready\r\n" + b"x" * 60)
    assert spool.taken_apart(babble).failure == "malformed_response"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "s", ONE, TWO)
    assert spool.read(tmp_path / "s") == [ONE, TWO]


def test_no_spool_holds_nothing(tmp_path: Path) -> None:
    assert spool.read(tmp_path / "none") == []
    assert spool.truncate_torn(tmp_path / "none") == 0


def test_a_torn_frame_is_dropped_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write(path, ONE)
    first = path.stat().st_size
    write(path, TWO)
    data = path.read_bytes()
    for length in range(first, len(data)):
        path.write_bytes(data[:length])
        assert spool.read(path) == [ONE]
        assert spool.torn_bytes(path) == length - first


def test_after_cutting_the_torn_end_off_appending_is_safe(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write(path, ONE, TWO)
    path.write_bytes(path.read_bytes()[:-3])
    assert spool.truncate_torn(path) > 0
    write(path, TWO)
    assert spool.read(path) == [ONE, TWO]


def test_damage_before_the_end_is_an_error_not_a_shorter_run(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write(path, ONE, TWO)
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged at byte 0"):
        spool.read(path)


def test_a_reader_follows_a_growing_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write(path, ONE)
    reader = spool.Reader(path)
    assert [reader.next(), reader.next()] == [ONE, None]
    write(path, TWO)
    assert reader.next() == TWO
