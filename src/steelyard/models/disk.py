"""Is there room on the disk? Asked before anything long begins. Not aware of what is written."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput, TooLittleRoom

RESERVE_BYTES: Final = 64 * 1024 * 1024
_STEP: Final = 1000


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the file system that `folder` is or will be on."""
    return shutil.disk_usage(_existing(folder)).free


def shared(one: Path, other: Path) -> bool:
    """Return whether both folders are or will be on one file system."""
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev


def require(
    folder: Path, needed_bytes: int, *, what: str, reserve_bytes: int = RESERVE_BYTES
) -> None:
    """Raise `TooLittleRoom` unless the bytes and a reserve fit; `BadInput` if read-only."""
    home = _existing(folder)
    try:
        # Permissions do not tell: a file system may be read-only, and root may write anywhere.
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written to: {error.strerror}",
            hint="choose another folder with --out",
        ) from None
    free = free_bytes(folder)
    if needed_bytes + reserve_bytes > free:
        short = needed_bytes + reserve_bytes - free
        kept = f", {size(reserve_bytes)} of them kept back" if reserve_bytes > RESERVE_BYTES else ""
        raise TooLittleRoom(
            f"{what} needs {size(needed_bytes)} in {folder}, and {size(free)} are free{kept}",
            hint=f"free {size(short)} there, ask for fewer quants, or choose another folder",
        )


def size(count: int) -> str:
    """Return bytes in the words of people."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= _STEP and len(units) > 1:
        value /= _STEP
        units.pop(0)
    return f"{count} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
