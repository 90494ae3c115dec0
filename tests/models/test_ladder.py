"""Quantising a file: what comes out, what is refused, and that nothing half-written stays."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gguf as official
import numpy as np
import pytest
from tests.llamalib import tiny
from tests.models import importances

from steelyard.domain.errors import (
    BadInput,
    EngineError,
    SteelyardError,
    TooLittleRoom,
    UnreadableModel,
    UnsupportedSubject,
)
from steelyard.llamalib.decode import Decoder
from steelyard.models import artifacts, gguf, ladder, shards


@pytest.mark.parametrize(
    ("quant", "most"),
    [("F16", 16.1), ("Q8_0", 8.6), ("Q6_K", 6.7), ("Q4_K_M", 6.0), ("Q4_0", 5.2), ("Q2_K", 4.2)],
)
def test_a_quant_is_what_it_says_and_loads(
    tiny_model: Path, tmp_path: Path, quant: str, most: float
) -> None:
    seen: list[tuple[int, int]] = []
    out = ladder.quantise(
        tiny_model,
        quant,
        tmp_path / "q.gguf",
        progress=lambda done, all_: seen.append((done, all_)),
    )
    facts = artifacts.inspect(out)
    assert facts.quant == quant
    assert facts.file_bpw < most
    assert facts.parameters == artifacts.inspect(tiny_model).parameters
    assert seen[-1] == (facts.parameters, facts.parameters)
    assert out.stat().st_size == ladder.plan(tiny_model, quant).file_bytes
    with Decoder(out, context=32, threads=1) as decoder:
        assert decoder.tokenise("ab") == [257]
    assert [path.name for path in tmp_path.iterdir()] == ["q.gguf"]


def test_the_metadata_is_passed_on_and_says_what_was_done(tiny_model: Path, tmp_path: Path) -> None:
    matrix = importances.write(tmp_path / "m.gguf")
    out = ladder.quantise(tiny_model, "IQ4_XS", tmp_path / "q.gguf", imatrix=matrix)
    before, after = gguf.read(tiny_model), gguf.read(out)
    kept = {k: e.raw for k, e in before.entries.items() if k != "general.file_type"}
    assert {k: after.entries[k].raw for k in kept} == kept
    assert after.value("general.file_type") == 30
    assert after.value("general.quantization_version") == 2
    assert after.value("quantize.imatrix.entries_count") == 14
    assert after.value("quantize.imatrix.file") == "m.gguf"
    assert str(after.value("steelyard.quantised_by")).startswith("xllamacpp 20")
    assert artifacts.inspect(out).imatrix == after.value("steelyard.imatrix.sha256")
    assert official.GGUFReader(out).tensors[-1].name == "blk.1.ffn_up.weight"


def test_the_same_order_gives_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    made = [
        ladder.quantise(tiny_model, "Q4_K_M", tmp_path / f"{n}.gguf", threads=n) for n in (1, 3)
    ]
    assert len({artifacts.fingerprint(path).sha256 for path in made}) == 1


def test_shards_become_one_file(tiny_model: Path, tmp_path: Path) -> None:
    split(tiny_model, tmp_path)
    out = ladder.quantise(tmp_path / "tiny-00001-of-00002.gguf", "Q4_0", tmp_path / "q.gguf")
    whole = ladder.quantise(tiny_model, "Q4_0", tmp_path / "whole.gguf")
    assert "split.count" not in gguf.read(out).entries
    assert contents(out) == contents(whole)


def test_importances_steer_the_bytes(tiny_model: Path, tmp_path: Path) -> None:
    matrix = importances.write(tmp_path / "m.gguf")
    plain = ladder.quantise(tiny_model, "Q4_K_S", tmp_path / "plain.gguf")
    steered = ladder.quantise(tiny_model, "Q4_K_S", tmp_path / "steered.gguf", imatrix=matrix)
    name = "blk.1.ffn_up.weight"
    assert contents(plain)[name] != contents(steered)[name]


@pytest.mark.parametrize("quant", ["IQ2_M", "IQ1_M", "IQ3_XXS", "Q2_K_S"])
def test_a_quant_that_needs_importances_says_so(
    tiny_model: Path, tmp_path: Path, quant: str
) -> None:
    with pytest.raises(UnsupportedSubject, match="importance matrix") as refused:
        ladder.quantise(tiny_model, quant, tmp_path / "q.gguf")
    assert "--imatrix" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_importances_of_another_model_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    fewer = importances.write(tmp_path / "fewer.gguf", tiny.Shape(layers=1))
    with pytest.raises(UnsupportedSubject, match=r"says nothing of 'blk\.1"):
        ladder.quantise(tiny_model, "IQ2_XXS", tmp_path / "q.gguf", imatrix=fewer)
    wider = importances.write(tmp_path / "wider.gguf", tiny.Shape(feed_forward=768))
    with pytest.raises(UnsupportedSubject, match="768 values"):
        ladder.quantise(tiny_model, "Q4_K_M", tmp_path / "q.gguf", imatrix=wider)
    assert not (tmp_path / "q.gguf").exists()


def test_a_quantised_source_is_refused_unless_the_loss_is_accepted(
    tiny_model: Path, tmp_path: Path
) -> None:
    low = ladder.quantise(tiny_model, "Q8_0", tmp_path / "low.gguf")
    with pytest.raises(UnsupportedSubject, match="already quantised") as refused:
        ladder.quantise(low, "Q4_K_M", tmp_path / "q.gguf")
    assert "--requantise" in refused.value.hint
    out = ladder.quantise(low, "Q4_K_M", tmp_path / "q.gguf", requantise=True)
    assert artifacts.inspect(out).quant == "Q4_K_M"


def test_rows_that_do_not_fit_leave_nothing_behind(tmp_path: Path) -> None:
    odd = tiny.write(tmp_path / "odd.gguf", tiny.Shape(width=192, heads=3, kv_heads=3))
    with pytest.raises(UnsupportedSubject, match="blocks of 256"):
        ladder.quantise(odd, "Q4_K_M", tmp_path / "out" / "q.gguf")
    assert not (tmp_path / "out").exists()
    made = ladder.quantise(odd, "Q4_0", tmp_path / "q.gguf")
    assert artifacts.inspect(made).quant == "Q4_0"


def test_a_source_with_an_infinite_weight_is_refused_and_nothing_stays(
    tiny_model: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.gguf"
    shutil.copy(tiny_model, bad)
    tensor = next(t for t in gguf.read(bad).tensors if t.name == "blk.0.attn_q.weight")
    with bad.open("r+b") as file:
        file.seek(tensor.start)
        file.write(np.full(256, np.inf, np.float16).tobytes())
    with pytest.raises(SteelyardError, match="not numbers"):
        ladder.quantise(bad, "Q8_0", tmp_path / "out" / "q.gguf")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_source_is_never_its_own_result(tiny_model: Path) -> None:
    before = tiny_model.stat().st_mtime_ns
    with pytest.raises(BadInput, match="the source itself"):
        ladder.quantise(tiny_model, "Q8_0", tiny_model)
    assert tiny_model.stat().st_mtime_ns == before


QUANTISE = """
import sys
from pathlib import Path
from steelyard.domain.errors import SteelyardError
from steelyard.models import ladder
try:
    ladder.quantise(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), threads=1)
