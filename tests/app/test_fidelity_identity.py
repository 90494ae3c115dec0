"""Fidelity is measured on the planned bytes or not at all: no engine is there to say what it is."""

from __future__ import annotations

from pathlib import Path

from tests.app import stage

from steelyard.app.sweeps import work
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.app.sweeps.reporting import Written
from steelyard.campaigns.events import (
    Calibrated,
    CellFinished,
    CellStarted,
    EngineProven,
    FidelityFailed,
    Resumed,
    Started,
)
from steelyard.campaigns.planner import plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.run import Controls, Place, Proof, RunRecord, RunSpec
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.models import artifacts
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for


def test_a_file_changed_after_its_last_run_is_named_and_not_compared(tmp_path: Path) -> None:
    made = stage.build(tmp_path, items=1)
    files = {label: made.file(label) for label in ("F16", "Q8_0")}
    variants = tuple(
        Variant(
            label,
            artifacts.fingerprint(path),
            artifacts.inspect(path),
            "native" if label == "F16" else None,
        )
        for label, path in files.items()
    )
    sweep = Sweep(
        "tiny",
        variants,
        "scripted",
        "scripted",
        EngineProfile(context_tokens=512),
        workloads=(Workload("interactive", 16, 4, 2),),
        repeats=1,
        fidelity_positions=64,
    )
    planned = plan(sweep)
    folder = SweepFolder(tmp_path / "out")
    folder.begin(sweep, planned)
    with folder.open_journal() as journal:
        journal.append(work.line(Started(sweep.id, planned.id)))
        journal.append(work.line(Calibrated(1.0)))
        journal.append(work.line(EngineProven(passed=True, found="", seconds=1.0)))
        for cell in planned.cells:
            journal.append(work.line(CellStarted(cell.spec.id)))
            journal.append(work.line(CellFinished(cell.spec.id, "completed", "CLEAN", 1.0)))
    _change_one_byte(files["Q8_0"])

    paths = {v.artifact.sha256: files[v.label] for v in variants}

    def prove(_subject: Subject, _controls: Controls) -> Proof:
        raise AssertionError("it is proven already")

    def keep(_record: RunRecord) -> None:
        raise AssertionError("nothing is left to run")

    def place_of(spec: RunSpec) -> Place:
        return place_for(spec.subject, folder.run(spec.id), paths)

    crew = work.Crew(
        Executor(Verifier(), lambda _event: None),
        place_of,
        lambda _event: None,
        keep,
        prove,
        lambda _folder: Written(measured=True, qualified=True),
    )
    work.perform(folder, sweep, planned, crew, Resumed())
    (failed,) = (event for event in folder.events() if isinstance(event, FidelityFailed))
    assert failed.label == "Q8_0"
    assert "is not 'tiny-Q8_0.gguf' any more" in failed.why


def _change_one_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
