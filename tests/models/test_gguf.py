"""The GGUF reader: what it reads, and everything that it must refuse in one sentence."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import gguf as official
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models import forged
from tests.models.forged import ARCH, F32_4, SMALLEST, head, key, row, text, whole

from steelyard.domain.errors import UnreadableModel
from steelyard.models import gguf, shards


def read(tmp_path: Path, data: bytes) -> gguf.Header:
    path = tmp_path / "forged.gguf"
    path.write_bytes(data)
    return gguf.read(path)


def test_the_official_reader_sees_the_same_keys_and_tensors(tiny_model: Path) -> None:
    ours, theirs = gguf.read(tiny_model), official.GGUFReader(tiny_model)
    assert list(ours.entries) == [name for name in theirs.fields if not name.startswith("GGUF.")]
    assert [(t.name, t.shape, t.start, t.size_bytes) for t in ours.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), int(t.data_offset), int(t.n_bytes))
        for t in theirs.tensors
    ]
    tokens = ours.value("tokenizer.ggml.tokens")
    assert isinstance(tokens, gguf.Array)
    assert tokens.decode() == theirs.fields["tokenizer.ggml.tokens"].contents()


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    entries = [
        *(key("u8", 0, b"\x07"), key("i8", 1, b"\xff"), key("u16", 2, b"\x01\x02")),
        *(key("f32", 6, struct.pack("<f", 0.5)), key("bool", 7, b"\x01")),
        *(key("u64", 10, struct.pack("<Q", 1 << 40)), key("f64", 12, struct.pack("<d", 0.25))),
        key("texts", 9, struct.pack("<IQ", 8, 2) + text("a") + text("bé")),
        key("numbers", 9, struct.pack("<IQ", 5, 2) + struct.pack("<ii", -1, 3)),
    ]
    header = read(tmp_path, whole(*entries))
    scalars = [header.value(name) for name in ("u8", "i8", "u16", "f32", "bool", "u64", "f64")]
    assert scalars == [7, -1, 513, 0.5, True, 1 << 40, 0.25]
    texts, numbers = header.value("texts"), header.value("numbers")
    assert isinstance(texts, gguf.Array)
    assert isinstance(numbers, gguf.Array)
    assert (texts.decode(), numbers.decode()) == (["a", "bé"], [-1, 3])
    assert header.integer("numbers") == 3


LIES = {
    "empty": (b"", "empty"),
    "not a GGUF": (b"\x80\x02ctorch" * 9, "instead of b'GGUF'"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "a web page": (b"<!DOCTYPE html><html></html>", "web page"),
    "version one": (head(version=1), "version is 1"),
    "a version to come": (head(version=9), "version is 9"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "cut in the counts": (SMALLEST[:12], "truncated"),
    "cut in the metadata": (SMALLEST[:40], "truncated|announces"),
    "cut in the tensor table": (SMALLEST[:80], "truncated|announces"),
    "cut in the weights": (SMALLEST[:-8], "truncated"),
    "a million tensors": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), "announces"),
    "a million keys": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 63), "announces"),
    "a text longer than the file": (head(struct.pack("<Q", 1 << 50)), "announces 1125899906842624"),
    "an array longer than the file": (
        head(key("a", 9, struct.pack("<IQ", 4, 1 << 40))),
        "array announces",
    ),
    "an array of arrays": (head(key("a", 9, struct.pack("<IQ", 9, 1))), "elements of type 9"),
    "an unknown value type": (head(key("a", 77, b"")), "unknown type 77"),
    "a truth value of seven": (whole(key("a", 7, b"\x07")), "truth value is 7"),
    "the same key twice": (whole(ARCH, ARCH), "stands in it twice"),
    "an odd alignment": (
        whole(key("general.alignment", 4, struct.pack("<I", 24))),
        "not a power of two",
    ),
    "an alignment of zero": (whole(key("general.alignment", 4, bytes(4))), "alignment is 0"),
    "no dimensions": (head(rows=(row("a", (), 0, 0),)), "0 dimensions"),
    "five dimensions": (head(rows=(row("a", (1,) * 5, 0, 0),)), "5 dimensions"),
    "an unknown tensor type": (head(rows=(row("a", (4,), 999, 0),)), "unknown type 999"),
    "a removed tensor type": (head(rows=(row("a", (32,), 31, 0),)), "Q4_0_4_4.*removed"),
    "a row that no block fits": (head(rows=(row("a", (100, 2), 12, 0),)), "stored as Q4_K"),
    "an empty dimension": (head(rows=(row("a", (0, 2), 0, 0),)), "cannot be stored"),
    "a tensor beyond the file": (
        whole(rows=(row("a", (1 << 40, 1 << 20), 0, 0),), data=bytes(16)),
        "header lies",
    ),
    "an offset beyond the file": (whole(rows=(row("a", (4,), 0, 1 << 40),)), "header lies"),
    "an offset out of step": (
        whole(rows=(row("a", (4,), 0, 8),), data=bytes(64)),
        "multiple of alignment",
    ),
    "two tensors in one place": (
        whole(rows=(F32_4, row("b.weight", (4,), 0, 0)), data=bytes(64)),
        "overlap",
    ),
    "two tensors of one name": (
        whole(rows=(F32_4, row("a.weight", (4,), 0, 32)), data=bytes(64)),
        "same name",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_named_and_the_way_out_given(tmp_path: Path, name: str) -> None:
    data, sentence = LIES[name]
    with pytest.raises(UnreadableModel, match=sentence) as refused:
        read(tmp_path, data)
    assert "forged.gguf" in str(refused.value)
    assert refused.value.hint


def test_the_smallest_honest_file_is_read(tmp_path: Path) -> None:
    header = read(tmp_path, SMALLEST)
    assert header.text("general.architecture") == "llama"
    assert [(t.name, t.elements, t.size_bytes) for t in header.tensors] == [("a.weight", 4, 16)]


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    for path, sentence in ((tmp_path / "no.gguf", "no file"), (tmp_path, "cannot be read")):
        with pytest.raises(UnreadableModel, match=sentence):
            gguf.read(path)
    with pytest.raises(UnreadableModel, match="not a regular file"):
        gguf.read(Path("/dev/zero"))


def read_or_refusal(path: Path) -> shards.Model | UnreadableModel:
    try:
        return shards.read_model(path)
    except UnreadableModel as refused:
        return refused


@pytest.fixture(scope="module")
def small_real(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real head with a real vocabulary, and few weights."""
    from tests.llamalib import tiny

    folder = tmp_path_factory.mktemp("small")
    shape = tiny.Shape(width=64, layers=1, feed_forward=64, heads=2, kv_heads=1, vocabulary=270)
    return tiny.write(folder / "small.gguf", shape).read_bytes()


