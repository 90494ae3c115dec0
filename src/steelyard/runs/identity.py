"""Is the file on disk the one that the spec names? Asked before the start and once more after.

A hash is taken once for each state of a file (device, inode, size, both change times), so a large
model is not read again for every repeat, and a swap or an edit is always seen. What the server
itself says is `engines.identity`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, final

from steelyard.domain.errors import WrongModel
from steelyard.domain.subject import Artifact
from steelyard.models import artifacts, folders, shards

FileState: TypeAlias = tuple[int, int, int, int, int]


@final
class Verifier:
    """Remembers which state of which file has been hashed."""

    def __init__(self) -> None:
        self._known: dict[tuple[FileState, ...], str] = {}

    def verify(self, artifact: Artifact, path: Path) -> None:
        """Raise `WrongModel` unless the file's bytes are the artifact's."""
        found = self.sha256(path)
        if found != artifact.sha256:
            raise WrongModel(
                f"{path} is not {artifact.name!r} any more: its sha256 is {found[:12]}…, "
                f"{artifact.sha256[:12]}… was planned",
                hint="somebody changed or swapped it: put the planned file back, or sweep anew",
            )

    def sha256(self, path: Path) -> str:
        """Return the hash of the model as it is now, all its shards included."""
        if not path.exists():
            raise WrongModel(f"{path} is gone", hint="put the planned file back, or sweep anew")
        files = folders.files_of(path) if path.is_dir() else shards.files_of(path)
        states = tuple(_state(file) for file in files)
        if states not in self._known:
            found = artifacts.fingerprint(path).sha256
            if tuple(_state(file) for file in files) != states:
                raise WrongModel(
                    f"{path} changed while it was read", hint="wait until the copy has finished"
                )
            self._known[states] = found
        return self._known[states]


def _state(path: Path) -> FileState:
    try:
        found = path.stat()
    except OSError as error:
        raise WrongModel(f"{path} cannot be read: {error.strerror}") from None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
