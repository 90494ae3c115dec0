"""A file's pages in the system's page cache: how much of it is there, out with it, in with it.

Dropping takes no rights beyond reading the file, and works on clean pages that nobody has mapped:
what stayed is told, never assumed away. Behind this cache others may stand (a disk's own, that of a
virtual machine's host), which nobody in here can see. Sources: posix_fadvise(2), mincore(2); since
Linux 5.2 mincore answers truly only to those who own the file or may write it. Not aware of models.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading

_WINDOW: Final = 1 << 30
_CHUNK: Final = 1 << 22
_PROT_READ: Final = 1
_MAP_SHARED: Final = 1
_FAILED: Final = ctypes.c_void_p(-1).value
_NO_SUCH: Final = Missing("unsupported_system", "this system does not tell its page cache")


def share(files: Iterable[Path]) -> Reading[float]:
    """Return which part of these files' bytes lies in the page cache, from 0 to 1."""
    total = there = 0
    for path in files:
        found = resident_bytes(path)
        if isinstance(found, Missing):
            return found
        total += path.stat().st_size
        there += found.value
    return Measured(there / total if total else 1.0, "client")


def resident_bytes(path: Path) -> Reading[int]:
    """Return how many bytes of a file lie in the page cache, in whole pages."""
    library = _library()
    if library is None:
        return _NO_SUCH
    try:
        about = path.stat()
        if about.st_uid != os.geteuid() and not os.access(path, os.W_OK):
            return Missing(
                "not_told", "the system tells of its page cache only who owns or may write a file"
            )
        with path.open("rb") as file:
            return _counted(library, file.fileno(), about.st_size)
    except OSError as error:
        return Missing("not_readable", f"{path.name}: {error.strerror}")


def drop(files: Iterable[Path]) -> Missing | None:
    """Ask the system to forget these files' pages; return why it cannot be asked.

    Whether it did, `share` tells: pages that somebody has mapped stay.
    """
    if not hasattr(os, "posix_fadvise"):
        return Missing("unsupported_system", "this system cannot be told to forget a file's pages")
    for path in files:
        try:
            with path.open("rb") as file:
                os.fsync(file.fileno())  # what is not written yet cannot be forgotten
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            return Missing("not_dropped", f"{path.name}: {error.strerror}")
    return None


def warm(files: Iterable[Path]) -> None:
    """Read these files from end to end, so that they lie in the page cache as far as it has room.

    Raises `OSError` for one that cannot be read.
    """
    room = memoryview(bytearray(_CHUNK))
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(room):
                pass


def _counted(library: ctypes.CDLL, descriptor: int, size: int) -> Reading[int]:
    page, there = mmap.PAGESIZE, 0
    for start in range(0, size, _WINDOW):
        length = min(_WINDOW, size - start)
        address = library.mmap(None, length, _PROT_READ, _MAP_SHARED, descriptor, start)
        if address in (None, _FAILED):
            return _NO_SUCH
        pages = (ctypes.c_ubyte * -(-length // page))()
        failed = library.mincore(address, length, pages)
        library.munmap(address, length)
        if failed:
            return _NO_SUCH
        inside = sum(map((1).__and__, pages)) * page
        there += min(inside, length)
    return Measured(there, "client")


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None, use_errno=True)
        library.mmap.restype = ctypes.c_void_p
        library.mmap.argtypes = (
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
            ctypes.c_long,
        )
        library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        library.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    except (OSError, AttributeError, TypeError):
        return None
    return library
