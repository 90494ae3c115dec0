"""An engine of ours is proved before it is timed: once for each build, and a wrong one never is."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from tests.app import bench_stage
from tests.app.bench_stage import Bench

from steelyard.app import proving
from steelyard.domain.progress import Progress
from steelyard.domain.reading import Missing
from steelyard.domain.run import Controls
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.engines import api
from steelyard.store.records import read_record

QUICK = ("--requests", "4", "--prompts", "synthetic:in=16,out=4")
# A real llama-server that another model has slipped into: it answers well, and computes otherwise.
PLANTED = """#!{python}
import os, sys
words = sys.argv[1:]
if words == ["--version"]:
    print("version: 1 (planted)")
    sys.exit()
if words == ["--help"]:
    sys.exit()
if {planted}:
    words[words.index("--model") + 1] = {model!r}
os.execv({python!r}, [{python!r}, "-m", "steelyard.llamalib.server", *words])
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        (made.home / "proofs").unlink()  # shared by the other tests
        yield made


def put_on_path(bench: Bench, monkeypatch: pytest.MonkeyPatch, *, planted: bool) -> None:
    folder = bench.work / "bin"
    folder.mkdir()
    draft = str(files("steelyard.bundled") / "draft.gguf")
    program = folder / "llama-server"
    program.write_text(PLANTED.format(python=sys.executable, model=draft, planted=planted))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{bench.env['PATH']}")


def test_an_engine_that_computes_something_else_is_not_timed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(bench, monkeypatch, planted=True)
    done = bench.run("bundled", "--runtime", "native", *QUICK)
    assert done.code == 3, done.err
    assert "WRONG_LOGITS" in done.out
    record = read_record(done.folder)
    assert record.outcome == "failed"
    assert record.reason.startswith("WRONG_LOGITS: 923 positions: mean divergence")
    assert record.sections == ()
    (proof,) = record.proofs
    assert (proof.name, proof.passed) == ("arithmetic", False)
    assert not list((bench.home / "proofs").glob("*"))  # what failed is tried again


@pytest.mark.full
def test_what_was_proved_once_is_kept_and_stands_in_every_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(bench, monkeypatch, planted=False)
    first = bench.run("bundled", "--runtime", "native", *QUICK)
    again = bench.run("bundled", "--runtime", "native", *QUICK, out="again")
    assert (first.code, again.code) == (0, 0), first.err + again.err
    (kept,) = (bench.home / "proofs").glob("*.json")
    found = json.loads(kept.read_text())["found"]
    for done, since in ((first, ""), (again, " (on 2")):
        proofs = {proof.name: proof for proof in read_record(done.folder).proofs}
        assert proofs["arithmetic"].passed
        assert proofs["arithmetic"].found.startswith(f"{found}{since}")
    assert "same top token in 9" in found


def subject(**profile: object) -> Subject:
    settings = EngineProfile(**profile)  # type: ignore[arg-type]
    return Subject(Artifact("none", "gguf", ""), "llamacpp", "wheel", settings)


def test_a_proof_holds_for_the_settings_that_choose_kernels_and_for_no_others() -> None:
    plain = proving._path(subject(), Controls())
    assert proving._path(subject(slots=4, context_tokens=512), Controls(seed=3)) == plain
    others = [
        proving._path(subject(flash_attention=True), Controls()),
        proving._path(subject(gpu_layers=1), Controls()),
        proving._path(subject(gpu_layers=99), Controls()),
        proving._path(subject(gpu_layers=99, gpus=2), Controls()),
        proving._path(subject(extra_args=("--poll", "0")), Controls()),
        proving._path(subject(), Controls(device="cuda:0")),
    ]
    assert len({plain, *others}) == 7
    assert proving._path(subject(gpu_layers=999), Controls()) == others[2]


def test_a_new_build_of_the_libraries_beside_the_server_is_proved_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(bench, monkeypatch, planted=False)
    native = replace(subject(), runtime="native")
    library = bench.work / "bin" / "libggml-cpu.so"
    library.write_bytes(b"one")
    first = proving._path(native, Controls())
    assert proving._path(native, Controls()) == first
    library.write_bytes(b"another")
    assert proving._path(native, Controls()) != first


def test_a_kept_proof_that_cannot_be_read_is_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(bench.home))
    path = proving._path(subject(), Controls())
    path.parent.mkdir()
    path.write_text("{")
    assert proving._read(path) is None
    shutil.rmtree(path.parent)
    assert proving._read(path) is None


def test_every_engine_that_is_started_is_proved_or_says_why_it_cannot_be() -> None:
    told: list[Progress] = []
    for name in api.dialects():
        able = api.dialect(name).capabilities
        if not able.formats or name in ("mlx", "transformers"):
            continue  # somebody else's; and by their own library, in the full check
        if able.simulated:
            unreal = Subject(Artifact("m", "gguf", ""), name)
            found = proving.proved(unreal, Controls(), None, told.append)
            assert isinstance(found, Missing)
            assert "no logits" in found.detail
        else:
            assert able.logprobs, name
            assert able.token_prompts, name
