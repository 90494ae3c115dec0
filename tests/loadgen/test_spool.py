"""The spool survives a kill at any byte."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.domain.errors import StoreError
from steelyard.domain.stream import Exchange
from steelyard.loadgen import spool

ONE = Exchange("item/α#0", 10, 20, 90, 200, (30, 40), (2, 5), b"ab\x00cd")
TWO = replace(ONE, id="two", failure="stalled", arrivals_ns=(), ends=(), body=b"", reconnects=1)


def write(path: Path, *exchanges: Exchange) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for exchange in exchanges:
        spool.append(descriptor, exchange)
    os.close(descriptor)


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
