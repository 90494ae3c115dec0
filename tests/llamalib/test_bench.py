"""Raw speed: llama-bench's answers read field by field, the wheel's loop, the program on PATH."""

from __future__ import annotations

import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import BadInput, EngineError, UnreadableModel
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.serverside import Sidecar
from steelyard.domain.subject import Artifact, EngineProfile
from steelyard.llamalib import bench
from steelyard.llamalib.bench import Plan

ARTIFACT = Artifact("tiny.gguf", "gguf", "ab" * 32)
PLAN = Plan(threads=2, prompt=64, output=8, depths=(0, 32), repeats=2)


def row(prompt: int, output: int, depth: int, **changes: Any) -> dict[str, Any]:
    """Return one test as llama-bench's JSON has it (fields of build 6500 and later)."""
    found: dict[str, Any] = {
        "build_commit": "3de008208",
        "build_number": 6503,
        "cpu_info": "AMD Ryzen 7",
        "gpu_info": "",
        "backends": "CPU",
        "model_filename": "models/tiny.gguf",
        "model_type": "llama ?B F16",
        "model_size": 7873536,
        "model_n_params": 3934464,
        "n_batch": 2048,
        "n_ubatch": 512,
        "n_threads": 2,
        "cpu_mask": "0x0",
        "type_k": "f16",
        "type_v": "f16",
        "n_gpu_layers": 0,
        "flash_attn": False,
        "n_prompt": prompt,
        "n_gen": output,
        "n_depth": depth,
        "test_time": "2026-01-05T10:00:00Z",
        "avg_ns": 10_000_000,
        "stddev_ns": 100_000,
        "avg_ts": 1500.0,
        "stddev_ts": 100.0,
        "samples_ns": [1, 2],
        "samples_ts": [1400.0, 1600.0],
    }
    found.update(changes)
    return {name: value for name, value in found.items() if value is not ...}


def rows(**changes: Any) -> list[dict[str, Any]]:
    """Return all tests of the plan, the first of them changed."""
    keys = [test.key for test in PLAN.tests()]
    return [row(*keys[0], **changes), *(row(*key) for key in keys[1:])]


def read(raw: object, *, context: int = 1024) -> Sidecar:
    text = raw if isinstance(raw, str) else json.dumps(raw)
    return bench.read(text, ARTIFACT, PLAN, "llama-bench", context=context)


def test_a_whole_answer_is_ok_and_every_number_is_the_engines() -> None:
    found = read(rows())
    assert found.state == "OK"
    assert [s.name for s in found.speeds] == ["pp64", "pp64@d32", "tg8", "tg8@d32"]
    assert [s.ours for s in found.speeds] == ["prompt_tps"] * 2 + ["output_tps"] * 2
    first = found.speeds[0]
    assert first.mean_tps == Measured(1500.0, "engine")
    assert first.sd_tps == Measured(100.0, "engine")
    assert first.samples_tps == (1400.0, 1600.0)
    assert found.build == "6503 3de008208"
    assert found.fields["gpu_info"].state == "NOT_APPLICABLE"
    assert found.fields["cpu_info"].text == "AMD Ryzen 7"
    assert {f.state for f in found.fields.values()} == {"OK", "NOT_APPLICABLE"}
    assert found.speed("tg8") == Measured(1500.0, "engine")
    assert isinstance(found.speed("pg8"), Missing)


@pytest.mark.parametrize(
    ("changes", "state", "detail"),
    [
        ({"stddev_ts": ...}, "OPTIONAL_FIELD_MISSING", "stddev_ts"),
        ({"samples_ts": ...}, "OPTIONAL_FIELD_MISSING", "samples_ts"),
        ({"avg_ts": ...}, "OPTIONAL_FIELD_MISSING", "avg_ts"),
        ({"avg_ts": ..., "samples_ts": ...}, "REQUIRED_FIELD_MISSING", "neither"),
        ({"n_depth": 7}, "REQUIRED_FIELD_MISSING", "no test pp64"),
        ({"avg_ts": "fast"}, "PARSE_ERROR", "fast"),
        ({"avg_ts": 0}, "PARSE_ERROR", "no speed"),
        ({"avg_ts": float("nan")}, "PARSE_ERROR", "no speed"),
        ({"samples_ts": 3}, "PARSE_ERROR", "iterable"),
        ({"samples_ts": [], "avg_ts": ...}, "PARSE_ERROR", "cannot be read"),
        ({"stddev_ts": -1}, "PARSE_ERROR", "stddev_ts"),
    ],
)
def test_what_an_answer_lacks_is_a_state_of_that_test_alone(
    changes: dict[str, Any], state: str, detail: str
) -> None:
    found = read(rows(**changes))
    assert found.speeds[0].state == state
    assert detail in found.speeds[0].detail
    assert {speed.state for speed in found.speeds[1:]} == {"OK"}
    assert found.state == state
    if state in {"PARSE_ERROR", "REQUIRED_FIELD_MISSING"}:
        reason = found.speeds[0].mean_tps
        assert isinstance(reason, Missing)
        assert reason.code == state.lower()


@pytest.mark.parametrize("text", ["", "oops", '{"n_prompt": 1}', "[1]", '[{"n_gen": 1}]', "3"])
def test_an_answer_that_is_no_answer_is_a_parse_error_everywhere(text: str) -> None:
    found = read(text)
    assert found.state == "PARSE_ERROR"
    assert {speed.state for speed in found.speeds} == {"PARSE_ERROR"}
    assert "not llama-bench's JSON" in found.detail


