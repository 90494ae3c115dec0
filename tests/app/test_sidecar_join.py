"""`--sidecar` from the command line to every report, and through a kill and a resume."""

from __future__ import annotations

import contextlib
import csv
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.app import bench_stage, stage
from tests.app.bench_stage import Bench
from tests.app.stage import Stage
from tests.llamalib import tiny

from steelyard.app.sweeps import reporting, work
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.app.sweeps.reporting import Written
from steelyard.campaigns.events import (
    Calibrated,
    CellFinished,
    CellStarted,
    EngineProven,
    RawTimed,
    Resumed,
    Started,
)
from steelyard.campaigns.plan import Plan
from steelyard.campaigns.planner import plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Place, Proof, RunRecord, RunSpec
from steelyard.domain.serverside import Sidecar
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.models import artifacts
from steelyard.runs import sidecar
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for

# ── benches ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


def test_a_bench_of_a_file_has_raw_speed_beside_the_served_one_in_every_report(
    bench: Bench,
) -> None:
    model = tiny.write(bench.work / "tiny.gguf")
    typed = (model, "--requests", 4, "--prompts", "synthetic:in=32,out=8", "--threads", 1)
    ended = bench.run(*typed, "--sidecar")
    (one,) = ended.summary.measurements
    assert isinstance(one.raw, Measured), (one.raw, ended.err)
    assert [test.test for test in one.raw.value.tests] == ["pp32", "tg8@d32"]
    assert one.raw.value.state == "OK"
    for test in one.raw.value.tests:
        assert isinstance(test.raw_tps.value, Measured)
        assert test.beside == one.levels[0].name
    stored = sidecar.read(ended.folder)
    assert isinstance(stored, Measured)
    assert stored.value[0].sha256 == artifacts.fingerprint(model).sha256
    for text in (ended.out, *(f.read_text() for f in ended.folder.glob("*.[hm][td]*"))):
        assert "Raw speed of the bare engine" in text
        assert "tg8@d32" in text
    rows = list(csv.DictReader((ended.folder / "summary.csv").read_text().splitlines()))
    raw = next(row for row in rows if row["metric"] == "raw_output_tps.tg8@d32")
    assert float(raw["value"]) > 0
    assert raw["detail"] == "state OK"
    assert any(row["metric"] == "served_by_raw_prompt.pp32" for row in rows)


def test_a_server_of_somebody_else_and_another_engine_are_refused_before_anything_is_measured(
    bench: Bench,
) -> None:
    model = tiny.write(bench.work / "tiny.gguf")
    for subject, words in (
        ("http://127.0.0.1:9", "--sidecar is for an engine that is started here"),
        (f"{model}@scripted", "--sidecar times llama.cpp itself"),
    ):
        ended = bench.run(subject, "--sidecar")
        assert ended.code == 2
        assert words in ended.err
        assert not ended.folder.exists() or not list(ended.folder.glob("*"))


def timing_the_bare_engine(pid: int) -> bool:
    commands = (Path(f"/proc/{child}/cmdline") for child in stage.children_of(pid))
    with contextlib.suppress(OSError):
        return any(b"bench_loop" in command.read_bytes() for command in commands)
    return False


@pytest.mark.full
def test_an_interrupt_while_the_bare_engine_is_timed_leaves_the_bench_whole(bench: Bench) -> None:
    model = tiny.write(bench.work / "tiny.gguf", stage.SHAPE)
    argv = bench.argv(model, "--sidecar", "--requests", 4, "--prompts", "synthetic:in=3000,out=64")
    with subprocess.Popen(argv, env=bench.env, stdout=-1, stderr=-1, text=True) as child:
        while not (bench.work / "out" / "record.json").exists():
            assert child.poll() is None
            time.sleep(0.02)
        while not timing_the_bare_engine(child.pid):
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Interrupted while the bare engine was timed" in err
    summary = json.loads((bench.work / "out" / "bench_summary.json").read_text())
    (one,) = summary["measurements"]
    assert one["levels"][0]["counts"]["completed"] == 4
    assert one["raw"]["missing"] == "interrupted"
    assert not (bench.work / "out" / "sidecar.json").exists()


# ── sweeps ──────────────────────────────────────────────────────────────────────────────────────


