"""`engines install|uninstall`: environments for the engines and harnesses that we can fetch."""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.domain.errors import UnknownName
from steelyard.domain.progress import Emit, PhaseEnded, PhaseStarted
from steelyard.engines import environments
from steelyard.models import disk
from steelyard.platform import clock, venvs
from steelyard.platform.venvs import Recipe
from steelyard.tasks.harnesses import api as harnesses

_NS_PER_S = 1e9
# What the larger of them takes with its packages, and as much again while they are fetched.
_ROOM_BYTES = 2 * 1024**3


def install_text(names: Sequence[str], emit: Emit) -> str:
    """Install engines, each into an environment of its own; say what is there now."""
    recipes = [_recipe(name) for name in names]  # a wrong name stops before the first
    root = environments.root()
    lines = []
    for recipe in recipes:
        before = venvs.find(recipe, root)
        if before is None or not before.current:
            disk.require(root, _ROOM_BYTES, what=f"the environment of {recipe.name}")
        started_ns = clock.monotonic_ns()
        emit(PhaseStarted("installing", None, recipe.name))
        made = venvs.install(recipe, root)
        emit(PhaseEnded("installing", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
        was = "is installed already" if before is not None and before.current else "is installed"
        lines.append(f"{recipe.name} {was}: {made.described}, in {made.folder}")
    return "\n".join(lines)


def uninstall_text(names: Sequence[str]) -> str:
    """Remove environments; say which there were."""
    recipes = [_recipe(name) for name in names]
    lines = []
    for recipe in recipes:
        there = venvs.uninstall(recipe, environments.root())
        lines.append(f"{recipe.name} is {'removed' if there else 'not installed: nothing to do'}")
    return "\n".join(lines)


def _recipe(name: str) -> Recipe:
    known = (*environments.NAMES, *harnesses.NAMES)
    if name not in known:
        raise UnknownName.among("engine or harness that can be installed", name, known)
    return harnesses.recipe(name) if name in harnesses.NAMES else environments.recipe(name)


def listed() -> dict[str, str]:
    """Return what is installed of each engine that can be, in words."""
    found = {}
    for name in environments.NAMES:
        there = environments.found(name)
        if there is None:
            found[name] = f"absent; `steelyard engines install {name}` fetches it"
        elif not there.current:
            found[name] = f"{there.described} (older; `steelyard engines install {name}` renews it)"
        else:
            found[name] = there.described
    return found
