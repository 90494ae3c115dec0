"""The user's own private seed: made once from the system's randomness, kept where only they read.

Not aware of tasks or terminals.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain import private
from steelyard.domain.errors import BadInput
from steelyard.platform import atomic, settings

NAME: Final = "private-seed"
_BYTES: Final = 32
_OWNER_ONLY: Final = 0o600
# Windows has no such bits: what lies in the data folder is the user's there.
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO if os.name == "posix" else 0


@final
@dataclass(frozen=True, slots=True)
class OwnSeed:
    """The seed, where it lies, and whether it was made just now."""

    seed: str
    path: Path
    new: bool


def own() -> OwnSeed:
    """Return the user's seed; the first time it is made. Raises `BadInput` for one that is none."""
    path = settings.load().home / NAME
    new = not os.path.lexists(path)
    if new:
        _make(path)
    return OwnSeed(_read(path), path, new)


def _make(path: Path) -> None:
    """Write a new seed; what another process wrote meanwhile stands."""
    part = atomic.part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(part, flags, _OWNER_ONLY), "w", encoding="ascii") as stream:
            stream.write(private.made(os.urandom(_BYTES)) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A link is refused where the name is taken; a rename would put a second seed there.
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        atomic.sync_folder(path.parent)
    except OSError as error:
        raise atomic.unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        seed = path.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise BadInput(
            f"your private seed in {path} cannot be read: {error.strerror}",
            hint="mend that, or draw the items from a word: --private-seed WORD",
        ) from None
    if mode & _OTHERS:
        raise BadInput(
            f"others on this machine may read your private seed in {path}",
            hint=f"`chmod 600 {path}`; if they may have read it, remove it: a new one is then made",
        )
    if not private.is_made(seed):
        raise BadInput(
            f"{path} holds no private seed of ours",
            hint="put the right one back, or move it away: a new one is then made",
        )
    return seed
