"""Environments of other programs' own: made by uv, whole or not at all, and removed.

An environment is built beside its place and renamed when it works, so a broken or interrupted
install leaves nothing that looks installed. Its stamp says from which recipe it was made. Not aware
of what the programs do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.platform import atomic, locks, pip_settings

_STAMP: Final = "steelyard.json"
_BIN, _EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
_WORDS: Final = 1500
_VERSIONS: Final = (
    "import importlib.metadata as m, json, sys; "
    "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
)


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into an environment.

    `pins` are the versions of everything, `modules` must import before it counts as installed, and
    `tell` are the packages whose versions say what it is.
    """

    name: str
    requirements: tuple[str, ...]
    pins: str
    modules: tuple[str, ...]
    tell: tuple[str, ...]

    @property
    def id(self) -> str:
        """A hash of what decides the outcome."""
        parts = (*self.requirements, self.pins, sys.version.split()[0])
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@final
@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that is there; `current` when it was made from the recipe of today."""

    folder: Path
    versions: Mapping[str, str]
    current: bool

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return python_of(self.folder)

    @property
    def described(self) -> str:
        """Its packages and their versions, for people and for records."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


def python_of(folder: Path) -> Path:
    """Return where an environment's interpreter lies."""
    return folder / _BIN / f"python{_EXE}"


def find(recipe: Recipe, root: Path) -> Installed | None:
    """Return the environment of a recipe under `root`, or None where there is none."""
    folder = root / recipe.name
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
        versions = {str(name): str(version) for name, version in stamp["versions"].items()}
        current = stamp["recipe"] == recipe.id
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    found = Installed(folder, versions, current)
    return found if found.python.exists() else None


def install(recipe: Recipe, root: Path) -> Installed:
    """Make the environment, or leave the one that is there when it is of the same recipe.

    Raises:
        BadInput: the folder cannot be written, or another install is under way (`Busy`).
        SteelyardError: something could not be fetched, or what was fetched does not work.
    """
    with _held(recipe, root):
        there = find(recipe, root)
        if there is not None and there.current:
            return there
        part = root / f".{recipe.name}.part"
        shutil.rmtree(part, ignore_errors=True)  # what a killed install left
        try:
            _build(recipe, part, root)
            _put(part, root / recipe.name)
        except OSError as error:
            raise atomic.unwritable(root / recipe.name, error) from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
    made = find(recipe, root)
    if made is None:
        raise SteelyardError(
            f"the environment of {recipe.name} vanished while it was made",
            hint=f"is somebody else writing into {root}?",
        )
    return made


def uninstall(recipe: Recipe, root: Path) -> bool:
    """Remove the environment; return whether there was one, whole or not."""
    folder = root / recipe.name
    if not folder.exists():
        return False
    with _held(recipe, root):
        gone = root / f".{recipe.name}.part"
        shutil.rmtree(gone, ignore_errors=True)
        try:
            folder.replace(gone)  # from here on it is not installed, whatever happens
            shutil.rmtree(gone)
        except OSError as error:
            raise atomic.unwritable(folder, error) from None
    return True


def _held(recipe: Recipe, root: Path) -> contextlib.AbstractContextManager[None]:
    return locks.folder_lock(root / f".{recipe.name}.lock")


def _build(recipe: Recipe, part: Path, root: Path) -> None:
    env = pip_settings.for_uv(pip_settings.read(pip_settings.base_python()))
    uv = str(_uv(root))
    part.parent.mkdir(parents=True, exist_ok=True)
    # Relocatable: it is renamed when it is whole.
    make = [uv, "venv", "-q", "--relocatable", "--python", pip_settings.base_python(), str(part)]
    _run(make, env, f"an environment for {recipe.name} could not be made")
    pins = part / "pins.txt"
    pins.write_text(recipe.pins, encoding="utf-8")
    python = str(python_of(part))
    fetch = [uv, "pip", "install", "-q", "--python", python, "-c", str(pins), *recipe.requirements]
    _run(fetch, env, f"{recipe.name} could not be installed")
    works = [python, "-c", f"import {', '.join(recipe.modules)}"]
    _run(works, env, f"{recipe.name} was fetched and does not run here")
    said = _run([python, "-c", _VERSIONS, *recipe.tell], env, f"{recipe.name} tells no version")
    stamp = {"recipe": recipe.id, "versions": json.loads(said)}
    (part / _STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def _put(part: Path, folder: Path) -> None:
    """Give the finished environment its name; the old one is moved away first."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    part.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _uv(root: Path) -> Path:
    """Return uv: ours, the checkout's, the one on PATH, else fetched by pip into a folder of ours.

    `--target` also works where pip refuses to touch the system (PEP 668).
    """
    tools = root / ".tools"
    name = f"uv{_EXE}"
    for found in (tools / _BIN / name, Path(sys.prefix).parent / ".tools" / _BIN / name):
        if found.is_file():
            return found
    if on_path := shutil.which("uv"):
        return Path(on_path)
    pip = [pip_settings.base_python(), "-m", "pip", "install", "-q", "--target", str(tools), "uv"]
    _run(pip, dict(os.environ), "uv, which makes environments, could not be fetched")
    return tools / _BIN / name


def _run(argv: list[str], env: Mapping[str, str], failed: str) -> str:
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BadInput(f"{failed}: {argv[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise SteelyardError(
            f"{failed}: {(done.stderr or done.stdout).strip()[-_WORDS:]}",
            hint="it is fetched from where pip is set up to fetch: see `pip config list`",
        )
    return done.stdout
