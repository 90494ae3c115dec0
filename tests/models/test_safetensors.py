"""Headers of safetensors: honest ones are read, whatever lies is refused with the reason."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.domain.errors import UnreadableModel
from steelyard.models import safetensors


def row(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def raw(table: Any, data: int = 0, *, length: int | None = None) -> bytes:
    head = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(head) if length is None else length) + head + bytes(data)


def put(path: Path, table: Any, data: int = 0) -> Path:
    path.write_bytes(raw(table, data))
    return path


GOOD = {
    "__metadata__": {"format": "pt"},
    "b": row("BF16", [2, 3], 8, 20),
    "a": row("F32", [2], 0, 8),
    "none": row("F16", [0, 4], 20, 20),
    "scalar": row("I64", [], 20, 28),
}


def test_an_honest_header_is_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    header = safetensors.read(put(tmp_path / "x.safetensors", GOOD, 28))
    start = len(json.dumps(GOOD)) + 8
    assert [(t.name, t.start - start, t.size_bytes, t.elements) for t in header.tensors] == [
        ("a", 0, 8, 2),
        ("b", 8, 12, 6),
        ("none", 20, 0, 0),
        ("scalar", 20, 8, 1),
    ]
    assert header.metadata == {"format": "pt"}
    assert header.file_bytes == (tmp_path / "x.safetensors").stat().st_size


def test_types_smaller_than_a_byte_are_counted_in_bits(tmp_path: Path) -> None:
    table = {"a": row("F4", [2, 8], 0, 8), "b": row("F8_E8M0", [4], 8, 12)}
    header = safetensors.read(put(tmp_path / "x.safetensors", table, 12))
    assert [tensor.size_bytes for tensor in header.tensors] == [8, 4]
    with pytest.raises(UnreadableModel, match="lies"):
        safetensors.read(put(tmp_path / "y.safetensors", {"a": row("F4", [3], 0, 2)}, 2))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off within its header"),
        (b"\1\2", "cut off within its header"),
        (raw(GOOD, 28)[:40], "header is longer than the file"),
        (raw(b"{}", length=1 << 62), "longer than the file"),
        (raw(b"nope"), "no JSON"),
        (raw(b"[" * 100_000), "no JSON"),
        (raw(b" {}"), "no JSON"),
        (raw(b'"text"'), "no JSON"),
        (raw(b'{"a": 1' + b"0" * 5000 + b"}"), "no JSON"),
        (raw(b'{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{}}', 1), "no JSON"),
        (raw({"a": row("U8", [4], 0, 4)}, 2), "cut off"),
        (raw({"a": row("U8", [4], 0, 4)}, 9), "5 bytes come after"),
        (raw({"a": row("U8", [4], 2, 6)}, 6), "leaves a hole"),
        (raw({"a": row("U8", [4], 0, 4), "b": row("U8", [4], 2, 6)}, 6), "overlaps"),
        (raw({"a": row("U8", [-1], 0, 4)}, 4), "no sense at 'a'"),
        (raw({"a": row("U8", [1 << 70], 0, 4)}, 4), "no sense at 'a'"),
        (raw({"a": row("U8", [1 << 40, 1 << 40], 0, 4)}, 4), "lies"),
        (raw({"a": row("U8", [True], 0, 1)}, 1), "no sense at 'a'"),
        (raw({"a": row("U8", [1] * 9, 0, 1)}, 1), "lies"),
        (raw({"a": row("F12", [1], 0, 1)}, 1), "unknown type 'F12'"),
        (raw({"a": {"dtype": ["U8"], "shape": [1], "data_offsets": [0, 1]}}, 1), "unknown type"),
        (raw({"a": [1, 2]}), "no sense at 'a'"),
        (raw({"__metadata__": {"format": 5}}), "metadata are not texts"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"GGUF\3\0\0\0" + bytes(64), "GGUF file under another name"),
        (b"PK\3\4" + bytes(64), "ZIP or PyTorch"),
        (b"<!DOCTYPE html><html></html>", "web page"),
    ],
)
def test_whatever_lies_is_refused_with_the_reason(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(UnreadableModel, match=why) as error:
        safetensors.read(path)
    assert error.value.hint


def test_an_absurd_length_is_not_read_into_memory() -> None:
    asked: list[int] = []

    class Stream:
        def read(self, size: int, /) -> bytes:
            asked.append(size)
            return struct.pack("<Q", 1 << 40)[:size]

    with pytest.raises(UnreadableModel, match="announces"):
        safetensors.read_from(Stream(), 1 << 41, Path("x.safetensors"))
    assert asked == [8]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_do_more_than_raise_the_one_error(data: bytes, length: int) -> None:
    for text in (data, struct.pack("<Q", length) + data):
        try:
            safetensors.read_from(io.BytesIO(text), len(text), Path("x"))
        except UnreadableModel:
            continue


def shard(folder: Path, name: str, *tensors: str) -> None:
    rows = {tensor: row("U8", [1], n, n + 1) for n, tensor in enumerate(tensors)}
    put(folder / name, rows, len(tensors))


def index(folder: Path, mapping: Any) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": mapping}))


def test_an_index_says_which_files_are_the_model(tmp_path: Path) -> None:
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    shard(tmp_path, first, "a")
    shard(tmp_path, second, "b")
    shard(tmp_path, "consolidated.safetensors", "a", "b")
    index(tmp_path, {"a": first, "b": second})
    model = safetensors.read_folder(tmp_path)
    assert [tensor.name for tensor in model.tensors()] == ["a", "b"]
    assert model.file_bytes == sum((tmp_path / name).stat().st_size for name in (first, second))


def test_a_missing_shard_is_named_with_and_without_an_index(tmp_path: Path) -> None:
    shard(tmp_path, "model-00001-of-00002.safetensors", "a")
    with pytest.raises(UnreadableModel, match=r"model-00002-of-00002.safetensors is not there"):
        safetensors.read_folder(tmp_path)
    index(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "other.safetensors"})
    with pytest.raises(UnreadableModel, match=r"other.safetensors is not there"):
        safetensors.read_folder(tmp_path)
    (tmp_path / "other.safetensors").symlink_to("nowhere")
    with pytest.raises(UnreadableModel, match="leads nowhere"):
        safetensors.read_folder(tmp_path)


@pytest.mark.parametrize(
    "mapping", [{"a": "../x.safetensors"}, {"a": "/etc/passwd"}, {"a": 5}, {}, [1]]
)
def test_an_index_may_name_only_files_beside_it(tmp_path: Path, mapping: Any) -> None:
    shard(tmp_path, "model-00001-of-00001.safetensors", "a")
    index(tmp_path, mapping)
    with pytest.raises(UnreadableModel, match=r"no index|no file beside it"):
        safetensors.read_folder(tmp_path)


def test_without_an_index_the_whole_file_or_the_one_set_is_taken(tmp_path: Path) -> None:
    shard(tmp_path, "weights.safetensors", "a")
    shard(tmp_path, "adapter_model.safetensors", "lora")
    assert [path.name for path in safetensors.weight_files(tmp_path)] == ["weights.safetensors"]
    shard(tmp_path, "model.safetensors", "a")
    assert [path.name for path in safetensors.weight_files(tmp_path)] == ["model.safetensors"]


def test_two_sets_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    shard(tmp_path, "model-00001-of-00002.safetensors", "a")
    shard(tmp_path, "other-00001-of-00002.safetensors", "b")
    with pytest.raises(UnreadableModel, match="several sets"):
        safetensors.read_folder(tmp_path)


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    shard(tmp_path, "model-00001-of-00002.safetensors", "a")
    shard(tmp_path, "model-00002-of-00002.safetensors", "a")
    with pytest.raises(UnreadableModel, match="both hold 'a'"):
        safetensors.read_folder(tmp_path)