HEAD = 12_000  # the small real file's head ends about here


@settings(
    max_examples=400,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_damage_does_anything_but_raise_unreadable(
    tmp_path: Path, small_real: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(small_real)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, HEAD))
        how = data.draw(st.sampled_from(["flip", "number", "cut", "insert", "drop"]))
        number = data.draw(
            st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
        )
        if how == "flip" and at < len(damaged):
            damaged[at] ^= 1 << (number % 8)
        elif how == "number":
            damaged[at : at + 8] = struct.pack("<Q", number)
        elif how == "cut":
            del damaged[at:]
        elif how == "insert":
            damaged[at:at] = number.to_bytes(8, "little")
        else:
            del damaged[at : at + number % 64]
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    verdict = read_or_refusal(path)
    if isinstance(verdict, UnreadableModel):
        assert str(verdict)
        assert verdict.hint
    else:
        assert sum(tensor.size_bytes for _, tensor in verdict.tensors()) <= len(damaged)


@settings(max_examples=200, deadline=20_000)
@given(raw=st.binary(max_size=400))
def test_noise_after_the_magic_is_only_ever_unreadable(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + raw)
    verdict = read_or_refusal(path)
    assert isinstance(verdict, shards.Model) or verdict.hint


def test_a_lie_about_a_size_costs_no_memory(tmp_path: Path) -> None:
    lie = head(key("a", 9, struct.pack("<IQ", 8, 1 << 24))) + bytes(1 << 20)
    tracemalloc.start()
    with pytest.raises(UnreadableModel):
        read(tmp_path, lie)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def split(tmp_path: Path, count: int, write: tuple[int, ...]) -> Path:
    for number in write:
        mark = key("split.count", 2, struct.pack("<H", count))
        name = f"part{number}.weight"
        data = whole(ARCH, mark, rows=(row(name, (4,), 0, 0),), data=bytes(16))
        (tmp_path / f"big-{number:05d}-of-{count:05d}.gguf").write_bytes(data)
    return tmp_path / f"big-{write[-1]:05d}-of-{count:05d}.gguf"


def test_shards_are_one_model_whichever_is_named(tmp_path: Path) -> None:
    model = shards.read_model(split(tmp_path, 3, (1, 2, 3)))
    assert model.path.name == "big-00001-of-00003.gguf"
    assert [tensor.name for _, tensor in model.tensors()] == [f"part{n}.weight" for n in (1, 2, 3)]


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"big-00002-of-00003\.gguf is not there"):
        shards.read_model(split(tmp_path, 3, (1, 3)))


def test_a_shard_that_disagrees_with_its_name_is_refused(tmp_path: Path) -> None:
    split(tmp_path, 3, (1,))
    (tmp_path / "big-00001-of-00003.gguf").rename(tmp_path / "alone.gguf")
    with pytest.raises(UnreadableModel, match="one of 3 files"):
        shards.read_model(tmp_path / "alone.gguf")


def test_a_file_without_tensors_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "none.gguf").write_bytes(whole(ARCH))
    with pytest.raises(UnreadableModel, match="no tensor"):
        shards.read_model(tmp_path / "none.gguf")
    assert forged.SMALLEST.startswith(b"GGUF")
