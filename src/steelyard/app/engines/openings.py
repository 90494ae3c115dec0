"""How each of many runs is begun: on an engine of ours, or at somebody else's server.

What `engines cold`, `offload` and `parallel` share: a model's one file with what each engine for
it is started with, and the n-th run in a folder of its own. Not aware of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, final

from steelyard.app import subjects
from steelyard.app.benches import benching
from steelyard.app.profiles import engine_settings
from steelyard.app.profiles.engine_settings import Settled, Typed
from steelyard.app.results import history
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import BadInput, UnsupportedSubject
from steelyard.domain.progress import Emit
from steelyard.domain.run import Place, RunSpec
from steelyard.domain.subject import EngineProfile, Subject, Variant
from steelyard.engines import api
from steelyard.engines.attached import AttachedEngine
from steelyard.llamalib.kernels import cores
from steelyard.models import memory
from steelyard.runs.execute import Executor, Session
from steelyard.runs.places import place_for

Open: TypeAlias = Callable[[Executor, int, Path], AbstractContextManager[Session]]


@final
@dataclass(frozen=True, slots=True)
class Started:
    """A model's one file, and what every engine for it is started with."""

    chosen: Chosen
    runtime: str
    variant: Variant
    settled: Settled

    @property
    def path(self) -> Path:
        """The file, or its folder."""
        return self.chosen.files[0][0]

    @property
    def simulated(self) -> bool:
        """Whether the engine makes its answers up."""
        return api.dialect(self.chosen.engine).capabilities.simulated

    def subject(self, profile: EngineProfile | None = None) -> Subject:
        """Return the subject; with another profile, a variation of it."""
        settled = profile or self.settled.profile
        return Subject(self.variant.artifact, self.chosen.engine, self.runtime, settled)

    def place(self, subject: Subject, folder: Path) -> Place:
        """Return where it runs. Raises `BadInput` where the engine is not here."""
        paths = {self.variant.artifact.sha256: self.path.absolute(), **self.settled.paths}
        return place_for(subject, folder, paths, engine_profile=self.settled.name)

    def opens(self, spec: RunSpec) -> Open:
        """Return how the n-th run of a spec is begun: the engine starts and waits."""
        return lambda executor, number, folder: executor.session(
            replace(spec, repeat=number), self.variant, self.place(spec.subject, folder)
        )


def visits(engine: AttachedEngine, spec: RunSpec) -> Open:
    """Return the same for a server that is up already."""
    return lambda executor, number, folder: executor.visit(
        replace(spec, repeat=number), engine, Place((), {}, folder, engine.host, engine.port)
    )


def start(
    chosen: Chosen, runtime: str, needed: EngineProfile, typed: Typed, shorter: str, emit: Emit
) -> Started:
    """Hash the file and settle its engine. Raises `BadInput` for what cannot go together here.

    `shorter` says how the prompts and answers would need less context.
    """
    path, facts = chosen.files[0]
    variant = subjects.verified(facts.quant, path, emit)
    settled = engine_settings.settle(chosen, runtime, needed, typed, cores(), emit)
    engine_settings.require_trained(chosen, settled, needed, shorter)
    memory.require(facts, settled.profile, history=history.memory_here(runtime))
    return Started(chosen, runtime, variant, settled)


def runtime_of(chosen: Chosen, asked: str | None) -> str:
    """Return the runtime of a file by its format alone: nothing need be hashed to be refused."""
    path, _ = chosen.files[0]
    form = "safetensors" if path.is_dir() else "gguf"
    return benching.runtime_of(chosen.engine, form, path.name, asked)


def require_varied(chosen: Chosen, keys: Sequence[str], what: str, hint: str) -> Chosen:
    """Return it where these settings of its engine are ours to vary, the first one `what`.

    `hint` is for an engine that nobody can tell from here.
    """
    if keys[0] not in api.dialect(chosen.engine).capabilities.profile_keys:
        raise UnsupportedSubject(f"{chosen.engine} cannot be told {what}", hint=hint)
    named = chosen.profile
    if named is not None and (key := next((k for k in keys if k in named.settings), None)):
        raise BadInput(
            f"engine profile {named.name} sets {key} ({named.at(key)}), and here it is what is "
            "varied",
            hint="take it out there, or name another profile",
        )
    return chosen
