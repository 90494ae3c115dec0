"""Runs by themselves, on the scripted engine: controls that are asked for have their effect."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app import stage
from tests.llamalib import tiny

from steelyard.domain.reading import Measured
from steelyard.domain.run import AppliedControl, Controls, RunRecord, RunSpec
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.loadgen import spool
from steelyard.models import artifacts
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import place_for
from steelyard.runs.session import SPOOL

TIMED = Workload("interactive", 16, 4, 2, warmup=1)
COLD = Workload("depth", 16, 4, 2, warmup=0)


def made(folder: Path, controls: Controls) -> RunRecord:
    """Execute one run of both workloads into `folder`."""
    model = tiny.write(folder / "tiny.gguf", stage.SHAPE)
    artifact = artifacts.fingerprint(model)
    subject = Subject(artifact, "scripted", "scripted", EngineProfile(context_tokens=512))
    spec = RunSpec(subject, controls, workloads=(TIMED, COLD))
    place = place_for(subject, folder / "run", {artifact.sha256: model})
    variant = Variant("tiny", artifact, artifacts.inspect(model))
    return Executor(Verifier(), lambda _event: None).run(spec, variant, place)


@pytest.mark.parametrize(("warmup", "sent"), [(0, 0), (1, 1), (3, 3)])
def test_as_many_warm_up_requests_are_sent_as_asked_for(
    tmp_path: Path, warmup: int, sent: int
) -> None:
    record = made(tmp_path, Controls(warmup=warmup))
    assert record.outcome == "completed", record.reason
    ids = [exchange.id for exchange in spool.read(tmp_path / "run" / SPOOL)]
    assert sum("|warm" in one for one in ids) == sent
    (control,) = (control for control in record.controls if control.name == "warmup")
    assert control == AppliedControl("warmup", str(warmup), Measured(str(sent), "client"))
    assert [len(section.attempts) for section in record.sections] == [2, 2]


def test_the_length_of_timed_prompts_is_proved(tmp_path: Path) -> None:
    record = made(tmp_path, Controls())
    (proof,) = (proof for proof in record.proofs if proof.name == "prompt")
    assert proof.passed, proof.found
