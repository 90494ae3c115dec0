"""A file appears whole or not at all: written beside its place, flushed to disk, then renamed.

A crash leaves the old file or the new one. Not aware of what is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from steelyard.domain.errors import BadInput, TooLittleRoom


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose bytes become `path` when the block ends well, and vanish otherwise."""
    clear_torn(path)
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write(path: Path, data: bytes) -> None:
    """Make `data` the whole of `path`; raise `BadInput` or `TooLittleRoom`."""
    with replacing(path) as stream:
        stream.write(data)


def require_writable(path: Path) -> None:
    """Raise `BadInput` where `path` could not be written, before what it is to hold is computed."""
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> BadInput:
    """Return the error for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TooLittleRoom(
            f"the disk filled up while {path.name} was written",
            hint=f"free space in {path.parent}, or choose another folder",
        )
    return BadInput(
        f"{path} cannot be written: {error.strerror}", hint="choose a folder that you may write to"
    )


def part_of(path: Path) -> Path:
    """Return where this process writes what is to become `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def clear_torn(path: Path) -> None:
    """Remove what a killed process left beside `path`; a living one keeps its own."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        owner = part.name.removeprefix(f".{path.name}.").removesuffix(".part")
        if owner.isdigit() and not _alive(int(owner)):
            with contextlib.suppress(OSError):
                part.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
