"""Which engines Steelyard can install for itself, and from what: an environment of its own each.

Never into ours: each of these drags a hundred versions along. The pins lie beside this file, one
file an engine, made by `uv pip compile --universal` and without what only CUDA builds need. Not
aware of how an environment is made (`platform.venvs`) or how an engine is spoken to.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput, EngineError, UnknownName
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
_HELP_LIMIT_S: Final = 60.0  # with torch to be read first
# The names in the first column of a help text; words stand apart from them by two spaces or more.
_OPTION: Final = re.compile(r"^[ \t]*(-\S.*?)(?:[ \t]{2,}|$)", re.MULTILINE)
_NAME: Final = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


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


@functools.cache
def options(name: str) -> frozenset[str]:
    """Return the options of an engine's server, by its own help; raise `EngineError` for none."""
    try:
        ended = subprocess.run(
            [*program(name), "--help"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_HELP_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{name} --help failed: {error}") from None
    found = read_options(ended.stdout.decode("utf-8", "replace"))
    if "--host" not in found:
        raise EngineError(f"the help of {name} lists no options")
    return found


def read_options(text: str) -> frozenset[str]:
    """Read the names of options in a help text as argparse and click write it."""
    return frozenset(name for entry in _OPTION.findall(text) for name in _NAME.findall(entry))


def program(name: str) -> tuple[str, ...]:
    """Return the beginning of the command that starts an engine's server."""
    return (str(required(name).python), *_PROGRAMS[name])
