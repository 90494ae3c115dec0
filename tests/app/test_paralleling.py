"""`engines parallel`: Amdahl planted comes back; sizes without GPUs are skipped by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.app import gpu_stage
from tests.app.bench_stage import pacer
from tests.app.test_offloading import QUICK, inside
from tests.engines import on_demand

from steelyard.scripted.plan import Plan

SERIAL = 0.1
GAP_S = 0.01


def speedup(gpus: int) -> float:
    return 1 / (SERIAL + (1 - SERIAL) / gpus)


def amdahl(*sizes: int) -> Plan:
    times = {
        str(each): {
            "gap_s": GAP_S / speedup(each),
            "prefill_s_per_token": GAP_S / 20 / speedup(each),
        }
        for each in sizes
    }
    return Plan(ttft_s=0.0, gap_s=GAP_S, gpus=times)


@pytest.mark.full
def test_a_planted_serial_fraction_comes_back_within_its_interval(tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1, 2, 4))
    subject = f"{here.model}@scripted"
    done = here.run(
        "engines", "parallel", subject, "--gpus", "1,2,4", *QUICK, "--out", "out", "--json"
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found == json.loads((tmp_path / "out" / "parallel.json").read_text())
    assert found["simulated"] is True
    assert inside(found["serial"], SERIAL, 0.05)
    for size in found["sizes"][1:]:
        gpus = size["gpus"]
        assert inside(size["decode"]["speedup"], speedup(gpus))
        assert inside(size["decode"]["efficiency"], speedup(gpus) / gpus)
        assert inside(size["decode"]["serial"], SERIAL, 0.05)
        assert inside(size["prefill"]["speedup"], speedup(gpus), 0.03)
        lost = GAP_S / speedup(gpus) - GAP_S / gpus
        assert inside(size["overhead_s"], lost, 0.05)
        assert size["overhead_s"]["value"]["source"] == "estimated"
    assert not found["growth"]["low"]["value"] > 0.01  # a serial part does not grow


def test_llamacpp_is_told_to_share_rows_evenly_and_sizes_that_are_not_there_are_named(
    tmp_path: Path,
) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1, 2), cards=2)
    words = ("--runtime", "native", "--gpus", "1,2,4", "--rounds", "2", *QUICK[2:])
    done = here.run("engines", "parallel", here.model, *words)
    assert done.code == 0, done.err
    shared = "--device CUDA0,CUDA1 --n-gpu-layers 999 --split-mode row --tensor-split 1,1"
    assert sum(shared in start for start in here.starts) == 2
    assert sum("--device CUDA0 --n-gpu-layers 999" in start for start in here.starts) == 2
    assert not any("--split-mode" in s and "CUDA1" not in s for s in here.starts)
    assert "4 GPUs: skipped: 4 GPUs are asked for and 2 are here" in done.out
    assert "not told to share" not in done.out


def test_a_machine_with_one_gpu_skips_the_whole(tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1), cards=1)
    done = here.run("engines", "parallel", here.model, "--runtime", "native", "--json")
    assert done.code == 3
    found = json.loads(done.out)
    assert (found["what"], found["code"]) == ("parallel", "too_few_gpus")
    assert here.starts == []


def test_servers_of_two_sizes_are_compared_and_their_sizes_are_the_users_word(
    tmp_path: Path,
) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1))
    slow = pacer(tmp_path / "a", "--ttft-ms", 10, "--gap-ms", 10, "--tokens", 16)
    fast = pacer(tmp_path / "b", "--ttft-ms", 10, "--gap-ms", 6, "--tokens", 16)
    with slow as first, fast as second:
        servers = f"1={first.url},2={second.url}"
        done = here.run("engines", "parallel", "--servers", servers, *QUICK, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert "your word" in found["sizes_by"]
    assert inside(found["sizes"][1]["decode"]["speedup"], 10 / 6)
    assert found["sizes"][1]["device_bytes"]["code"] == "elsewhere"


def test_servers_of_two_kinds_are_no_scaling(tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1))
    with on_demand.serving("ollama") as one, on_demand.serving("router") as other:
        done = here.run("engines", "parallel", "--servers", f"1={one.url},2={other.url}")
    assert done.code == 2
    assert "not one model on more and more GPUs" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no model was named"),
        (["m.gguf@scripted", "--gpus", "1,x"], "'x' is no number of GPUs"),
        (["m.gguf@scripted", "--gpus", "2"], "one size compares with nothing"),
        (["m.gguf", "--servers", "1=http://a:1,2=http://b:1"], "SUBJECT is for"),
        (["--servers", "1=http://a:1"], "two servers or more"),
        (["--servers", "http://a:1,2=http://b:1"], "is no server of a size"),
        (["--servers", "1=http://a:1,1=http://b:1"], "each of another size"),
        (["m.gguf@scripted", "--requests", "2", "--concurrency", "3"], "leaves some of 3 streams"),
        (["m.gguf@scripted", "--model", "x"], "--model is for --servers"),
        (["http://127.0.0.1:1"], "start one server for each size"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], says: str, tmp_path: Path) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1))
    done = here.run("engines", "parallel", *words)
    assert done.code == 2, done.out
    assert says in " ".join(done.err.split())


def test_an_engine_that_cannot_be_told_is_refused_with_the_way_by_servers(
    tmp_path: Path,
) -> None:
    here = gpu_stage.machine(tmp_path, amdahl(1), cards=2)
    done = here.run("engines", "parallel", f"{here.model}@ik_llamacpp")
    assert done.code == 2
    assert "--servers 1=URL,2=URL" in done.err
