"""`engines offload`: a planted law of layers comes back, on made-up GPUs; without any it skips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.app import gpu_stage
from tests.app.doors import kept
from tests.app.gpu_stage import MIB_A_LAYER

from steelyard.scripted.plan import Plan

# A token takes 2 ms, and 1 ms more for each of the 9 layers (output and all) beside the GPU.
BESIDE_S, ON_GPU_S, ALL = 0.001, 0.002, 9
QUICK = ("--rounds", "3", "--prompt", "32", "--output", "16", "--requests", "3")


def gap_s(layers: int) -> float:
    return ON_GPU_S + BESIDE_S * (ALL - layers)


def law(*layers: int) -> Plan:
    levels = {
        str(each): {"gap_s": gap_s(each), "prefill_s_per_token": gap_s(each) / 20}
        for each in layers
    }
    return Plan(ttft_s=0.0, gap_s=gap_s(0), gpu_layers=levels)


def inside(estimate: Any, truth: float, beside: float = 0.01) -> bool:
    """Say whether the interval holds the truth, but for the client's own error."""
    low, high = estimate["low"]["value"], estimate["high"]["value"]
    return bool(low - beside * truth <= truth <= high + beside * truth)


@pytest.mark.full
def test_a_planted_law_comes_back_within_its_intervals_and_is_called_simulated(
    tmp_path: Path,
) -> None:
    here = gpu_stage.machine(tmp_path, law(0, 4, ALL))
    subject = f"{here.model}@scripted"
    done = here.run(
        *("engines", "offload", subject, "--layers", "0,4,all", *QUICK, "--out", "out", "--json")
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found == json.loads((tmp_path / "out" / "offload.json").read_text())
    assert found["simulated"] is True
    levels = found["levels"]
    assert [level["layers"] for level in levels] == [0, 4, ALL]
    for level in levels:
        truth = 1 / gap_s(level["layers"])
        assert level["rounds"] == 3
        assert inside(level["speeds"]["decode_tps"], truth)
        if level["layers"]:
            assert inside(level["decode_ratio"], gap_s(0) / gap_s(level["layers"]))
            assert inside(level["prefill_ratio"], gap_s(0) / gap_s(level["layers"]))
    assert inside(found["saved_s"], BESIDE_S, 0.02)
    assert found["knee"]["value"] == ALL
    assert found["pays_from"]["value"] == 4
    assert kept(tmp_path) == 9


def test_a_build_for_the_gpu_is_given_layers_and_device_and_its_memory_is_seen_to_grow(
    tmp_path: Path,
) -> None:
    here = gpu_stage.machine(tmp_path, law(0, ALL), cards=2)
    words = ("--runtime", "native", "--layers", "0,100%", "--rounds", "2", *QUICK[2:])
    done = here.run("engines", "offload", here.model, *words)
    assert done.code == 0, done.err
    with_gpu = [start for start in here.starts if "--device CUDA0 --n-gpu-layers 9" in start]
    without = [start for start in here.starts if "--device none --n-gpu-layers 0" in start]
    loaded = [start for start in here.starts if "--model" in start]  # others ask for --help
    assert (len(with_gpu), len(without), len(loaded)) == (2, 2, 4)
    assert "layers on cuda:0" in done.out
    (line,) = [row for row in done.out.splitlines() if row.startswith("9 (all)")]
    assert line.split()[-1] == f"{ALL * MIB_A_LAYER:,}"


def test_a_gpu_that_the_build_does_not_know_skips_before_anything_is_loaded(tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, law(0), cards=1)
    done = here.run("engines", "offload", here.model)
    assert done.code == 3
    assert "skipped: llamacpp (wheel) is not built for cuda:0 (NVIDIA H200)" in done.out
    assert "--runtime native" in done.out
    assert here.starts == []


def test_without_a_gpu_it_skips_with_a_reason_for_people_and_for_programs(tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, law(0))
    done = here.run("engines", "offload", here.model, "--json", "--out", "out")
    assert done.code == 3
    found = json.loads(done.out)
    assert found["code"] in ("no_gpu", "not_built")  # there may be one in this very machine
    assert found["what"] == "offload"
    assert json.loads((tmp_path / "out" / "offload.json").read_text()) == found


@pytest.mark.full
def test_a_level_that_fails_leaves_and_the_rest_is_measured(tmp_path: Path) -> None:
    plan = law(0, 4)
    levels = {**plan.gpu_layers, "9": {"load_failure": "CUDA error: out of memory"}}
    here = gpu_stage.machine(tmp_path, Plan(ttft_s=0.0, gap_s=0.01, gpu_layers=levels))
    subject = f"{here.model}@scripted"
    done = here.run("engines", "offload", subject, "--layers", "0,4,all", *QUICK)
    assert done.code == 0, done.err
    assert "9 layers leaves" in done.err
    (line,) = [row for row in done.out.splitlines() if row.startswith("9 (all)")]
    assert "not measured" in line
    assert "Knee: with 4 layers" in done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["m.gguf", "--layers", "0,ten"], "'ten' is no number of layers"),
        (["m.gguf", "--layers", "0,40"], "the model has 8 layers and its output"),
        (["m.gguf", "--layers", "all"], "one level compares with nothing"),
        (["m.gguf", "--device", "cpu"], "leaves nothing to compare"),
        (["m.gguf", "--device", "cdua"], "did you mean 'cuda'"),
        (["http://127.0.0.1:1"], "runs already"),
        (["none.gguf"], "there is no file none.gguf"),
        (["m.gguf@scripted", "--prompt", "9000"], "was trained for 4,096 tokens"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], says: str, tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, law(0))
    done = here.run("engines", "offload", *words)
    assert done.code == 2, done.out
    assert says in done.err


def test_a_profile_that_sets_what_is_varied_is_refused(tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, law(0))
    folder = tmp_path / "home" / "engine-profiles"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("engine: llamacpp\ngpu_layers: 4\n")
    done = here.run("engines", "offload", "m.gguf@llamacpp/mine")
    assert done.code == 2
    assert "line 2" in done.err
    assert "what is varied" in " ".join(done.err.split())
