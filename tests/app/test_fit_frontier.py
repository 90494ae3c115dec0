"""`models frontier` as a user runs it, on the wheel's llama.cpp: what fits is found and proved."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.app import bench_stage
from tests.app.bench_stage import Bench
from tests.models import small_shapes

from steelyard.app import subjects
from steelyard.app.profiles import files
from steelyard.domain.reading import Measured
from steelyard.models import gguf, synth
from steelyard.store.database import Store
from steelyard.store.records import read_record

FAST = ("--context", "512", "--min-speed", "0.5")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


@pytest.fixture
def mixture(bench: Bench) -> Path:
    """A folder with two quants of a small mixture of experts."""
    words = gguf.read(subjects.bundled("base.gguf"))
    folder = bench.work / "ladder"
    folder.mkdir()
    for quant in ("Q8_0", "Q4_K_M"):
        synth.write(synth.plan(small_shapes.MIXTURE, quant, words), folder)
    return folder


def search(bench: Bench, *words: object) -> tuple[int, str, str]:
    argv = [str(word) for word in words]
    return bench.ask("models", "frontier", *argv, "--folder", str(bench.work / "runs"))


def found(bench: Bench) -> dict[str, Any]:
    text = (bench.work / "runs" / "frontier.json").read_text(encoding="utf-8")
    answer: dict[str, Any] = json.loads(text)
    return answer


def states(bench: Bench) -> dict[str, str]:
    return {cell["name"]: cell["state"] for cell in found(bench)["cells"]}


def test_the_winner_is_run_twice_with_its_context_full_and_becomes_a_profile(
    bench: Bench, mixture: Path
) -> None:
    code, out, err = search(bench, mixture, *FAST, "--kv", "f16,q8_0/q4_0", "--budget", "600s")
    assert code == 0, out + err
    answer = found(bench)
    assert (answer["winner"], answer["confirmed"]) == ("Q8_0, kv f16", True)
    assert "random weights" in answer["quality"]
    assert [cell["name"] for cell in answer["cells"]] == [
        "Q8_0, kv f16",
        "Q8_0, kv q8_0/q4_0",
        "Q4_K_M, kv f16",
        "Q4_K_M, kv q8_0/q4_0",
    ]
    winner = answer["cells"][0]
    # Filled to the last token, by the server's own count.
    assert [run["context_tokens_filled"] for run in winner["runs"]] == [512, 512]
    assert all(
        run["memory_bytes"] > winner["foreseen"]["memory_bytes"] / 2 for run in winner["runs"]
    )
    records = [read_record(path.parent) for path in (bench.work / "runs").glob("*/record.json")]
    assert len(records) == 5
    full = [record.sections[-1].attempts[-1] for record in records]
    assert all(isinstance(one.usage, Measured) for one in full)
    with Store(bench.home / "steelyard.db") as store:
        assert {row.id for row in store.runs()} == {record.id for record in records}
    profile = files.read(bench.home / "engine-profiles" / "ladder-fit.yaml")
    assert profile.settings["context_tokens"] == 512
    head = profile.path.read_text(encoding="utf-8")
    assert "With 512 tokens of context full" in head
    assert "in two runs" in head
    assert "Not searched: GPU layers (" in out


def test_what_surely_does_not_fit_is_ruled_out_with_the_reason_and_nothing_is_started(
    bench: Bench, mixture: Path
) -> None:
    code, out, err = search(bench, mixture, *FAST, "--memory", "1MB")
    assert (code, "Nothing fits" in out) == (1, True), err
    assert set(states(bench).values()) == {"out"}
    assert "ruled out: Q8_0, kv f16: at least" in out
    assert "Nearest, by what is foreseen: Q4_K_M" in out
    assert not list((bench.work / "runs").glob("*/record.json"))
    assert not (bench.home / "engine-profiles").exists()


def test_a_limit_of_bits_rules_out_before_anything_is_measured(bench: Bench, mixture: Path) -> None:
    code, out, _ = search(bench, mixture, *FAST, "--min-bpw", "6", "--min-speed", "1000000")
    assert code == 1
    assert states(bench)["Q4_K_M, kv f16"] == "out"
    assert "5.18 bits per weight, and 6 are wanted" in out
    # What is too slow with an empty context is not filled; of three, one look at least is timed.
    looked = [cell for cell in found(bench)["cells"] if cell["state"] == "short"]
    assert len(looked) == 3
    assert 0 in {run["context_tokens_filled"] for cell in looked for run in cell["runs"]}
    assert "with an empty context, and 1e+06 are wanted" in out
    assert "Nearest: Q8_0" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bundled", "--kv", "q9"), "'q9' names no types of a cache"),
        (("bundled", "--kv", "f16/q3_k"), "no type of cache 'q3_k'"),
        (("bundled", "--context", "8k"), "was trained for 4,096 tokens"),
        (("bundled", "--context", "64"), "too little to fill"),
        (("bundled", "--draft", "nobody"), "no model 'nobody'"),
        (("bundled", "--gpu-layers", "some"), "'some' is no number of layers"),
        (("bundled", "--gpu-layers", "all"), "can compute on no GPU here"),
        (("bundled", "--quants", "Q9"), "no quant 'Q9'"),
        (("bundled", "--min-speed", "nan"), "'nan' is no number"),
        (("bundled@scripted",), "turns settings of llama.cpp"),
        (("http://127.0.0.1:1",), "is the address of a server"),
        (("bundled", "--out", "x.txt"), "is no YAML file"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(
    bench: Bench, words: tuple[str, ...], message: str
) -> None:
    code, out, err = search(bench, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert not (bench.work / "runs").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("slots: 4", "has 4 slots, and a fit frontier is for one"),
        ("context_tokens: 1024", "both say how much context there is"),
        ("draft_model: bundled", "name it with --draft instead"),
    ],
)
def test_an_engine_profile_that_says_what_is_searched_otherwise_is_refused(
    bench: Bench, line: str, message: str
) -> None:
    folder = bench.home / "engine-profiles"
    folder.mkdir()
    (folder / "mine.yaml").write_text(f"engine: llamacpp\n{line}\n")
    code, _, err = search(bench, "bundled@llamacpp/mine", "--context", "512")
    assert code == 2
    assert message in err


def test_a_draft_of_another_vocabulary_is_refused(bench: Bench, mixture: Path) -> None:
    code, _, err = search(bench, mixture, "--draft", "bundled")
    assert (code, "means nothing to the other" in err) == (2, True)


@pytest.mark.full
def test_quality_is_weighed_made_quants_are_kept_and_a_draft_is_tried(bench: Bench) -> None:
    words = ("--quants", "Q8_0,Q2_K", "--kv", "f16,q4_0", "--draft", "bundled", "--budget", "150s")
    code, out, err = search(bench, "bundled", *FAST, *words, "--max-kld", "0.02")
    assert code == 0, out + err
    answer = found(bench)
    assert answer["quality"].startswith("KL divergence")
    cells = {cell["name"]: cell for cell in answer["cells"]}
    assert answer["winner"] == "Q8_0, kv f16"
    assert 0 < cells["Q8_0, kv f16"]["kld"] < cells["Q8_0, kv q4_0"]["kld"]
    assert cells["Q2_K, kv f16"]["state"] == "out"
    assert "KLD" in cells["Q2_K, kv f16"]["why"]
    drafted = cells["Q8_0, kv f16, draft"]
    assert drafted["runs"][0]["context_tokens_filled"] == 512
    assert drafted["runs"][0]["memory_bytes"] > cells["Q8_0, kv f16"]["runs"][0]["memory_bytes"]
    made = bench.work / "runs" / "models" / "bundled-Q8_0.gguf"
    name = "bundled-fit"
    again = bench.run(f"{made}@llamacpp/{name}", "--requests", "2", *bench_stage.SHORT)
    assert again.code == 0, again.err


@pytest.mark.full
def test_an_interrupt_keeps_the_cells_that_were_run_and_leaves_no_process(
    bench: Bench, mixture: Path
) -> None:
    runs = bench.work / "runs"
    argv = [*bench.argv()[:3], "models", "frontier", str(mixture), "--context", "4k"]
    argv += ["--min-speed", "0.5", "--budget", "100s", "--folder", str(runs)]
    process = subprocess.Popen(
        argv, env=bench.env, cwd=bench.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 60
    # In the third cell the short look has been answered, and its context is being filled.
    while time.monotonic() < end and not any(
        path.stat().st_size for path in runs.glob("003-*/spool*")
    ):
        time.sleep(0.02)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"the search was interrupted" in err
    assert not psutil.wait_procs(started, timeout=10)[1]
    answer = found(bench)
    assert answer["ended"] == "interrupted"
    assert answer["winner"] == "Q8_0, kv f16"
    assert (bench.home / "engine-profiles" / "ladder-fit.yaml").exists()
    assert any(cell["why"] == "interrupted before it" for cell in answer["cells"])
    outcomes = [read_record(path.parent).outcome for path in sorted(runs.glob("*/record.json"))]
    assert outcomes == ["completed", "completed", "cancelled"]
