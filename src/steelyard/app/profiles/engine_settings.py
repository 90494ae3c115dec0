"""What an engine is started with: the work's own needs, the engine profile over them, the device.

The same for a bench, a sweep and a search for settings. What was typed is a control and overrides
the engine profile; where both speak of context, nothing says who is meant, so it is refused. Not
aware of what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

from steelyard.app import accelerators
from steelyard.app.engines import preflights
from steelyard.app.profiles import profiles
from steelyard.app.subjects import Chosen
from steelyard.domain.errors import BadInput, TooLittleRoom
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.subject import EngineProfile
from steelyard.runs.places import default_threads


@final
@dataclass(frozen=True, slots=True)
class Typed:
    """What the command line says of the same things; None for what it does not."""

    threads: int | None = None
    device: str | None = None
    context: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Settled:
    """The profile that is launched, the controls over it, the profile's name, image and files."""

    profile: EngineProfile
    threads: int | None
    device: str | None
    name: str = ""
    image: str = ""
    paths: Mapping[str, Path] = field(default_factory=dict)


def settle(
    chosen: Chosen, runtime: str, needed: EngineProfile, typed: Typed, cores: int, emit: Emit
) -> Settled:
    """Put it together. Raises `BadInput` for what this engine, build or machine cannot do.

    `needed` holds the context and the slots that the work takes; `cores` are those we may use.
    """
    named = chosen.profile
    path, facts = chosen.files[0]
    choice = accelerators.choose(typed.device, chosen.engine, runtime)
    if choice.said:
        emit(Noted(choice.said))
    preflights.require(chosen.engine, path, facts.quant, choice.device, facts.type_elements)
    usual = replace(needed, gpu_layers=choice.gpu_layers)
    if named is None:
        return Settled(usual, typed.threads or default_threads(cores), choice.device)
    profiles.check(named, chosen.engine, runtime)
    profile = named.over(usual)
    context = named.settings.get("context_tokens")
    if context is not None and typed.context is not None:
        raise BadInput(
            f"--context {typed.context} and engine profile {named.name} ({context} tokens) both "
            "say how much context there is",
            hint="leave one of them out",
        )
    if profile.context_tokens < needed.context_tokens:
        raise TooLittleRoom(
            f"the work needs {needed.context_tokens:,} tokens of context, and engine profile "
            f"{named.name} gives {profile.context_tokens:,} ({named.at('context_tokens')})",
            hint="raise it there, or ask for shorter prompts",
        )
    if profile.slots < needed.slots:
        emit(
            Noted(
                f"engine profile {named.name} has {profile.slots} slots and the work sends "
                f"{needed.slots} requests at a time: some of them wait for a slot",
                warning=True,
            )
        )
    threads = typed.threads or (None if profile.threads else default_threads(cores))
    return Settled(profile, threads, choice.device, named.name, named.image, profiles.paths(named))


def require_trained(chosen: Chosen, settled: Settled, needed: EngineProfile, shorter: str) -> None:
    """Raise `TooLittleRoom` for more context than the model knows; `shorter` is a way to less."""
    path, facts = chosen.files[0]
    context = settled.profile.context_tokens
    if not facts.context_tokens or context <= facts.context_tokens:
        return
    trained = f"{path.name} was trained for {facts.context_tokens:,} tokens of context; "
    if context > needed.context_tokens:
        raise TooLittleRoom(
            f"{trained}engine profile {settled.name} asks for {context:,}",
            hint="take another engine profile",
        )
    raise TooLittleRoom(f"{trained}the prompts and answers need {context:,}", hint=shorter)
