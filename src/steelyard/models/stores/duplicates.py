"""Which files hold the same bytes: told cheaply first, and surely only where somebody asks.

Files of one size whose beginning and end agree are candidates; only those are ever hashed whole.
Names of one file (links, hard links) are no duplicates: they take no room. Where both files' stores
claim a sha256, the claims decide until they are verified. Not aware of models.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar, final

from steelyard.domain.errors import BadInput
from steelyard.models.stores import local
from steelyard.models.stores.api import StoredFile, Unusable

Evidence: TypeAlias = Literal["verified", "claimed", "likely"]
Hashing: TypeAlias = Callable[[Path], str]
_EDGE: Final = 64 << 10
_K = TypeVar("_K", bound=Hashable)


@final
@dataclass(frozen=True, slots=True)
class Same:
    """Files of the same bytes, and how far that is known.

    `verified`: hashed whole; `claimed`: their stores name the same sha256; `likely`: the same size,
    beginning and end.
    """

    evidence: Evidence
    size_bytes: int
    paths: tuple[Path, ...]
    sha256: str | None = None

    @property
    def wasted_bytes(self) -> int:
        """What goes free if one of them stays."""
        return self.size_bytes * (len(self.paths) - 1)


@final
@dataclass(frozen=True, slots=True)
class Verified:
    """What hashing found: digests by path, and files that are not what their store claims."""

    digests: Mapping[Path, str]
    damaged: tuple[Unusable, ...]


def verify(files: Iterable[StoredFile], hashing: Hashing = local.sha256_of) -> Verified:
    """Hash every file whose store claims a digest, and every candidate for a duplicate."""
    unique = _unique(files)
    wanted = {_path(file): file for file in unique if file.sha256 is not None}
    wanted |= {_path(file): file for group in candidates(unique) for file in group}
    digests: dict[Path, str] = {}
    damaged: list[Unusable] = []
    for path, file in sorted(wanted.items()):
        with local.telling(damaged, path):
            digests[path] = hashing(path)
            if file.sha256 is not None and digests[path] != file.sha256:
                raise local.wrong(file.name, digests[path], file.sha256)
    return Verified(digests, tuple(damaged))


def find(
    files: Iterable[StoredFile], digests: Mapping[Path, str] | None = None
) -> tuple[Same, ...]:
    """Return what holds the same bytes, the most wasteful first; `digests` are those verified."""
    known = digests or {}
    found: list[Same] = []
    for group in candidates(_unique(files)):
        if all(file.path in known for file in group):
            found += _by(group, "verified", lambda file: known[_path(file)])
        elif all(file.sha256 is not None for file in group):
            found += _by(group, "claimed", lambda file: str(file.sha256))
        else:
            paths = tuple(sorted(map(_path, group)))
            found.append(Same("likely", group[0].size_bytes, paths))
    return tuple(sorted(found, key=lambda same: (-same.wasted_bytes, str(same.paths[0]))))


def candidates(files: Sequence[StoredFile]) -> tuple[tuple[StoredFile, ...], ...]:
    """Group files by size, then by what they begin and end with; alone in its group is none."""
    groups: list[tuple[StoredFile, ...]] = []
    for group in _groups(files, lambda file: file.size_bytes):
        if group[0].size_bytes:
            groups += _groups(group, _edges)
    return tuple(groups)


def _by(
    group: Sequence[StoredFile], evidence: Evidence, digest: Callable[[StoredFile], str]
) -> list[Same]:
    return [
        Same(evidence, same[0].size_bytes, tuple(sorted(map(_path, same))), digest(same[0]))
        for same in _groups(group, digest)
    ]


def _groups(
    files: Iterable[StoredFile], key: Callable[[StoredFile], _K]
) -> list[tuple[StoredFile, ...]]:
    found: defaultdict[_K, list[StoredFile]] = defaultdict(list)
    for file in files:
        found[key(file)].append(file)
    return [tuple(group) for group in found.values() if len(group) > 1]


def _unique(files: Iterable[StoredFile]) -> list[StoredFile]:
    """Keep one name of every file that is here."""
    seen: dict[tuple[int, int], StoredFile] = {}
    for file in files:
        if file.path is None:
            continue
        try:
            info = file.path.stat()
        except OSError:
            continue
        key = (info.st_dev, info.st_ino)
        # The name that claims a digest is worth more than one that does not.
        if key not in seen or seen[key].sha256 is None:
            seen[key] = file
    return list(seen.values())


def _edges(file: StoredFile) -> str:
    """Return a digest of beginning and end; a file that cannot be read is like no other."""
    path = _path(file)
    try:
        with path.open("rb") as stream:
            digest = hashlib.sha256(stream.read(_EDGE))
            if file.size_bytes > _EDGE:
                stream.seek(-min(_EDGE, file.size_bytes - _EDGE), os.SEEK_END)
                digest.update(stream.read(_EDGE))
    except OSError:
        return str(path)
    return digest.hexdigest()


def _path(file: StoredFile) -> Path:
    if file.path is None:
        raise BadInput(f"{file.name} is not on this machine")
    return file.path