class Begun:
    """A sweep of two files of which everything is done but the timing of the bare engine."""

    def __init__(self, tmp_path: Path) -> None:
        self.files = {"F16": tiny.write(tmp_path / "ladder" / "tiny-F16.gguf", stage.SHAPE)}
        self.files["Q8_0"] = tiny.write(
            tmp_path / "ladder" / "tiny-Q8_0.gguf", replace(stage.SHAPE, context=128)
        )
        self.sweep = Sweep(
            "tiny",
            tuple(self._variant(label, path) for label, path in self.files.items()),
            profile=EngineProfile(context_tokens=512),
            controls=Controls(threads=1),
            workloads=(Workload("interactive", 32, 4, 2), Workload("depth", 128, 4, 2)),
            repeats=1,
            raw_repeats=2,
        )
        self.plan: Plan = plan(self.sweep)
        self.folder = SweepFolder(tmp_path / "out")
        self.folder.begin(self.sweep, self.plan)
        with self.folder.open_journal() as journal:
            journal.append(work.line(Started(self.sweep.id, self.plan.id)))
            journal.append(work.line(Calibrated(1.0)))
            journal.append(work.line(EngineProven(passed=True, found="", seconds=1.0)))
            for cell in self.plan.cells:
                journal.append(work.line(CellStarted(cell.spec.id)))
                journal.append(work.line(CellFinished(cell.spec.id, "completed", "CLEAN", 1.0)))

    def _variant(self, label: str, path: Path) -> Variant:
        native = "native" if label == "F16" else None
        return Variant(label, artifacts.fingerprint(path), artifacts.inspect(path), native)  # type: ignore[arg-type]

    def resume(self) -> int:
        """Go on with it, and return how it ended."""
        paths = {v.artifact.sha256: self.files[v.label] for v in self.sweep.variants}

        def prove(_subject: Subject, _controls: Controls) -> Proof:
            raise AssertionError("it is proven already")

        def keep(_record: RunRecord) -> None:
            raise AssertionError("nothing is left to run")

        def place_of(spec: RunSpec) -> Place:
            return place_for(spec.subject, self.folder.run(spec.id), paths)

        crew = work.Crew(
            Executor(Verifier(), lambda _event: None),
            place_of,
            lambda _event: None,
            keep,
            prove,
            lambda _folder: Written(measured=True, qualified=True),
        )
        return work.perform(self.folder, self.sweep, self.plan, crew, Resumed()).exit_code

    def path(self, label: str) -> Path:
        return self.folder.root / sidecar.FOLDER / f"{label}.json"

    def found(self, label: str) -> Sidecar:
        read = sidecar.read(self.folder.root / sidecar.FOLDER, f"{label}.json")
        assert isinstance(read, Measured), read
        return read.value[0]

    def timed(self) -> list[tuple[str, str]]:
        events = self.folder.events()
        return [(e.label, e.state) for e in events if isinstance(e, RawTimed)]


@pytest.fixture
def begun(tmp_path: Path) -> Begun:
    (tmp_path / "ladder").mkdir()
    return Begun(tmp_path)


def test_a_sweep_keeps_one_file_a_variant_with_the_depths_that_fit(begun: Begun) -> None:
    assert begun.resume() == 0
    assert begun.timed() == [("F16", "OK"), ("Q8_0", "OK")]
    speeds = {speed.name: speed.state for speed in begun.found("F16").speeds}
    assert speeds == dict.fromkeys(("pp32", "pp128", "tg4@d32", "tg4@d128"), "OK")
    beyond = {speed.name: speed.state for speed in begun.found("Q8_0").speeds}
    assert beyond["tg4@d128"] == "NOT_APPLICABLE"
    assert beyond["pp128"] == "OK"


def test_a_sidecar_that_is_there_is_not_taken_again_after_a_kill(begun: Begun) -> None:
    assert begun.resume() == 0
    stamps = {label: begun.path(label).stat().st_mtime_ns for label in begun.files}
    before = begun.path("F16").read_bytes()
    journal = begun.folder.journal_path
    lines = journal.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"raw_timed"' not in line and '"summarised"' not in line]
    journal.write_text("".join(kept))  # killed between the files and their lines
    begun.path("Q8_0").write_text("{")
    assert begun.resume() == 0
    assert begun.timed() == [("F16", "OK"), ("Q8_0", "OK")]
    assert begun.path("F16").stat().st_mtime_ns == stamps["F16"]
    assert begun.path("F16").read_bytes() == before
    assert begun.path("Q8_0").stat().st_mtime_ns != stamps["Q8_0"]
    assert begun.resume() == 0
    assert len(begun.timed()) == 2