except SteelyardError as error:
    sys.stderr.write(f"{type(error).__name__}: {error}")
    sys.exit(error.exit_code)
"""


def test_a_disk_that_fills_up_is_one_message_and_leaves_nothing(
    tiny_model: Path, tmp_path: Path
) -> None:
    def small_files() -> None:
        # A limit on file size stands in for a full disk: the write itself fails.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    ended = subprocess.run(
        [sys.executable, "-c", QUANTISE, tiny_model, "Q8_0", tmp_path / "q.gguf"],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "cannot be written" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_killed_quantisation_leaves_no_result_and_the_next_one_clears_up(
    tiny_model: Path, tmp_path: Path
) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    out = tmp_path / "q.gguf"
    # Left to itself the signal kills, and surely in the middle of the file.
    deadly = f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL){QUANTISE}"
    words = [sys.executable, "-c", deadly, str(tiny_model), "Q8_0", str(out)]
    ended = subprocess.run(words, preexec_fn=small_files, check=False)
    assert ended.returncode == -signal.SIGXFSZ
    assert list(tmp_path.glob(".q.gguf.*.part"))
    assert not out.exists()
    ladder.quantise(tiny_model, "Q8_0", out)
    assert [path.name for path in tmp_path.iterdir()] == ["q.gguf"]


def test_no_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    # A sparse source of a terabyte: its header is honest, its quant would need half a terabyte.
    from tests.models.forged import ARCH, key, row, whole

    heads = key("llama.block_count", 4, (1).to_bytes(4, "little"))
    rows = (row("blk.0.attn_q.weight", (1 << 20, 1 << 19), 1, 0),)
    source = tmp_path / "huge.gguf"
    data = whole(ARCH, heads, rows=rows)
    with source.open("wb") as file:
        try:
            file.write(data)
            file.truncate(len(data) + (1 << 40))
        except OSError:
            pytest.skip("this file system has no sparse files of a terabyte")
    with pytest.raises(TooLittleRoom, match="GB are free"):
        ladder.quantise(source, "Q8_0", tmp_path / "out" / "q.gguf")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_bad_input(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadInput, match="cannot be written"):
        ladder.quantise(tiny_model, "Q8_0", tmp_path / "file" / "q.gguf")


FAKE = """#!{python}
import shutil, sys
if {fails}:
    sys.exit("llama_model_quantize: failed to quantize: it did not like it")
