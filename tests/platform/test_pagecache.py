"""The page cache as it really is: what is read lies in it, what is dropped does not."""

from __future__ import annotations

import mmap
import os
import subprocess
from pathlib import Path

import pytest

from steelyard.domain.reading import Measured, Missing
from steelyard.platform import disk_reads, pagecache

SIZE = 8 << 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(SIZE))
    return path


def keeps(path: Path) -> bool:
    """Say whether a file system keeps its files in memory whatever it is told."""
    asked = ["stat", "-f", "-c", "%T", str(path)]
    kind = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return kind in ("tmpfs", "ramfs", "zfs")


def share_left(path: Path) -> float:
    """Drop a file and return which part of it stayed."""
    assert pagecache.drop([path]) is None
    found = pagecache.share([path])
    assert isinstance(found, Measured)
    return found.value


def test_what_was_read_lies_in_the_cache(file: Path) -> None:
    pagecache.drop([file])
    pagecache.warm([file])
    assert pagecache.resident_bytes(file) == Measured(SIZE, "client")
    assert pagecache.share([file]) == Measured(1.0, "client")


def test_what_is_dropped_lies_in_it_no_more_and_comes_back_as_it_is_read(file: Path) -> None:
    pagecache.warm([file])
    if keeps(file):
        pytest.skip("this file system keeps its files in memory")
    assert share_left(file) == 0.0
    with file.open("rb", buffering=0) as half:
        os.posix_fadvise(half.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # nothing is read ahead
        half.read(SIZE // 2)
    found = pagecache.share([file])
    assert isinstance(found, Measured)
    # A system short of memory may take a page back at any moment.
    assert found.value == pytest.approx(0.5, abs=0.01)


def test_pages_that_somebody_has_mapped_stay_and_are_told(file: Path) -> None:
    with file.open("rb") as held, mmap.mmap(held.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert sum(pages[at] for at in range(0, SIZE, mmap.PAGESIZE)) > 0
        assert share_left(file) == 1.0


def test_a_file_that_is_not_there_has_a_reason(tmp_path: Path) -> None:
    assert isinstance(pagecache.share([tmp_path / "none"]), Missing)
    assert isinstance(pagecache.drop([tmp_path / "none"]), Missing)


def test_two_files_count_by_their_bytes(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(os.urandom(SIZE // 2))
    if keeps(other):
        pytest.skip("this file system keeps its files in memory")
    assert share_left(other) == 0.0
    pagecache.warm([file])
    found = pagecache.share([file, other])
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(2 / 3, abs=0.02)


def test_a_process_that_has_ended_has_no_reads() -> None:
    found = disk_reads.read_bytes(2**22 - 3)
    assert isinstance(found, Missing)
    assert found.code == "engine_gone"


def test_our_own_reads_never_fall() -> None:
    before, after = disk_reads.read_bytes(os.getpid()), disk_reads.read_bytes(os.getpid())
    if isinstance(before, Missing):
        assert before.code in ("unsupported_system", "not_readable")
        return
    assert isinstance(after, Measured)
    assert after.value >= before.value >= 0