def test_a_sidecar_that_fails_has_a_state_and_fails_no_sweep(begun: Begun) -> None:
    raw = begun.files["Q8_0"].read_bytes()
    begun.files["Q8_0"].write_bytes(raw[:-1] + b"x")
    assert begun.resume() == 0
    assert begun.timed() == [("F16", "OK"), ("Q8_0", "REQUIRED_FIELD_MISSING")]
    assert "is not 'tiny-Q8_0.gguf' any more" in begun.found("Q8_0").detail


def test_what_engines_bench_left_in_the_folder_is_joined_if_it_is_of_the_same_bytes(
    begun: Begun,
) -> None:
    begun.resume()
    own, other = begun.found("F16"), begun.found("Q8_0")
    for label in begun.files:
        begun.path(label).unlink()
    other = replace(other, sha256="ab" * 32)
    sidecar.write(begun.folder.root, [own, other])
    found = reporting.evidence(begun.folder).raw
    assert found["F16"] == Measured(own, "engine")
    assert isinstance(found["Q8_0"], Missing)
    sidecar.write(begun.folder.root / sidecar.FOLDER, [replace(own, threads=7)], "F16.json")
    nearer = reporting.evidence(begun.folder).raw["F16"]
    assert isinstance(nearer, Measured)
    assert nearer.value.threads == 7


def test_a_sweep_on_another_engine_refuses_it_and_writes_nothing(tmp_path: Path) -> None:
    made = Stage(tmp_path / "ladder", tmp_path)
    made.ladder.mkdir()
    tiny.write(made.file("F16"), stage.SHAPE)
    done = made.run("sweep", f"{made.ladder}@scripted", "--sidecar", "--out", str(tmp_path / "o"))
    assert done.returncode == 2
    assert "--sidecar times llama.cpp itself" in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.full
@pytest.mark.alone
def test_a_whole_sweep_shows_raw_beside_served_and_decides_as_it_would_without(
    tmp_path: Path,
) -> None:
    made = Stage(tmp_path / "ladder", tmp_path / "home")
    made.ladder.mkdir()
    made.home.mkdir()
    # Slow enough that a busy client still sees tokens come one by one, or the canary stops it.
    subject = str(
        tiny.write(made.file("F16"), tiny.Shape(layers=4, feed_forward=1024, context=4096))
    )
    out = tmp_path / "out"
    few = ("--quants", "Q8_0", "--items", "4", "--repeats", "1", "--include-polluted", "--yes")
    done = made.process("sweep", subject, *few, "--sidecar", "--out", str(out), timeout_s=900)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    summary: dict[str, Any] = json.loads((out / "sweep_summary.json").read_text())
    assert summary["phases_s"]["raw speed"] > 0
    for row in summary["per_quant"]:
        tests = {test["test"]: test for test in row["raw"]["value"]["tests"]}
        assert {"pp512", "tg64@d16", "tg64@d2048"} <= set(tests)
        assert tests["tg64@d2048"]["ratio"]["value"]["value"] > 0
    for name in ("summary.md", "report.html"):
        assert "Raw speed of the bare engine" in (out / name).read_text()
    header, *rows = csv.reader((out / "summary.csv").read_text().splitlines())
    assert {"sidecar", "raw_prompt_tps.pp512", "served_by_raw_output.tg64@d16"} <= set(header)
    assert {row[header.index("sidecar")] for row in rows} == {"OK"}
    for path in (out / sidecar.FOLDER).iterdir():
        path.unlink()
    again = made.run("report", str(out), "--include-polluted")
    assert again.returncode == done.returncode
    bare = json.loads((out / "sweep_summary.json").read_text())
    for row in (*summary["per_quant"], *bare["per_quant"]):
        del row["raw"]
    assert bare == summary