def test_a_fact_that_is_not_told_is_optional() -> None:
    found = read([row(*test.key, cpu_info=..., build_commit=None) for test in PLAN.tests()])
    assert found.state == "OK"
    assert found.fields["cpu_info"].state == "OPTIONAL_FIELD_MISSING"
    assert found.build == "6503"


def test_one_repetition_has_a_mean_and_no_spread() -> None:
    found = read(rows(samples_ts=[1500.0], stddev_ts=0.0))
    assert isinstance(found.speeds[0].sd_tps, Missing)
    assert found.speeds[0].state == "OK"


def test_a_depth_beyond_the_model_is_not_applicable_and_spoils_nothing() -> None:
    found = read(rows(), context=70)
    states = {speed.name: speed.state for speed in found.speeds}
    assert states == {"pp64": "OK", "pp64@d32": "NOT_APPLICABLE", "tg8": "OK", "tg8@d32": "OK"}
    assert found.state == "OK"
    assert "96 tokens, the model has 70" in found.speeds[1].detail


def test_the_wheels_loop_times_every_test_and_answers_in_llama_benchs_words(
    tiny_model: Path,
) -> None:
    seen: list[tuple[int, int]] = []
    batches = EngineProfile(batch_tokens=256, micro_batch_tokens=128)
    found = bench.measure(
        tiny_model,
        ARTIFACT,
        Plan(threads=1, prompt=600, output=8, depths=(0, 64), repeats=3, profile=batches),
        "wheel",
        context=1024,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found.state == "OK"
    assert seen == [(n, 12) for n in range(1, 13)]
    for speed in found.speeds:
        assert len(speed.samples_tps) == 3
        assert isinstance(speed.mean_tps, Measured)
        assert speed.mean_tps.source == "client"
        assert speed.mean_tps.value == pytest.approx(statistics.fmean(speed.samples_tps))
        assert isinstance(speed.sd_tps, Measured)
        assert speed.sd_tps.value == pytest.approx(statistics.stdev(speed.samples_tps))
    assert found.build.startswith("xllamacpp ")
    assert found.fields["model_n_params"].state == "OK"
    assert found.fields["flash_attn"].text == "False"
    assert found.fields["n_batch"].text == "256"


def test_the_childs_errors_are_raised_as_what_they_are(tmp_path: Path, tiny_model: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUFnonsense")
    with pytest.raises(UnreadableModel, match=r"broken\.gguf"):
        bench.measure(broken, ARTIFACT, PLAN, "wheel", context=1024)
    for nothing in (
        Plan(threads=1, prompt=0, output=0),
        Plan(threads=1, depths=()),
        Plan(threads=0),
        Plan(threads=1, repeats=0),
    ):
        with pytest.raises(BadInput, match="nothing to time"):
            bench.measure(tiny_model, ARTIFACT, nothing, "wheel", context=1024)


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program named llama-bench first on PATH."""
    program = folder / "llama-bench"
    program.write_text(f"#!{sys.executable}\nimport json, sys\nargv = sys.argv[1:]\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


ANSWER = """
def of(flag):
    return argv[argv.index(flag) + 1]
rows = [dict(n_prompt=int(of("-p")), n_gen=int(of("-n")), n_depth=int(depth), stddev_ts=0.5,
             avg_ts=float(depth) + 1, samples_ts=[float(depth) + 1] * int(of("-r")),
             cpu_info=" ".join(argv))
        for depth in of("-d").split(",")]
print(json.dumps(rows))
"""


def test_llama_bench_on_path_is_asked_for_what_fits_with_the_profiles_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path, monkeypatch, ANSWER)
    assert bench.program("auto") == bench.program("native") == "llama-bench"
    assert bench.program("wheel") == "wheel"
    profile = EngineProfile(flash_attention=True, kv_type="q8_0", gpu_layers=7)
    plan = Plan(threads=3, prompt=64, output=8, depths=(0, 32), repeats=2, profile=profile)
    found = bench.measure(Path("m.gguf"), ARTIFACT, plan, "llama-bench", context=70)
    means = {s.name: s.mean_tps.value for s in found.speeds if isinstance(s.mean_tps, Measured)}
    assert means == {"pp64": 1.0, "tg8": 1.0, "tg8@d32": 33.0}
    argv = found.fields["cpu_info"].text
    for words in ("-t 3", "-ngl 7", "-fa 1", "-ctk q8_0", "-ctv q8_0", "-r 2", "-d 0 ", "-o json"):
        assert words in f"{argv} ", words


def test_llama_bench_that_fails_is_an_engine_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path, monkeypatch, "sys.exit('error: invalid parameter for argument: -d')")
    with pytest.raises(EngineError, match="invalid parameter") as caught:
        bench.measure(Path("m.gguf"), ARTIFACT, PLAN, "llama-bench", context=1024)
    assert "wheel" in caught.value.hint


def test_llama_bench_that_prints_something_else_is_a_parse_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path, monkeypatch, "print('| model | size |')")
    found = bench.measure(Path("m.gguf"), ARTIFACT, PLAN, "llama-bench", context=1024)
    assert found.state == "PARSE_ERROR"


def test_without_the_program_native_is_refused_and_auto_takes_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench.program("auto") == "wheel"
    with pytest.raises(BadInput, match="llama-bench on PATH"):
        bench.program("native")
