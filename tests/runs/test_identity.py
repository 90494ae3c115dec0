"""The verifier: hashed once, and never fooled by a change, a swap or a lost file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.domain.errors import UnreadableModel, WrongModel
from steelyard.models import artifacts
from steelyard.runs.identity import Verifier


def made(path: Path, byte: bytes, size: int = 4096) -> Path:
    path.write_bytes(byte * size)
    return path


def same_times(path: Path, like: os.stat_result) -> None:
    """Put the times back that a careful saboteur would put back."""
    os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


def test_the_planned_file_is_taken(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", b"a")
    Verifier().verify(artifacts.fingerprint(path), path)


def test_a_file_is_read_once_while_nothing_happens_to_it(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", b"a", 1 << 20)
    verifier = Verifier()
    before = Path("/proc/self/io").read_text()
    first = verifier.sha256(path)
    between = Path("/proc/self/io").read_text()
    assert [verifier.sha256(path) for _ in range(5)] == [first] * 5
    after = Path("/proc/self/io").read_text()
    assert read(between) - read(before) > 1 << 20
    assert read(after) - read(between) < 1 << 20


def read(io: str) -> int:
    """Return the bytes that this process has read so far."""
    return int(io.split("rchar:")[1].split(maxsplit=1)[0])


def test_one_changed_byte_is_seen_even_when_the_times_are_put_back(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", b"a")
    artifact, verifier, like = artifacts.fingerprint(path), Verifier(), path.stat()
    verifier.verify(artifact, path)
    with path.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"b")
    same_times(path, like)
    with pytest.raises(WrongModel, match=r"m\.gguf is not 'm\.gguf' any more") as caught:
        verifier.verify(artifact, path)
    assert "put the planned file back" in caught.value.hint


def test_two_swapped_files_are_both_seen(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one.gguf", b"a"), made(tmp_path / "two.gguf", b"b")
    planned = {path: artifacts.fingerprint(path) for path in (one, two)}
    verifier = Verifier()
    for path, artifact in planned.items():
        verifier.verify(artifact, path)
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    for path, artifact in planned.items():
        with pytest.raises(WrongModel):
            verifier.verify(artifact, path)


def test_the_planned_bytes_put_back_are_taken_again(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", b"a")
    artifact, verifier = artifacts.fingerprint(path), Verifier()
    made(path, b"b")
    with pytest.raises(WrongModel):
        verifier.verify(artifact, path)
    made(path, b"a")
    verifier.verify(artifact, path)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", b"a")
    artifact = artifacts.fingerprint(path)
    path.unlink()
    with pytest.raises(WrongModel, match=r"m\.gguf is gone"):
        Verifier().verify(artifact, path)


def test_a_change_in_a_later_shard_is_seen(tmp_path: Path) -> None:
    first = made(tmp_path / "m-00001-of-00002.gguf", b"a")
    second = made(tmp_path / "m-00002-of-00002.gguf", b"b")
    artifact, verifier = artifacts.fingerprint(first), Verifier()
    assert artifact.size_bytes == 2 * 4096
    verifier.verify(artifact, first)
    made(second, b"c")
    with pytest.raises(WrongModel, match="not 'm-00001-of-00002.gguf' any more"):
        verifier.verify(artifact, first)


def test_a_lost_shard_is_seen(tmp_path: Path) -> None:
    first = made(tmp_path / "m-00001-of-00002.gguf", b"a")
    second = made(tmp_path / "m-00002-of-00002.gguf", b"b")
    artifact, verifier = artifacts.fingerprint(first), Verifier()
    verifier.verify(artifact, first)
    second.unlink()
    with pytest.raises((WrongModel, UnreadableModel), match="00002-of-00002"):
        verifier.verify(artifact, first)
