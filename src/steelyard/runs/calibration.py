"""Calibration: the instrument's own error on this machine, against a server with known truth.

The scripted engine is driven exactly as a real one; its truth log says when each byte was handed
to the kernel, and the difference to the client's stamps is the error. What is kept is the 99th
percentile of its size: the bound that stands beside every latency. Not aware of real engines.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from steelyard.domain.instrument import Instrument
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import api, host
from steelyard.engines.http1 import prepare
from steelyard.loadgen.client import Client
from steelyard.platform import clock
from steelyard.scripted import plan as scripts
from steelyard.scripted import truth

PHASE: Final = "calibrating the clock"
_STREAMS: Final = 2
_REQUESTS: Final = 130
_TOKENS: Final = 12
_LEAST: Final = 100
_QUANTILE: Final = 0.99
_NS_PER_S: Final = 1e9
_SCRIPT: Final = scripts.Plan(ttft_s=0.004, gap_s=0.001)


def calibrate(folder: Path, emit: Emit) -> Instrument:
    """Drive the scripted engine for about two seconds and return the client's error bound."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(PHASE, _REQUESTS))
    script, log = scripts.write(_SCRIPT, folder / "plan.json"), folder / "truth.jsonl"
    errors = _errors(folder, script, log, emit)
    emit(PhaseEnded(PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return Instrument(
        ttft_error_s=_bound(error.ttft_ns for error in errors),
        gap_error_s=_bound(gap for error in errors for gap in error.itl_ns),
    )


def _errors(folder: Path, script: Path, log: Path, emit: Emit) -> list[truth.ClientError]:
    dialect = api.dialect("scripted")
    model = folder / "calibration.gguf"
    model.write_bytes(b"stands for a model")
    artifact = Artifact(model.name, "gguf", sha256="calibration")
    subject = Subject(artifact, "scripted", "scripted", EngineProfile(slots=_STREAMS))
    program = (sys.executable, "-m", "steelyard.scripted", "--plan", str(script))
    place = Place((*program, "--truth", str(log)), {artifact.sha256: model}, folder)
    spool = folder / "spool.bin"
    with (
        host.start(dialect, subject, Controls(), place) as engine,
        Client(engine.host, engine.port, spool, streams=_STREAMS) as client,
    ):
        for number in range(_REQUESTS):
            ask = GenerationRequest((Message("user", f"count {number}"),), max_tokens=_TOKENS)
            call = dialect.encode(ask)
            client.submit(str(number), prepare(call, engine.host, engine.port))
        exchanges = []
        for exchange in client.results():
            exchanges.append(exchange)
            emit(Advanced(PHASE, len(exchanges)))
    known = truth.read(log)
    found = (truth.error(exchange, known) for exchange in exchanges)
    return [error for error in found if error is not None]


def _bound(errors_ns: Iterable[int]) -> Reading[float]:
    """Return the 99th percentile of the size of the errors, in seconds."""
    sizes = sorted(abs(error) for error in errors_ns)
    if len(sizes) < _LEAST:
        return Missing("too_few_samples", f"{len(sizes)} of {_LEAST} samples came back")
    return Measured(sizes[int(_QUANTILE * (len(sizes) - 1))] / _NS_PER_S, "client")
