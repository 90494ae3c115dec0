"""Where a command puts an engine profile that it found, and how it gets there whole.

Nothing is overwritten; what cannot be used is never put where others look for it. Not aware of how
settings were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from steelyard.app.profiles import files, profiles
from steelyard.domain.errors import BadInput
from steelyard.domain.subject import EngineProfile
from steelyard.platform import atomic, settings


def chosen(asked: Path | None, stem: str) -> Path:
    """Return the file asked for, or a free name among the user's own profiles."""
    if asked is not None:
        if asked.suffix not in (".yaml", ".yml"):
            raise BadInput(f"--out {asked} is no YAML file", hint="call it NAME.yaml")
        if asked.exists():
            raise BadInput(f"{asked} is there already", hint="give another --out")
        if not asked.absolute().parent.is_dir():
            raise BadInput(f"there is no folder {asked.parent}", hint="make it first")
        return asked
    folder, stem = settings.load().engine_profiles, stem.lower()
    number = 1
    taken = profiles.names()
    while (name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return folder / f"{name}.yaml"


def settings_of(profile: EngineProfile, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file must say of a profile: all that is unusual, and all that one said before.

    A draft model is left out: it is named by its file.
    """
    usual, found = EngineProfile(), {}
    for key in (field.name for field in fields(profile)):
        value = getattr(profile, key)
        if value != getattr(usual, key) or key in before:
            found[key] = value
    found.pop("draft_sha256", None)
    return {"context_tokens": profile.context_tokens, **found}


def write(
    out: Path,
    folder: Path,
    engine: str,
    runtime: str,
    settings_: Mapping[str, Any],
    comments: tuple[str, ...],
) -> None:
    """Write a profile into the run's folder, read it again and check it, then put it in place."""
    kept = {key: value for key, value in settings_.items() if value is not None}
    text = files.text(engine, kept, comments)
    draft = folder / out.name
    atomic.write(draft, text.encode())
    profiles.check(files.read(draft), engine, runtime)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(out, text.encode())


def by_name(out: Path, subject: str, engine: str) -> str:
    """Return the subject with the profile behind it, where it lies with the user's own."""
    if out.parent.absolute() != settings.load().engine_profiles.absolute():
        return ""
    return f"{subject}@{engine}/{out.stem}"