shutil.copy({made!r}, sys.argv[-2])
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def program(tools: Path, made: Path, *, fails: bool = False) -> None:
    path = tools / "llama-quantize"
    path.write_text(FAKE.format(python=sys.executable, fails=fails, made=str(made)))
    path.chmod(0o755)


def test_the_native_runtime_runs_llama_quantize(
    tiny_model: Path, tmp_path: Path, tools: Path
) -> None:
    made = ladder.quantise(tiny_model, "Q8_0", tmp_path / "made.gguf")
    program(tools, made)
    out = ladder.quantise(tiny_model, "Q8_0", tmp_path / "q.gguf", runtime="native")
    assert out.read_bytes() == made.read_bytes()


def test_the_native_runtimes_failure_is_told_with_its_words(
    tiny_model: Path, tmp_path: Path, tools: Path
) -> None:
    program(tools, tiny_model, fails=True)
    with pytest.raises(EngineError, match="it did not like it"):
        ladder.quantise(tiny_model, "Q8_0", tmp_path / "q.gguf", runtime="native")
    assert not (tmp_path / "q.gguf").exists()


def test_the_native_runtime_names_the_program_that_is_missing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="llama-quantize on PATH") as refused:
        ladder.quantise(tiny_model, "Q8_0", tmp_path / "q.gguf", runtime="native")
    assert "wheel" in refused.value.hint


def test_a_broken_source_is_unreadable(tmp_path: Path, tiny_model: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_model.read_bytes()[:-1000])
    with pytest.raises(UnreadableModel, match="truncated"):
        ladder.quantise(cut, "Q8_0", tmp_path / "q.gguf")


def contents(path: Path) -> dict[str, tuple[str, bytes]]:
    raw = path.read_bytes()
    return {
        t.name: (t.type.name, raw[t.start : t.start + t.size_bytes])
        for t in gguf.read(path).tensors
    }


def split(source: Path, folder: Path) -> None:
    """Write the source as two shards, with the metadata in the first."""
    header, raw = gguf.read(source), source.read_bytes()
    from steelyard.models import writer

    half = len(header.tensors) // 2
    for number, tensors in enumerate((header.tensors[:half], header.tensors[half:])):
        entries = [entry.raw for entry in header.entries.values()] if number == 0 else []
        entries += [writer.number("split.count", 2), writer.number("split.no", number)]
        rows = [writer.Row(t.name, t.shape, t.type) for t in tensors]
        path = folder / f"tiny-{number + 1:05d}-of-00002.gguf"
        with path.open("wb") as out:
            out.write(writer.header(entries, rows, 32))
            for t in tensors:
                writer.write_weights(out, [raw[t.start : t.start + t.size_bytes]], 32)
    assert len(shards.files_of(folder / "tiny-00002-of-00002.gguf")) == 2
