"""The file of a reference pack: what was written comes back, and nothing else is believed."""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steelyard.analysis import packed
from steelyard.domain.errors import BadInput
from steelyard.domain.pack import PACK_VERSION, PackFacts
from steelyard.store import packs
from steelyard.store.packs import Pack, Rows

FACTS = PackFacts(
    version=PACK_VERSION,
    model="m.gguf",
    model_sha256="a" * 64,
    quant="F16",
    vocabulary=100,
    vocabulary_sha256="b" * 64,
    probe_tokens=(1, 2, 3),
    text="a text",
    text_sha256="c" * 64,
    window_tokens=16,
    score_from=4,
    windows=3,
    positions=36,
    top=8,
    drawn=4,
    floor=1e-8,
    engine="an engine",
    made_by="steelyard",
)


@pytest.fixture
def rows() -> Rows:
    logits = np.random.default_rng(1).standard_normal((36, 100)) * 3
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return packed.condense(logprobs, 8, 4, np.random.default_rng(2))


@pytest.fixture
def written(tmp_path: Path, rows: Rows) -> Pack:
    tokens = np.random.default_rng(3).integers(0, 100, (3, 16)).astype(np.uint32)
    return packs.write(tmp_path / "a.refpack", FACTS, tokens, rows)


def test_what_was_written_comes_back(tmp_path: Path, written: Pack) -> None:
    path = tmp_path / "a.refpack"
    found = packs.read(path)
    assert (found.facts, found.sha256, found.size_bytes) == (
        FACTS,
        written.sha256,
        path.stat().st_size,
    )
    assert np.array_equal(found.tokens, written.tokens)
    for name in ("ids", "codes", "drawn_ids", "drawn_codes", "tail"):
        assert np.array_equal(getattr(found.rows, name), getattr(written.rows, name)), name


def test_every_changed_byte_is_noticed(tmp_path: Path, written: Pack) -> None:
    raw = (tmp_path / "a.refpack").read_bytes()
    other = tmp_path / "b.refpack"
    for at in range(0, written.size_bytes, 17):
        other.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        with pytest.raises(BadInput, match=r"b\.refpack is (no|a damaged) reference pack"):
            packs.read(other)
    for end in (0, 8, 40, written.size_bytes - 1):
        other.write_bytes(raw[:end])
        with pytest.raises(BadInput, match="reference pack"):
            packs.read(other)


def sealed(path: Path, header: dict[str, object], payload: bytes) -> Path:
    """Write a file whose hash is right and whose content is not."""
    words = json.dumps(header).encode()
    body = b"SYARDPAK" + struct.pack("<I", len(words)) + words + payload
    path.write_bytes(body + hashlib.sha256(body).digest())
    return path


def header_of(path: Path) -> dict[str, object]:
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<I", raw, 8)
    found: dict[str, object] = json.loads(raw[12 : 12 + length])
    return found


def newer(header: dict[str, object]) -> None:
    header["facts"] = {**header["facts"], "version": PACK_VERSION + 1}  # type: ignore[dict-item]


def huge(header: dict[str, object]) -> None:
    header["arrays"] = [["tokens", "<u4", [1 << 40]]]


def odd(header: dict[str, object]) -> None:
    header["arrays"] = [["tokens", "object", [4]]]


def other_facts(header: dict[str, object]) -> None:
    header["facts"] = {**header["facts"], "top": 9}  # type: ignore[dict-item]


def nothing(header: dict[str, object]) -> None:
    header.clear()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (newer, "of version 2"),
        (huge, "do not fit together"),
        (odd, "do not fit together"),
        (other_facts, "do not fit together"),
        (nothing, "do not fit together"),
    ],
)
@pytest.mark.usefixtures("written")
def test_a_right_hash_over_wrong_content_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, object]], None], message: str
) -> None:
    path = tmp_path / "a.refpack"
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<I", raw, 8)
    header = header_of(path)
    spoil(header)
    with pytest.raises(BadInput, match=message):
        packs.read(sealed(path, header, raw[12 + length : -32]))


@pytest.mark.usefixtures("written")
def test_a_small_file_does_not_unpack_to_more_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.refpack"
    sealed(path, header_of(path), lzma.compress(bytes(1 << 20)))
    with pytest.raises(BadInput, match="do not fit together"):
        packs.read(path)


def test_other_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Sir or Madam")
    for path, message in (
        (letter, "letter.txt is no reference pack"),
        (tmp_path / "gone", "there is no file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(BadInput, match=message):
            packs.read(path)


def test_a_pack_that_is_too_large_is_not_written(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MOST_BYTES", 500)
    with pytest.raises(BadInput, match="500 are the most"):
        packs.write(tmp_path / "a", replace(FACTS), np.zeros((3, 16), np.uint32), rows)
    assert not list(tmp_path.iterdir())
