"""`run`: one RunSpec in, one RunRecord out, with the same executor that a sweep uses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis.validity import telemetry_status
from steelyard.app import proving, subjects
from steelyard.app.engines import containing
from steelyard.app.results.keeping import keeper
from steelyard.domain.caution import quality
from steelyard.domain.codec import decode, encode, schema
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Emit
from steelyard.domain.run import Container, Controls, RunRecord, RunSpec
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.domain.task import Task
from steelyard.engines import api, images
from steelyard.llamalib.kernels import cores
from steelyard.models import artifacts, disk, find
from steelyard.platform import atomic, containers, locks, settings
from steelyard.runs.execute import Executor
from steelyard.runs.identity import Verifier
from steelyard.runs.places import default_threads, place_for, require_cores
from steelyard.store.records import RECORD_NAME, read_record
from steelyard.tasks import registry
from steelyard.workloads import suites

SPEC: Final = "spec.json"


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """A record and where it lies."""

    record: RunRecord
    folder: Path

    @property
    def exit_code(self) -> int:
        """0 measured, 2 what was asked for cannot be, 3 could not measure."""
        if self.record.outcome == "completed":
            return 0
        return 2 if self.record.reason.startswith(("wrong_model:", "bad_input:")) else 3

    @property
    def json(self) -> str:
        """Return the record as its file has it."""
        return encode(self.record)

    @property
    def text(self) -> str:
        """Return the run in a few lines."""
        record = self.record
        lines = [
            f"run {record.id}: {record.outcome}, {quality(record.cautions)}, "
            f"telemetry {telemetry_status(record)}"
        ]
        if record.reason:
            lines.append(f"  {record.reason}")
        lines += [f"  ! {c.code}: {c.seen}. {c.advice}" for c in record.cautions]
        for section in record.sections:
            lines.append(f"  {section.name}: {len(section.attempts)} requests, {section.outcome}")
        lines.append(f"Record: {self.folder / 'record.json'}")
        return "\n".join(lines)


def run_spec(path: Path, models: Sequence[Path], out: Path | None, emit: Emit) -> Finished:
    """Execute the spec in a file. Raises `BadInput` if it cannot be read or its bytes not found."""
    home = settings.load().home
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}",
            hint="`steelyard run --example` prints a spec to begin with",
        ) from None
    spec = decode(RunSpec, raw, source=str(path))
    _check_names(spec)
    require_cores(spec.controls)
    variant, paths = _located(spec, models)
    folder = out or home / "runs" / spec.id
    folder = _unfinished(folder, spec, named=out is not None)
    disk.require(folder, 0, what="this run")
    place = place_for(spec.subject, folder, paths, container=_container(spec, emit))
    with locks.folder_lock(folder):
        atomic.write(folder / SPEC, encode(spec, indent=1).encode())
        record = Executor(Verifier(), emit, proving=proving.proved).run(spec, variant, place)
    with keeper(emit) as keep:
        keep(record)
    return Finished(record, folder)


def _container(spec: RunSpec, emit: Emit) -> Container | None:
    """Return the container of a spec that is to run in one, by whichever tool answers."""
    if spec.subject.runtime != images.RUNTIME:
        return None
    return containing.prepare(spec.subject.engine, spec.controls.device, containers.ANY, None, emit)


def _unfinished(folder: Path, spec: RunSpec, *, named: bool) -> Path:
    """Return a folder in which this run may begin or go on: a finished one would only be replayed.

    Raises `BadInput` where the folder was named and holds a finished run or another spec's.
    """
    here, number = folder, 1
    while (here / RECORD_NAME).exists() and read_record(here).outcome == "completed":
        if named:
            raise BadInput(
                f"{here} holds a finished run", hint="give another --out to measure anew"
            )
        number += 1
        here = folder.with_name(f"{folder.name}-{number}")
    begun = here / SPEC
    if begun.exists() and decode(RunSpec, begun.read_bytes(), source=str(begun)) != spec:
        raise BadInput(f"{here} holds another run, half finished", hint="give another --out")
    return here


def spec_schema() -> str:
    """Return the JSON Schema of a RunSpec."""
    return json.dumps(schema(RunSpec), indent=1, sort_keys=True)


def example_spec() -> str:
    """Return a RunSpec of the bundled model that runs in seconds."""
    artifact = artifacts.fingerprint(subjects.bundled("base.gguf"))
    context = suites.context_needed(suites.QUICK)
    spec = RunSpec(
        Subject(artifact, profile=EngineProfile(context_tokens=context, slots=2)),
        Controls(threads=default_threads(cores())),
        workloads=suites.workloads("quick"),
        tasks=(Task("reading", items=30),),
        task_streams=2,
    )
    return encode(spec, indent=1)


def _check_names(spec: RunSpec) -> None:
    """Raise an error of ours for an engine, a task family or items that are not here."""
    api.dialect(spec.subject.engine)
    for task in spec.tasks:
        registry.require(task)


def _located(spec: RunSpec, models: Sequence[Path]) -> tuple[Variant, dict[str, Path]]:
    """Find the subject's bytes by their hash, first where the size fits."""
    artifact = spec.subject.artifact
    for path in models:
        if not path.exists():
            raise BadInput(f"there is no {path}", hint="--model takes a file or a folder")
    folders = tuple(path for path in models if path.is_dir()) or find.usual_folders()
    named = [path for path in models if path.is_file()]
    scanned = [path for path, _ in find.scan(folders).models]
    for path in (*named, subjects.bundled("base.gguf"), *scanned):
        if artifact.size_bytes and path.is_file() and path.stat().st_size != artifact.size_bytes:
            continue
        if path.is_file() and artifacts.fingerprint(path).sha256 == artifact.sha256:
            variant = Variant(artifact.name, artifact, artifacts.inspect(path))
            return variant, {artifact.sha256: path.absolute()}
    raise BadInput(
        f"no file here has the sha256 of {artifact.name!r} ({artifact.sha256[:12]}…)",
        hint="name the file or its folder with --model",
    )
