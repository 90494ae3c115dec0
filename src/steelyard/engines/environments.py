"""Which engines Steelyard can install for itself, and from what: an environment of its own each.

Never into ours: each of these drags a hundred versions along. The pins lie beside this file, one
file an engine, made by `uv pip compile --universal` and without what only CUDA builds need. Not
aware of how an environment is made (`platform.venvs`) or how an engine is spoken to.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.platform import settings, venvs
from steelyard.platform.venvs import Installed, Recipe

# Enters `Subject.runtime`: the program is that of the engine's own environment.
ENVIRONMENT: Final = "environment"
# Isolated: a file or folder named `mlx` or `transformers` where one stands would be taken for it.
_PROGRAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "mlx": ("-I", "-m", "mlx_lm", "server"),
    "transformers": ("-I", "-m", "transformers.cli.transformers", "serve"),
}
_REQUIREMENTS: Final = {
    "mlx": ("mlx-lm", "mlx[cpu]; sys_platform == 'linux'"),
    "transformers": ("transformers[serving]", "torch"),
}
_MODULES: Final = {
    "mlx": ("mlx.core", "mlx_lm.server"),
    "transformers": ("torch", "transformers", "fastapi", "uvicorn", "openai"),
}
_TELL: Final = {"mlx": ("mlx-lm", "mlx"), "transformers": ("transformers", "torch")}
NAMES: Final = tuple(sorted(_PROGRAMS))


def recipe(name: str) -> Recipe:
    """Return what an engine is installed from; raise `UnknownName` for one that cannot be."""
    if name not in NAMES:
        raise UnknownName.among("engine that can be installed", name, NAMES)
    pins = (files("steelyard.engines") / "pins" / f"{name}.txt").read_text(encoding="utf-8")
    return Recipe(name, _REQUIREMENTS[name], pins, _MODULES[name], _TELL[name])


def root() -> Path:
    """Return the folder that holds the environments of this user."""
    return settings.load().home / "envs"


def found(name: str) -> Installed | None:
    """Return an engine's environment, or None where it is not installed."""
    return venvs.find(recipe(name), root())


def required(name: str) -> Installed:
    """Return an engine's environment; raise `BadInput` with the way to it."""
    there = found(name)
    if there is None:
        raise BadInput(
            f"{name} is not installed here", hint=f"`steelyard engines install {name}` does it"
        )
    return there


def program(name: str) -> tuple[str, ...]:
    """Return the beginning of the command that starts an engine's server."""
    return (str(required(name).python), *_PROGRAMS[name])
