"""Where a run takes place: the program of its engine, its folder, its files.

Not aware of what is run there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Reading
from steelyard.domain.run import Container, Controls, Place
from steelyard.domain.subject import Subject
from steelyard.engines import environments
from steelyard.engines.images import RUNTIME
from steelyard.llamalib import options, runtimes

# Beside the stand-in files of a ladder on the scripted engine: what it is to do.
SCRIPT: Final = "scripted.json"


def place_for(
    subject: Subject,
    folder: Path,
    paths: Mapping[str, Path],
    *,
    engine_profile: str = "",
    container: Container | None = None,
) -> Place:
    """Return the place of one run of `subject`. Raises `BadInput` when its runtime is missing.

    `engine_profile` is the name under which the subject's was found; `container` says from which
    image a server in one is started.
    """
    contained = subject.runtime == RUNTIME
    return Place(
        program=() if contained else _program(subject, paths),
        paths=dict(paths),
        folder=folder,
        engine_profile=engine_profile,
        container=container if contained else None,
    )


def own_runtime(engine: str) -> str | None:
    """Return how an engine's program is come by where there is one way only; None for llama.cpp."""
    own = {"scripted": "scripted", "ik_llamacpp": "native"}
    return (own | dict.fromkeys(environments.NAMES, environments.ENVIRONMENT)).get(engine)


def require_cores(controls: Controls) -> None:
    """Raise `BadInput` where the engine is to run on cores that are not there for us."""
    if controls.affinity is None or not hasattr(os, "sched_getaffinity"):
        return
    here = os.sched_getaffinity(0)
    absent = [str(core) for core in controls.affinity if core not in here]
    if absent or not controls.affinity:
        raise BadInput(
            f"core {', '.join(absent) or 'none'} cannot be used here",
            hint=f"the cores of this machine are {', '.join(map(str, sorted(here)))}",
        )


def default_threads(cores: int) -> int:
    """Return the engine's threads where nobody asks for a number: all cores but one.

    With a thread on every core the part of the server that writes answers gets no turn while
    tokens are computed: they arrive in one burst, and a burst cannot be timed.
    """
    return max(1, cores - 1)


def build_of(subject: Subject, claimed: Reading[str], place: Place) -> Reading[str]:
    """Return the engine's build: the wheel's server does not know its own, its package does.

    That of a server in a container is its image, by content, and what it says itself.
    """
    if place.container is not None:
        said = f" ({claimed.value})" if isinstance(claimed, Measured) else ""
        of = place.container
        named = "" if of.image.startswith(of.named) else f" ({of.named})"
        return Measured(f"{of.image}{named}, by {of.tool}{said}", "client")
    if subject.runtime == environments.ENVIRONMENT:
        return Measured(environments.required(subject.engine).described, "engine")
    if subject.runtime not in runtimes.NAMES:
        return claimed
    return Measured(str(runtimes.find(subject.runtime).describe()), "engine")


def without_folders(text: str, place: Place) -> str:
    """Take this machine's folders out of a text that others may read."""
    roots = {place.folder, *(path.parent for path in place.paths.values())}
    known = {str(root): "…" for root in roots if root.name}
    known.setdefault(str(Path.home()), "~")
    # The longest first: one may lie in another.
    for folder in sorted(known, key=len, reverse=True):
        text = text.replace(folder, known[folder])
    return text


def _program(subject: Subject, paths: Mapping[str, Path]) -> tuple[str, ...]:
    if subject.engine in environments.NAMES:
        return environments.program(subject.engine)
    if subject.engine == "ik_llamacpp":
        return (options.server_of(ik=True),)
    if subject.runtime == "native":
        return (options.server_of(ik=False),)
    if subject.engine != "scripted":
        return runtimes.find(subject.runtime).server()
    script = paths[subject.artifact.sha256].parent / SCRIPT
    plan = ("--plan", str(script)) if script.exists() else ()
    return (sys.executable, "-m", "steelyard.scripted", *plan)
