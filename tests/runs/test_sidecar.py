"""The sidecar's file: apart from the run, read back whole, and never in the way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.llamalib import tiny

from steelyard.analysis.metrics.registry import METRICS
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.prompts import Prefix, Synthetic
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.serverside import RawSpeed, Sidecar, SidecarField
from steelyard.domain.subject import Artifact, EngineProfile, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.llamalib import bench
from steelyard.models import artifacts
from steelyard.runs import sidecar
from steelyard.runs.identity import Verifier

GONE = Missing("not_applicable", "too deep")
FOUND = Sidecar(
    model="a.gguf",
    sha256="00",
    program="wheel",
    build="xllamacpp 1",
    threads=2,
    repeats=2,
    state="OK",
    speeds=(
        RawSpeed(
            *("pp512", "prompt_tps", 512, 0, "OK"),
            *(Measured(2000.5, "client"), Measured(10.0, "client")),
            (1990.5, 2010.5),
        ),
        RawSpeed("tg8@d9", "output_tps", 8, 9, "NOT_APPLICABLE", GONE, GONE, (), "too deep"),
    ),
    fields={"gpu_info": SidecarField("NOT_APPLICABLE"), "backends": SidecarField("OK", "CPU")},
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = sidecar.write(tmp_path, [FOUND, FOUND])
    assert path == tmp_path / "sidecar.json"
    assert sidecar.read(tmp_path) == Measured((FOUND, FOUND), "engine")


def test_the_file_says_which_of_our_metrics_a_speed_stands_beside(tmp_path: Path) -> None:
    sidecar.write(tmp_path, [FOUND])
    mapping = json.loads((tmp_path / "sidecar.json").read_text())["mapping"]
    assert set(mapping) == {"prompt_tps", "output_tps"}
    assert set(mapping) <= set(METRICS)


def test_a_sidecar_that_is_absent_or_broken_is_a_reason(tmp_path: Path) -> None:
    absent = sidecar.read(tmp_path)
    assert isinstance(absent, Missing)
    assert absent.code == "no_sidecar"
    for text in ("", "{", '{"sidecars": [{"model": 3}]}', "\udcff"):
        (tmp_path / "sidecar.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        broken = sidecar.read(tmp_path)
        assert isinstance(broken, Missing)
        assert broken.code == "parse_error"


SUBJECT = Subject(
    Artifact("a.gguf", "gguf", "00"), profile=EngineProfile(kv_type="q8_0", flash_attention=True)
)


def names(*loads: Workload) -> list[str]:
    planned = sidecar.plan(loads, Controls(threads=3), SUBJECT, 2)
    return [test.name for test in planned.tests()]


def test_each_length_that_is_served_has_its_prefill_and_decoding_behind_it() -> None:
    loads = (
        Workload("interactive", 512, 64, 4),
        Workload("depth", 2048, 64, 3),
        Workload("bench", 512, 64, 9, prompts=Synthetic(512, 64)),
    )
    assert names(*loads) == ["pp512", "pp2048", "tg64@d512", "tg64@d2048"]


def test_where_no_length_is_known_it_is_llama_benchs_own_two() -> None:
    varied = Workload("bench", 0, 0, 4, prompts=Prefix())
    assert names(varied) == names() == ["pp512", "tg128"]


def test_the_engine_is_set_as_the_server_was() -> None:
    controls = Controls(threads=3, affinity=(0, 1), device="cuda:1")
    native = Subject(SUBJECT.artifact, runtime="native", profile=SUBJECT.profile)
    planned = sidecar.plan((), controls, native, 2)
    assert (planned.threads, planned.affinity, planned.profile) == (3, (0, 1), SUBJECT.profile)
    assert planned.placed == ("--device", "CUDA1", "--n-gpu-layers", "0")
    assert sidecar.plan((), controls, SUBJECT, 2).placed == ()
    by_profile = Subject(SUBJECT.artifact, profile=EngineProfile(threads=5))
    assert sidecar.plan((), Controls(), by_profile, 2).threads == 5


def test_the_same_llama_cpp_is_timed_that_was_served() -> None:
    assert sidecar.runtime_program("wheel") == "wheel"
    assert sidecar.runtime_program("native") == "llama-bench"


def test_another_engine_has_no_raw_speed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="served by scripted"):
        sidecar.require("scripted", "scripted")
    sidecar.require("llamacpp", "wheel")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="needs llama-bench, which is not on PATH"):
        sidecar.require("llamacpp", "native")


def test_what_an_earlier_session_left_is_used_only_for_the_same_bytes_and_tests(
    tmp_path: Path,
) -> None:
    artifact = Artifact("a.gguf", "gguf", FOUND.sha256)
    wanted = bench.Plan(
        1, chosen=(bench.Test("prompt_tps", 512, 0), bench.Test("output_tps", 8, 9))
    )
    assert sidecar.kept(tmp_path, "Q8_0.json", artifact, wanted) is None
    sidecar.write(tmp_path, [FOUND], "Q8_0.json")
    assert sidecar.kept(tmp_path, "Q8_0.json", artifact, wanted) == FOUND
    other = Artifact("a.gguf", "gguf", "11")
    assert sidecar.kept(tmp_path, "Q8_0.json", other, wanted) is None
    assert sidecar.kept(tmp_path, "Q8_0.json", artifact, bench.Plan(1)) is None
    sidecar.write(tmp_path, [replace(FOUND, state="PARSE_ERROR")], "Q8_0.json")
    assert sidecar.kept(tmp_path, "Q8_0.json", artifact, wanted) is None


def test_what_goes_wrong_becomes_a_state_with_its_reason_and_without_our_folders(
    tmp_path: Path,
) -> None:
    path = tiny.write(tmp_path / "tiny.gguf")
    variant = Variant("F16", artifacts.fingerprint(path), artifacts.inspect(path))
    path.write_bytes(path.read_bytes()[:-1])
    events: list[Progress] = []
    wanted = bench.Plan(1, chosen=(bench.Test("prompt_tps", 16, 0),))
    found = sidecar.taken(path, variant, wanted, "wheel", Verifier().verify, events.append)
    assert found.state == "REQUIRED_FIELD_MISSING"
    assert [speed.state for speed in found.speeds] == ["REQUIRED_FIELD_MISSING"]
    assert isinstance(found.speeds[0].mean_tps, Missing)
    assert "WrongModel" in found.detail or "UnreadableModel" in found.detail
    assert str(tmp_path) not in found.detail
    (said,) = events
    assert isinstance(said, Noted)
    assert said.warning
