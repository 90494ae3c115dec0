"""`engines` and `doctor`: what runs here, whether it computes right, how exact the clock is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias, final

from steelyard.app import accelerators, proving, subjects
from steelyard.app.engines import containing
from steelyard.app.engines import environments as installed
from steelyard.app.results.files import Told
from steelyard.domain.errors import CannotContain, SteelyardError
from steelyard.domain.progress import Emit
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Proof
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.engines import api
from steelyard.engines.api import Capabilities
from steelyard.llamalib import conformance, runtimes
from steelyard.llamalib.kernels import cores
from steelyard.models import disk
from steelyard.platform import containment, hardware, settings
from steelyard.platform.accelerators import detect
from steelyard.runs import calibration, proofs
from steelyard.runs.execute import WRONG_LOGITS
from steelyard.runs.places import default_threads, own_runtime
from steelyard.store.database import Store

State: TypeAlias = Literal["ok", "warning", "failed"]


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    found: str


def engines_text(*, as_json: bool) -> str:
    """List engines with what they can do, and the runtimes of llama.cpp found here."""
    engines = {name: api.dialect(name).capabilities for name in api.dialects()}
    found = {name: _runtime(name) for name in runtimes.NAMES}
    own = installed.listed()
    tools = containing.tools()
    if as_json:
        able = {
            name: {k: sorted(v) if isinstance(v, frozenset) else v for k, v in asdict(can).items()}
            for name, can in engines.items()
        }
        everything = {"engines": able, "runtimes": found, "environments": own, "containers": tools}
        return json.dumps(everything, indent=1, sort_keys=True)
    lines = []
    for name, can in engines.items():
        flags = [f.name for f in fields(can) if getattr(can, f.name) is True]
        loads = _loads(can)
        lines += [f"{name:<12} {loads}", f"{'':<12} {', '.join(flags)}"]
    lines += ["", "llama.cpp here:", *(f"  {name:<8} {what}" for name, what in found.items())]
    lines += ["", "containers, for `--runtime container`:"]
    lines += [f"  {name:<8} {what}" for name, what in tools.items()]
    lines += ["", "environments of their own:", *(f"  {name:<12} {w}" for name, w in own.items())]
    return "\n".join(lines)


def check_engine(engine: str, runtime: str, emit: Emit) -> Told:
    """Replay known arithmetic on an engine. Raises what kept it from answering."""
    if not api.dialect(engine).capabilities.simulated:
        subjects.require_loading(engine)
    runtime = own_runtime(engine) or runtime
    match proving.prove(_any_subject(engine, runtime), _usual(), emit):
        case Missing() as reason:
            return Told(f"{engine}: there is nothing to check: {reason}", 0)
        case Measured(value=proof):
            words = "right logits" if proof.passed else WRONG_LOGITS
            text = f"{engine} ({runtime}): {words}. {proof.found}"
            return Told(text, 0 if proof.passed else 3)


def prove(subject: Subject, controls: Controls, emit: Emit) -> Proof:
    """Prove an engine for a campaign, which goes on where there is nothing to prove."""
    found = proving.prove(subject, controls, emit)
    if isinstance(found, Missing):
        return Proof(proofs.NAME, passed=True, found=f"not applicable: {found}")
    return found.value


def doctor(emit: Emit, *, as_json: bool) -> Told:
    """Look at everything a sweep needs; exit 3 when something needed does not work."""
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("machine", _machine),
        ("llama.cpp kernels", _kernels),
        ("engine arithmetic", lambda: _engine(emit)),
        ("clock", lambda: _clock(emit)),
        ("store", _store),
        ("disk", _disk),
        ("native llama.cpp", _native),
        ("accelerators", _accelerators),
        ("containers", _containers),
        ("sandbox", _sandbox),
    )
    found = []
    for name, look in checks:
        try:
            found.append(look())
        except SteelyardError as error:
            found.append(Finding(name, "failed", f"{error}. {error.hint}"))
    failed = any(finding.state == "failed" for finding in found)
    if as_json:
        text = json.dumps([asdict(finding) for finding in found], indent=1)
    else:
        text = "\n".join(f"{f.state:<8} {f.name:<18} {f.found}" for f in found)
    return Told(text, 3 if failed else 0)


def _sandbox() -> Finding:
    """Only answers that are programs need it: without one all else works."""
    try:
        made = containment.sandbox()
    except CannotContain as refused:
        return Finding("sandbox", "warning", f"{refused}. {refused.hint}")
    return Finding("sandbox", "ok", f"{made.program} holds: programs of a model can be run")


def _usual() -> Controls:
    """Leave a core to others: an engine with a thread on each spins while it waits for them."""
    return Controls(threads=default_threads(cores()))


def _loads(can: Capabilities) -> str:
    own, images = (", ".join(sorted(each)) for each in (can.formats, can.image_formats))
    if own or not images:
        return own or "at its address: it is not started here"
    return f"{images} in a container (`--runtime container`), else at its address"


def _any_subject(engine: str, runtime: str) -> Subject:
    """Return a subject whose file does not matter: the proof brings its own."""
    return Subject(Artifact("none", "gguf", ""), engine, runtime, EngineProfile())


def _machine() -> Finding:
    device = hardware.device()
    gpus = ", ".join(device.gpus) or "no GPU seen"
    memory = f"{device.memory_bytes / 2**30:.1f} GiB"
    return Finding("machine", "ok", f"{device.cpu}, {device.cores} cores, {memory}, {gpus}")


def _accelerators() -> Finding:
    here = detect()
    state: State = "warning" if any(each.unusable for each in here) else "ok"
    return Finding("accelerators", state, f"\n{'':<28}".join(accelerators.lines(here)))


def _kernels() -> Finding:
    result = conformance.check()
    return Finding("llama.cpp kernels", "ok" if result.passed else "failed", result.found)


def _engine(emit: Emit) -> Finding:
    proof = prove(_any_subject("llamacpp", "wheel"), _usual(), emit)
    return Finding("engine arithmetic", "ok" if proof.passed else "failed", proof.found)


def _clock(emit: Emit) -> Finding:
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:
        instrument = calibration.calibrate(Path(folder), emit)
    bounds = (instrument.ttft_error_s, instrument.gap_error_s)
    if reason := next((bound for bound in bounds if isinstance(bound, Missing)), None):
        return Finding("clock", "warning", f"the client's error is not known: {reason}")
    errors = [
        f"{name} {1e3 * bound.value:.2f} ms"
        for name, bound in zip(("first token", "gaps"), bounds, strict=True)
        if isinstance(bound, Measured)
    ]
    return Finding("clock", "ok", f"99 % of errors are below: {', '.join(errors)}")


def _store() -> Finding:
    path = settings.load().database
    with Store(path) as store:
        problems = store.check()
    if problems:
        return Finding("store", "failed", f"{path}: {'; '.join(problems)}")
    return Finding("store", "ok", str(path))


def _disk() -> Finding:
    free = disk.free_bytes(Path.cwd())
    state: State = "ok" if free > 1 << 30 else "warning"
    return Finding("disk", state, f"{disk.size(free)} free here")


def _native() -> Finding:
    return Finding("native llama.cpp", "ok", _runtime("native"))


def _containers() -> Finding:
    """Say which tool answers, and remove what ended Steelyards have left in it."""
    removed = containing.clear()
    told = [f"{name}: {what}" for name, what in containing.tools().items()]
    if removed:
        told.append(f"removed {removed} containers that an ended Steelyard had left")
    state: State = "warning" if removed else "ok"
    return Finding("containers", state, f"\n{'':<28}".join(told))


def _runtime(name: str) -> str:
    try:
        runtime = runtimes.find(name)
        runtime.server()
        return str(runtime.describe())
    except SteelyardError as error:
        return f"not here: {error}"
