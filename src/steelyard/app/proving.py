"""Is the engine's arithmetic proved? Before anything of ours is timed; what was proved is kept.

A proof holds for one build of one engine on one device with the settings that choose its kernels:
for the same again it is not repeated, whatever the model. Only what passed is kept. Not aware of
how it is proved (`runs.proofs`) or of what is timed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.app import subjects
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import content_id
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Container, Controls, Place, Proof
from steelyard.domain.subject import Subject
from steelyard.engines import api
from steelyard.models import artifacts
from steelyard.platform import atomic, clock, hardware, settings
from steelyard.runs import proofs
from steelyard.runs.places import build_of, place_for

_MICRO_BATCH_MOST: Final = 512  # the longest of the known prompts are longer than that
_KIN: Final = re.compile(r"ggml|llama")
_UNKNOWN: Final = Missing("not_asked")


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """A proof as it is kept; `at` is wall time, for people."""

    found: str
    at: str


def proved(
    subject: Subject, controls: Controls, container: Container | None, emit: Emit
) -> Reading[Proof]:
    """Return the proof that is kept for such a subject, else prove it now.

    Raises what kept the engine from answering.
    """
    path = _path(subject, controls, container)
    kept = _read(path)
    if kept is not None:
        return Measured(
            Proof(proofs.NAME, passed=True, found=f"{kept.found} (on {kept.at[:10]})"), "engine"
        )
    now = prove(subject, controls, emit, container)
    if isinstance(now, Measured) and now.value.passed:
        try:
            atomic.write(path, encode(Kept(now.value.found, clock.wall_time()), indent=1).encode())
        except BadInput as error:
            emit(Noted(f"the arithmetic proof is not kept: {error}", warning=True))
    return now


def prove(
    subject: Subject, controls: Controls, emit: Emit, container: Container | None = None
) -> Reading[Proof]:
    """Have the subject's engine compute what is known of the bundled model.

    The known answers are of a cache in half precision and of no draft: what is proved are the
    kernels, at prompts shorter and longer than a micro-batch.
    """
    subject = _exact(subject)
    with tempfile.TemporaryDirectory(prefix="steelyard-") as folder:

        def place_of(named: Subject, model: Path) -> Place:
            paths = {named.artifact.sha256: model}
            return place_for(named, Path(folder), paths, container=container)

        model = subjects.bundled("base.gguf")
        able = api.dialect(subject.engine).capabilities
        if not able.simulated and "gguf" not in able.formats | able.image_formats:
            model = _as_folder(model, Path(folder) / "bundled")
        return proofs.prove_engine(
            subject, model, subjects.bundled("proof.json"), place_of, controls, emit
        )


def _exact(subject: Subject) -> Subject:
    profile = subject.profile
    micro = min(profile.micro_batch_tokens, _MICRO_BATCH_MOST)
    exact = replace(
        profile, kv_type="f16", kv_type_v=None, draft_sha256=None, micro_batch_tokens=micro
    )
    return replace(subject, profile=exact)


def _as_folder(source: Path, folder: Path) -> Path:
    from steelyard.models import hf_folder  # brings numpy

    hf_folder.write(source, folder, "safetensors")
    return folder


def _path(subject: Subject, controls: Controls, container: Container | None = None) -> Path:
    """Return where the proof of such a subject is kept."""
    profile = subject.profile
    answers = subjects.bundled("proof.json")
    key = content_id(
        {
            "answers": hashlib.sha256(answers.read_bytes()).hexdigest(),
            "limits": (proofs.MEAN_KL_MAX, proofs.WORST_KL_MAX),
            "engine": subject.engine,
            "runtime": subject.runtime,
            "build": str(build_of(subject, _UNKNOWN, Place((), {}, Path(), container=container))),
            "libraries": _libraries() if subject.runtime == "native" else (),
            "device": hardware.device().id,
            "driver": str(hardware.environment().driver),
            "computes_on": controls.device,
            "on_gpu": _on_gpu(profile.gpu_layers),
            "gpus": profile.gpus,
            "split_mode": profile.split_mode if profile.gpus > 1 else "",
            "flash_attention": profile.flash_attention,
            "extra_args": profile.extra_args,
        }
    )
    return settings.load().home / "proofs" / f"{key}.json"


def _on_gpu(layers: int) -> str:
    """Say how much of the bundled model a GPU takes: more layers use the same kernels."""
    if not layers:
        return "nothing"
    return "all" if layers > artifacts.inspect(subjects.bundled("base.gguf")).layers else "some"


def _libraries() -> tuple[tuple[str, int, int], ...]:
    """Tell builds of the `llama-server` on PATH apart, whose number a new one may keep.

    It is its program and the libraries beside it; nothing where there is none on PATH, which is
    refused elsewhere.
    """
    named = shutil.which("llama-server")
    if named is None:
        return ()
    program = Path(named).resolve()
    here = program.parent
    beside = [*here.glob("lib*"), *(here.parent / "lib").glob("lib*")]
    files = [program, *sorted(path for path in beside if path.is_file() and _KIN.search(path.name))]
    states = [(path.name, path.stat()) for path in files]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


def _read(path: Path) -> Kept | None:
    """Read what is kept; nothing where there is none, or where it cannot be read."""
    try:
        return decode(Kept, path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, BadInput):
        return None
