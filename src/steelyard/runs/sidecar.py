"""The sidecar: bare engine speeds of model files, kept in files of their own beside runs.

It explains served speeds and judges nothing: no gate and no verdict reads it, and a sidecar that is
absent or broken is a reason, not an error. It is taken while nothing else of ours runs. Not aware
of doors. Method: `llamalib.bench`; how it is joined to served speeds: `analysis.rawspeed`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import rawspeed
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput, SteelyardError, UnsupportedSubject
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls
from steelyard.domain.serverside import NO_SPEED, Sidecar, SpeedMetric
from steelyard.domain.subject import Artifact, Subject, Variant
from steelyard.domain.workload import Workload
from steelyard.engines import devices
from steelyard.engines.images import RUNTIME
from steelyard.llamalib import bench
from steelyard.llamalib.kernels import cores
from steelyard.platform import atomic, clock
from steelyard.runs.places import default_threads

FILE: Final = "sidecar.json"
# Where a sweep keeps one file for each variant.
FOLDER: Final = "sidecars"
SCHEMA_VERSION: Final = 1
ENGINE: Final = "llamacpp"
_PHASE: Final = "raw speed"
_NS_PER_S: Final = 1e9

# How a bare speed relates to the metric that it stands beside.
MAPPING: Final[Mapping[SpeedMetric, str]] = {
    "prompt_tps": "pp stands beside prompt_tps: prefill alone, without the server around it;"
    " ttft_prompt_tps has queue, HTTP, tokenising and the first sampling in it besides",
    "output_tps": "tg stands beside output_tps of one stream, and is without sampling,"
    " detokenising and HTTP",
}


@final
@dataclass(frozen=True, slots=True)
class SidecarFile:
    """What `sidecar.json` holds: one sidecar for each model file, and what the speeds stand for."""

    sidecars: tuple[Sidecar, ...]
    mapping: Mapping[SpeedMetric, str]
    schema_version: int


def measure(
    path: Path, variant: Variant, plan: bench.Plan, by: bench.Program, emit: Emit
) -> Sidecar:
    """Time one model file while nothing else of ours runs."""
    started_ns = clock.monotonic_ns()
    total = len(plan.tests()) * plan.repeats
    emit(PhaseStarted(_PHASE, None if by == bench.PROGRAM else total, variant.label))
    found = bench.measure(
        path,
        variant.artifact,
        plan,
        by,
        context=variant.require_file().context_tokens,
        progress=lambda done, _total: emit(Advanced(_PHASE, done)),
    )
    emit(PhaseEnded(_PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return found


def plan(
    workloads: Sequence[Workload], controls: Controls, subject: Subject, repeats: int
) -> bench.Plan:
    """Return the tests beside these workloads, with the settings that their engine is started with.

    For each length of prompts that are sent one by one: its prefill, and decoding behind it. Where
    no length is known, llama-bench's own two.
    """
    known = {pair for load in workloads if (pair := rawspeed.lengths(load)) is not None}
    tests = [bench.Test("prompt_tps", tokens, 0) for tokens in sorted({p for p, _ in known})]
    tests += [bench.Test("output_tps", o, p) for p, o in sorted(known)]
    usual = bench.Plan(threads=1, depths=(0,))
    native = runtime_program(subject.runtime) == bench.PROGRAM
    flags = devices.llama_flags(controls.device, subject.profile.gpu_layers)
    return bench.Plan(
        threads=controls.threads or subject.profile.threads or default_threads(cores()),
        repeats=repeats,
        profile=subject.profile,
        chosen=tuple(tests) or usual.tests(),
        placed=flags if native else (),
        affinity=controls.affinity,
    )


def runtime_program(runtime: str) -> bench.Program:
    """Return what times the same llama.cpp that a runtime's server is made of."""
    return "wheel" if runtime == "wheel" else "llama-bench"


def require(engine: str, runtime: str) -> None:
    """Raise `BadInput` for an engine that has no raw speed, or without the program it takes."""
    if runtime == RUNTIME:
        raise UnsupportedSubject(
            "--sidecar times llama.cpp here, and this one is in an image",
            hint="leave --sidecar out",
        )
    if engine != ENGINE:
        raise UnsupportedSubject(
            f"--sidecar times llama.cpp itself, and this is served by {engine}",
            hint="leave --sidecar out, or serve a GGUF file with llamacpp",
        )
    if runtime_program(runtime) == bench.PROGRAM and shutil.which(bench.PROGRAM) is None:
        raise BadInput(
            f"--sidecar with --runtime {runtime} needs {bench.PROGRAM}, which is not on PATH",
            hint=f"put {bench.PROGRAM} of the same build there, or leave --sidecar out",
        )


def kept(folder: Path, name: str, artifact: Artifact, wanted: bench.Plan) -> Sidecar | None:
    """Return what an earlier session left: of the same bytes, the same tests, and with speeds."""
    found = read(folder, name)
    names = {test.name for test in wanted.tests()}
    for one in found.value if isinstance(found, Measured) else ():
        same = one.sha256 == artifact.sha256 and {speed.name for speed in one.speeds} == names
        if same and one.state not in NO_SPEED:
            return one
    return None


def taken(
    path: Path,
    variant: Variant,
    wanted: bench.Plan,
    by: bench.Program,
    verify: Callable[[Artifact, Path], None],
    emit: Emit,
) -> Sidecar:
    """Time one model file; what goes wrong becomes the sidecar's state.

    `verify` raises where the file is not the artifact.
    """
    try:
        verify(variant.artifact, path)
        found = measure(path, variant, wanted, by, emit)
    except SteelyardError as error:
        # Others may read it: where our files lie is none of their business.
        why = f"{type(error).__name__}: {error}".replace(str(path.parent), "…")
        found = bench.failed(variant.artifact, wanted, by, why)
    if found.state in NO_SPEED:
        why = found.detail or "; ".join(s.detail for s in found.speeds if s.detail)
        emit(Noted(f"raw speed of {variant.label}: {found.state}: {why}", warning=True))
    return found


def write(folder: Path, sidecars: Sequence[Sidecar], name: str = FILE) -> Path:
    """Write the file whole and return its path."""
    path = folder / name
    atomic.write(path, text(sidecars).encode())
    return path


def text(sidecars: Sequence[Sidecar]) -> str:
    """Return the text of `sidecar.json`."""
    return encode(SidecarFile(tuple(sidecars), MAPPING, SCHEMA_VERSION), indent=1)


def read(folder: Path, name: str = FILE) -> Reading[tuple[Sidecar, ...]]:
    """Read a folder's sidecar back, or say why there is none."""
    path = folder / name
    try:
        found = decode(SidecarFile, path.read_bytes(), source=str(path))
    except FileNotFoundError:
        return Missing("no_sidecar", "raw speed was not measured")
    except OSError as error:
        return Missing("unreadable", f"{name} cannot be read: {error.strerror}")
    except BadInput as error:
        return Missing("parse_error", str(error))
    return Measured(found.sidecars, "engine")
