"""Engine profiles and devices on the real engine: what was asked reaches it and is read back."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app import bench_stage
from tests.app.bench_stage import Bench

from steelyard.domain.reading import Measured
from steelyard.domain.run import AppliedControl, RunRecord
from steelyard.store.records import read_record

QUICK = ("--requests", "4", "--prompts", "synthetic:in=32,out=4")
PROFILE = """engine: llamacpp
context_tokens: 1024
slots: 2
threads: 2
batch_tokens: 128
micro_batch_tokens: 32
kv_type: q8_0
kv_type_v: q4_0
flash_attention: true
gpu_layers: 0
extra_args: [--poll, "0"]
draft_model: bundled
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        write(made, "mine", PROFILE)
        yield made


def write(bench: Bench, name: str, text: str) -> None:
    folder = bench.home / "engine-profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)


def controls(record: RunRecord) -> dict[str, AppliedControl]:
    return {control.name: control for control in record.controls}


def test_every_setting_of_a_profile_reaches_the_engine_and_a_control_overrides_it(
    bench: Bench,
) -> None:
    done = bench.run("bundled@llamacpp/mine", *QUICK, "--threads", "1", "--device", "cpu")
    assert done.code == 0, done.err
    record = read_record(done.folder)
    assert record.engine_profile == "mine"
    profile = record.spec.subject.profile
    assert (profile.context_tokens, profile.slots, profile.kv_type_v) == (1024, 2, "q4_0")
    found = controls(record)
    in_force = {
        name: control.applied.value
        for name, control in found.items()
        if isinstance(control.applied, Measured)
    }
    wanted = {"context_tokens": "1024", "slots": "2", "batch_tokens": "128"}
    wanted |= {"micro_batch_tokens": "32", "kv_type": "q8_0", "kv_type_v": "q4_0"}
    wanted |= {"flash_attention": "on", "draft_model": "on", "device": "cpu", "threads": "1"}
    assert in_force.items() >= wanted.items()
    assert (found["threads"].asked, found["threads"].overrides) == ("1", "2")
    codes = {caution.code for caution in record.cautions}
    assert "MISSING_EXPERIMENTAL_CONTROLS" not in codes
    report = html.unescape((done.folder / "report.html").read_text())
    assert "asked: 1, over the engine profile's 2" in report
    code, shown, _ = bench.ask("results", "show", record.id)
    assert code == 0
    assert "profile   mine: context_tokens 1024" in shown
    assert "threads: asked 1 (engine profile: 2), in force 1" in shown


def test_the_threads_of_a_profile_hold_where_none_are_typed(bench: Bench) -> None:
    done = bench.run("bundled@llamacpp/mine", *QUICK)
    threads = controls(read_record(done.folder))["threads"]
    assert (threads.asked, threads.overrides) == ("2", None)
    assert threads.applied == Measured("2", "engine")


def test_after_it_has_loaded_the_engine_logs_no_more_than_was_asked_for(bench: Bench) -> None:
    done = bench.run("bundled", *QUICK)
    loading, _, serving = (done.folder / "engine.log").read_text().partition("steelyard: serving")
    assert "llama_context: n_batch" in loading
    # At the verbosity of the load, each request would write some twenty lines.
    assert "sampler chain" not in serving
    assert serving.count("\n") < 100


def test_a_profile_that_gives_too_little_context_is_refused_with_its_line(bench: Bench) -> None:
    write(bench, "small", "engine: llamacpp\n\ncontext_tokens: 256\n")
    done = bench.run("bundled@llamacpp/small", "--prompts", "synthetic:in=512,out=64")
    assert done.code == 2
    assert "needs 768 tokens of context, and engine profile small gives 256" in done.err
    assert "line 3" in done.err
    assert not done.folder.exists()


def test_a_profile_that_asks_for_more_than_the_model_was_trained_for_is_refused(
    bench: Bench,
) -> None:
    done = bench.run("bundled@llamacpp/llamacpp-high-ctx", *QUICK)
    assert done.code == 2
    assert "llamacpp-high-ctx asks for 32,768" in done.err


def test_fewer_slots_than_requests_at_a_time_are_said(bench: Bench) -> None:
    words = ("--concurrency", "4", "--requests", "8", "--prompts", "synthetic:in=32,out=4")
    done = bench.run("bundled@llamacpp/mine", *words)
    assert done.code == 0, done.err
    assert "2 slots and the work sends 4 requests at a time" in done.err


def test_a_sweep_plans_with_the_profile(bench: Bench) -> None:
    write(bench, "mine", PROFILE.replace("1024", "3072"))
    words = ("sweep", "bundled@llamacpp/mine", "--quants", "Q8_0", "--dry-run", "--json", "--yes")
    code, out, err = bench.ask(*words)
    assert code == 0, err
    spec = json.loads(out)["cells"][0]["spec"]
    profile = spec["subject"]["profile"]
    assert (profile["kv_type"], profile["context_tokens"], profile["slots"]) == ("q8_0", 3072, 2)
    assert "threads" not in spec.get("controls", {})
    code, _, err = bench.ask(*words, "--context", "3072")
    assert code == 2
    assert "both say how much context" in err


@pytest.mark.full
def test_a_sweep_runs_with_the_profile_to_its_end(bench: Bench) -> None:
    text = PROFILE.replace("context_tokens: 1024\n", "").replace("threads: 2\n", "")
    write(bench, "mine", text)
    folder = bench.work / "sweep"
    words = ("sweep", "bundled@llamacpp/mine", "--quants", "Q8_0", "--repeats", "1")
    code, out, err = bench.ask(*words, "--items", "8", "--device", "cpu", "--out", str(folder))
    assert code in (0, 1, 3), err  # what such a short one finds is another matter
    records = [read_record(path.parent) for path in folder.rglob("record.json")]
    assert records, out + err
    for record in records:
        assert record.outcome == "completed", record.reason
        assert record.engine_profile == "mine"
        assert controls(record)["kv_type"].applied == Measured("q8_0", "engine")
