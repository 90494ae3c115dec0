"""MLX and Transformers for real: installed, fed with the exported bundled model, weighed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.llamalib import tiny

from steelyard.app import subjects
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import api, environments, host
from steelyard.engines.wires import openai
from steelyard.models import artifacts
from steelyard.runs import proofs
from steelyard.runs.places import place_for

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("other_engines")]
ENGINES = ("mlx", "transformers")


def steelyard(home: Path, *words: str | Path, expect: int = 0) -> str:
    """Run the command line as a user does; return what it printed."""
    command = [sys.executable, "-m", "steelyard.cli.main", *map(str, words)]
    env = {**os.environ, "STEELYARD_HOME": str(home)}
    done = subprocess.run(
        command, env=env, cwd=home, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with both engines and the bundled model as a folder of safetensors."""
    folder = tmp_path_factory.mktemp("home")
    said = steelyard(folder, "engines", "install", *ENGINES)
    assert "mlx is installed: mlx-lm" in said
    assert "transformers is installed: transformers" in said
    steelyard(
        folder, "models", "export", "bundled", "--format", "safetensors", "--out", folder / "model"
    )
    return folder


def test_a_second_install_does_nothing_and_the_list_shows_versions(home: Path) -> None:
    assert "is installed already" in steelyard(home, "engines", "install", "mlx")
    listed = json.loads(steelyard(home, "engines", "list", "--json"))
    assert listed["environments"]["mlx"].startswith("mlx-lm ")
    assert "torch 2.13.0" in listed["environments"]["transformers"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bench_of_a_folder_is_a_bench_like_any_other(home: Path, engine: str) -> None:
    out = home / f"bench-{engine}"
    said = steelyard(
        home,
        *("bench", f"{home / 'model'}@{engine}", "--requests", "20", "--out", out),
        *("--prompts", "synthetic:in=64,out=24"),
    )
    assert "What was found" in said
    record = json.loads((out / "record.json").read_text())
    (section,) = record["sections"]
    assert record["outcome"] == "completed"
    assert len(section["attempts"]) == 20
    usages = [attempt["usage"]["value"] for attempt in section["attempts"]]
    assert {usage["output_tokens"] for usage in usages} == {24}  # lengths are met exactly
    applied = {control["name"]: control["applied"] for control in record["controls"]}
    assert applied["seed"]["value"] == str(record["spec"]["controls"]["seed"])
    passed = {proof["name"]: proof["passed"] for proof in record["proofs"]}
    assert passed["model file"]
    assert passed["file"]
    assert passed["arithmetic"]
    assert (out / "report.html").is_file()


def test_three_engines_get_the_same_prompts_and_give_the_same_answers(home: Path) -> None:
    out = home / "compare"
    said = steelyard(
        home,
        *("engines", "compare", "bundled@llamacpp", "model@mlx", "model@transformers"),
        *("--prompts", "8", "--out", out),
    )
    assert "(reference)" in said
    found = json.loads((out / "compare.json").read_text())
    assert found.get("differs", []) == []
    first, *others = found["engines"]
    assert first["run_id"]
    for row in others:
        # In half precision one answer may part late; the words of most are the same.
        assert row["agrees"]["value"]["identical"] >= 6, row["agrees"]
        assert row.get("miscounted", 0) == 0
    assert (out / "compare.md").read_text().startswith("# Engines on the same prompts")


def test_another_template_refuses_the_comparison_and_shows_where(home: Path) -> None:
    other = home / "other"
    steelyard(home, "models", "export", "bundled", "--format", "safetensors", "--out", other)
    path = other / "tokenizer_config.json"
    config = json.loads(path.read_text())
    assert "<|im_end|>\n" in config["chat_template"]
    config["chat_template"] = config["chat_template"].replace("<|im_end|>\n", "<|im_end|>\n\n")
    path.write_text(json.dumps(config))
    said = steelyard(
        home,
        *("engines", "compare", "bundled", "other@mlx", "--prompts", "2", "--out", home / "no"),
        expect=1,
    )
    assert "These engines do not get the same prompt" in said
    assert "chat template:" in said
    assert "tokens of prompt 1, from position" in said
    assert "engines" not in json.loads((home / "no" / "compare.json").read_text())


def test_mlx_quantises_and_serves_what_it_quantised(home: Path) -> None:
    said = steelyard(
        home,
        *("models", "export", "bundled", "--format", "mlx", "--bits", "4", "--out", "four"),
    )
    assert "MLX4" in said
    out = home / "bench-four"
    steelyard(
        home,
        *("bench", "four@mlx", "--requests", "3", "--prompts", "synthetic:in=32,out=8"),
        *("--out", out),
    )
    assert json.loads((out / "record.json").read_text())["outcome"] == "completed"
    said = steelyard(home, "bench", "four@transformers", "--requests", "3", expect=2)
    assert "transformers loads safetensors; 'four' is mlx" in said


def greedy(engine: str, model: Path, folder: Path) -> tuple[list[int], str]:
    """Return the prompt's tokens and a greedy answer of exactly eight tokens."""
    artifact = artifacts.fingerprint(model)
    runtime = "wheel" if engine == "llamacpp" else environments.ENVIRONMENT
    subject = Subject(artifact, engine, runtime, EngineProfile(context_tokens=512))
    place = place_for(subject, folder, {artifact.sha256: model})
    request = GenerationRequest(
        (Message("user", "hello there, old friend"),), max_tokens=8, exact_tokens=True, stream=False
    )
    with host.start(api.dialect(engine), subject, Controls(threads=1), place) as running:
        facts = running.prompt_facts(request)
        answer: Any = running.ask(running.dialect.encode(request))
    assert isinstance(facts.tokens, Measured)
    return list(facts.tokens.value), openai.as_object(answer["choices"][0]["message"])["content"]  # type: ignore[index]


@pytest.mark.parametrize("engine", ENGINES)
def test_grouped_heads_and_an_untied_output_are_exported_right(
    home: Path, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights in single precision: a row in a wrong place changes the answer at once."""
    monkeypatch.setenv("STEELYARD_HOME", str(home))
    shape = tiny.Shape(tied=False)
    model = tiny.write(tmp_path / "tiny.gguf", shape, dtype=np.float32)
    steelyard(
        home, "models", "export", model, "--format", "safetensors", "--out", tmp_path / "tiny-hf"
    )
    tokens, text = greedy("llamacpp", model, tmp_path / "a")
    others, said = greedy(engine, tmp_path / "tiny-hf", tmp_path / "b")
    assert tokens == others
    assert said.strip() == text.strip()


def test_two_engines_do_not_take_turns_on_two_prompts(home: Path) -> None:
    other = home / "turns"
    steelyard(home, "models", "export", "bundled", "--format", "safetensors", "--out", other)
    path = other / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["chat_template"] = config["chat_template"].replace("<|im_end|>\n", "<|im_end|>\n\n")
    path.write_text(json.dumps(config))
    short = ("--requests", "8", "--prompts", "synthetic:in=32,out=4")
    said = steelyard(
        home,
        *("bench", "bundled", "--compare", "turns@mlx", *short, "--out", home / "refused"),
        expect=2,
    )
    assert "do not get the same prompt" in said
    assert "chat template:" in said
    for side in ("a", "b"):
        record = json.loads((home / "refused" / side / "record.json").read_text())
        assert not record["sections"]
    said = steelyard(
        home, "bench", "bundled", "--compare", "model@mlx", *short, "--out", home / "taken"
    )
    assert "do not get the same prompt" not in said


@pytest.mark.parametrize(
    ("engine", "words", "said"),
    [
        ("mlx", "[--kv-bit, 8]", "did you mean --kv-bits?"),
        ("transformers", "[--continous-batching]", "did you mean --continuous-batching?"),
        ("mlx", "[--port, 8]", "--port is already said by the run's place"),
        ("mlx", "[--kv-bits, 8]", ""),
    ],
)
def test_words_for_an_engine_are_looked_up_in_its_own_help(
    home: Path, engine: str, words: str, said: str
) -> None:
    profile = home / "words.yaml"
    profile.write_text(f"engine: {engine}\nextra_args: {words}\n")
    told = steelyard(home, "engines", "profiles", "check", profile, expect=2 if said else 0)
    assert said in told


@pytest.mark.parametrize("engine", ENGINES)
def test_its_arithmetic_is_proved_and_a_wrong_rotation_is_found(
    home: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(home))
    assert "right logits. 923 positions" in steelyard(home, "engines", "check", engine)
    wrong = home / f"wrong-{engine}"
    steelyard(home, "models", "export", "bundled", "--format", "safetensors", "--out", wrong)
    config = json.loads((wrong / "config.json").read_text())
    config["rope_theta"] = config.get("rope_theta", 10_000.0) * 1.1
    if "rope_parameters" in config:
        config["rope_parameters"]["rope_theta"] *= 1.1
    (wrong / "config.json").write_text(json.dumps(config))
    found = proofs.prove_engine(
        Subject(artifacts.fingerprint(wrong), engine, environments.ENVIRONMENT),
        wrong,
        subjects.bundled("proof.json"),
        lambda named, model: place_for(named, home / engine, {named.artifact.sha256: model}),
        Controls(threads=1),
        lambda _event: None,
    )
    assert isinstance(found, Measured)
    assert not found.value.passed


def swept(out: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a finished sweep by label, the A/A row left out."""
    summary = json.loads((out / "sweep_summary.json").read_text())
    assert summary["schema_version"] == 1
    return {r["variant"]["label"]: r for r in summary["per_quant"] if r["role"] != "aa"}


SMALL = ("--items", "3", "--repeats", "1", "--include-polluted", "--yes")


def test_a_sweep_has_mlx_make_the_ladder_of_a_folder(home: Path) -> None:
    out = home / "sweep-mlx"
    words = ("--engine", "mlx", "--quants", "8,4")
    command = [sys.executable, "-m", "steelyard.cli.main", "sweep", str(home / "model"), *words]
    env = {**os.environ, "STEELYARD_HOME": str(home)}
    done = subprocess.run(
        [*command, *SMALL, "--out", str(out)],
        env=env,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    # So few items decide nothing: none need qualify.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    rows = swept(out)
    assert [*rows] == ["F16", "MLX8", "MLX4"]
    assert {row["outcome"] for row in rows.values()} == {"completed"}
    assert rows["MLX4"]["variant"]["artifact"]["format"] == "mlx"
    sizes = [row["variant"]["facts"]["file_bpw"] for row in rows.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert all("value" in row["memory_bytes"] for row in rows.values())
    assert rows["MLX8"]["fidelity"]["missing"] == "not_measured"
    assert "only GGUF files" in rows["MLX8"]["fidelity"]["detail"]


def test_a_sweep_weighs_folders_that_are_there_on_transformers(home: Path) -> None:
    ladder, out = home / "ladder", home / "sweep-transformers"
    for name in ("one", "two"):
        shutil.copytree(home / "model", ladder / name)
    config = ladder / "two" / "generation_config.json"
    config.write_text(config.read_text() + "\n")  # other bytes, the same model
    words = (f"{ladder}@transformers", *SMALL, "--out", str(out))
    done = subprocess.run(
        [sys.executable, "-m", "steelyard.cli.main", "sweep", *words],
        env={**os.environ, "STEELYARD_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    rows = swept(out)
    assert [*rows] == ["F16 (one)", "F16 (two)"]
    verdict = rows["F16 (two)"]["verdict"]["value"]
    assert (verdict["flips_lost"], verdict["flips_won"]) == (0, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model", "--engine", "transformers"), "no quantiser"),
        (("model@mlx", "--quants", "9"), "MLX quantises to so many bits"),
        (("model@mlx", "--requantise"), "--requantise is for GGUF files"),
        (("model@mlx", "--runtime", "native"), "mlx has an environment"),
        (("model",), "model@mlx or model@transformers"),
        (("bundled@mlx",), "models export"),
    ],
)
def test_what_a_folder_cannot_be_is_said(home: Path, words: tuple[str, ...], said: str) -> None:
    assert said in steelyard(home, "sweep", *words, "--dry-run", expect=2)
