"""Long arrays of texts: walked over quickly, told from another file's, and believed only as far."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.models import forged

from steelyard.domain.errors import UnreadableModel
from steelyard.models import gguf

MANY = 40_000


def array(words: Sequence[bytes], lengths: dict[int, int] | None = None) -> bytes:
    """An array of texts, some of whose lengths lie."""
    lies = lengths or {}
    body = b"".join(
        struct.pack("<Q", lies.get(number, len(word))) + word for number, word in enumerate(words)
    )
    return forged.key("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, len(words)) + body)


def put(path: Path, *entries: bytes) -> Path:
    data = forged.whole(forged.ARCH, *entries, rows=(forged.F32_4,), data=bytes(16))
    path.write_bytes(data)
    return path


def tokens(path: Path) -> list[object]:
    found = gguf.read(path).value("tokenizer.ggml.tokens")
    assert isinstance(found, gguf.Array)
    return list(found.decode())


def words(mark: str = "") -> list[bytes]:
    """Enough to fill several of the windows that a file is read in."""
    return [f"{mark}{number}".encode() * 12 for number in range(MANY)]


def test_texts_are_read_whole_across_windows(tmp_path: Path) -> None:
    gguf.forget()
    path = put(tmp_path / "a.gguf", array(words()))
    assert path.stat().st_size > 2 << 20
    assert tokens(path) == [word.decode() for word in words()]
    assert [tensor.name for tensor in gguf.read(path).tensors] == ["a.weight"]


@pytest.mark.parametrize("last", [b"another", b"", words()[-1][:-1] + b"?"])
def test_a_vocabulary_that_only_begins_like_the_last_one_is_read_for_itself(
    tmp_path: Path, last: bytes
) -> None:
    other = [*words()[:-1], last]
    first, second = put(tmp_path / "a.gguf", array(words())), put(tmp_path / "b.gguf", array(other))
    for path, wanted in ((first, words()), (second, other), (first, words())):
        assert tokens(path) == [word.decode() for word in wanted]
        assert [tensor.name for tensor in gguf.read(path).tensors] == ["a.weight"]


@pytest.mark.parametrize("at", [0, 5, MANY // 2, MANY - 1])
@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 1 << 40])
def test_a_length_that_lies_is_found_wherever_it_stands(
    tmp_path: Path, at: int, length: int
) -> None:
    put(tmp_path / "good.gguf", array(words()))
    gguf.read(tmp_path / "good.gguf")
    with pytest.raises(UnreadableModel, match=f"announces {length} bytes"):
        gguf.read(put(tmp_path / "bad.gguf", array(words(), {at: length})))


def test_a_file_that_ends_within_its_vocabulary_is_truncated(tmp_path: Path) -> None:
    whole = put(tmp_path / "a.gguf", array(words())).read_bytes()
    gguf.read(tmp_path / "a.gguf")
    for kept in (len(whole) // 2, 1 << 20, (1 << 20) + 5):
        (tmp_path / "cut.gguf").write_bytes(whole[:kept])
        with pytest.raises(UnreadableModel, match="truncated"):
            gguf.read(tmp_path / "cut.gguf")
