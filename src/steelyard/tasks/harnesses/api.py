"""What is known of a harness: how it is installed, how it is called, where its scores stand.

One file a harness; adding one is adding it to `HARNESSES`. Not aware of processes, proxies or
records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.harness import HarnessScore
from steelyard.platform import settings, venvs
from steelyard.platform.venvs import Installed, Recipe
from steelyard.tasks.harnesses import inspect_ai, lm_eval
from steelyard.tasks.harnesses.order import Order


@final
@dataclass(frozen=True, slots=True)
class Harness:
    """One harness. `named` checks what was typed behind its prefix and returns what it is given.

    `loglikelihoods` says, without a network, which of the tasks compare log-probabilities of
    their prompts, asked of the harness itself by its interpreter. `unfinished` reads out of the
    results which tasks did not come to their end, where the exit code does not tell.
    """

    name: str
    requirements: tuple[str, ...]
    modules: tuple[str, ...]
    tell: tuple[str, ...]
    named: Callable[[str], str]
    command: Callable[[Order], tuple[str, ...]]
    env: Callable[[Order], Mapping[str, str]]
    scores: Callable[[Path], tuple[HarnessScore, ...]]
    loglikelihoods: Callable[[Path, Sequence[str]], tuple[str, ...]] = field(
        default=lambda _python, _tasks: ()
    )
    unfinished: Callable[[Path], tuple[str, ...]] = field(default=lambda _out: ())


HARNESSES: Final[Mapping[str, Harness]] = {
    "lm-eval": Harness(
        "lm-eval",
        ("lm-eval[api]",),
        ("lm_eval", "aiohttp", "tenacity"),
        ("lm-eval",),
        lm_eval.named,
        lm_eval.command,
        lm_eval.env,
        lm_eval.scores,
        lm_eval.loglikelihoods,
    ),
    "inspect": Harness(
        "inspect",
        ("inspect-ai", "inspect-evals", "openai"),
        ("inspect_ai", "inspect_evals", "openai"),
        ("inspect-ai", "inspect-evals"),
        inspect_ai.named,
        inspect_ai.command,
        inspect_ai.env,
        inspect_ai.scores,
        unfinished=inspect_ai.unfinished,
    ),
}
NAMES: Final = tuple(HARNESSES)


def of_word(word: str) -> str | None:
    """Return the harness that a task's name begins with, None where it is one of ours."""
    prefix, colon, _ = word.partition(":")
    return prefix if colon and prefix in HARNESSES else None


def recipe(name: str) -> Recipe:
    """Return what a harness is installed from; raise `UnknownName` for one that is not known."""
    if name not in HARNESSES:
        raise UnknownName.among("harness", name, NAMES)
    pins = files("steelyard.tasks.harnesses") / "pins" / f"{name}.txt"
    harness = HARNESSES[name]
    return Recipe(
        name,
        harness.requirements,
        pins.read_text(encoding="utf-8"),
        harness.modules,
        harness.tell,
    )


def root() -> Path:
    """Return the folder that holds the environments of this user."""
    return settings.load().home / "envs"


def required(name: str) -> Installed:
    """Return a harness' environment; raise `BadInput` with the way to it."""
    there = venvs.find(recipe(name), root())
    if there is None:
        raise BadInput(
            f"{name} is not installed here", hint=f"`steelyard engines install {name}` does it"
        )
    return there
