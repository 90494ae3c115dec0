"""Where fetched files come to lie, so that other tools find them there.

The Hugging Face cache (`blobs/ETAG`, links to them in `snapshots/COMMIT/`, `refs/BRANCH`), an
Ollama store (`blobs/sha256-…`, `manifests/HOST/NAMESPACE/NAME/TAG`), or a plain folder. A name
appears when the bytes behind it are whole and right. Not aware of sockets.
Sources: "Understand caching" in the documentation of huggingface_hub; `server/manifest.go` and
`server/modelpath.go` of ollama.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, final

from steelyard.models.hub import transfer
from steelyard.models.hub.listing import RemoteFile
from steelyard.platform import atomic

_LOCKS: Final = ".locks"


@final
@dataclass(frozen=True, slots=True)
class Spot:
    """The places of one file: whole, in the making, the lock of its writer, the lease of users."""

    whole: Path
    part: Path
    lock: Path
    lease: Path
    keep_lock: bool = True


class Landing(Protocol):
    """A store that files are fetched into."""

    @property
    def root(self) -> Path:
        """The folder whose disk fills up."""

    def spot(self, file: RemoteFile) -> Spot:
        """Return the places of a file."""

    def has(self, file: RemoteFile) -> bool:
        """Whether the file is here whole already."""

    def publish(self, files: Sequence[RemoteFile], *, last: bool) -> tuple[Path, ...]:
        """Give whole files their names, and with `last` the set its own; return the paths."""


@final
@dataclass(frozen=True, slots=True)
class HubCache:
    """The Hugging Face cache at `root`, for one revision of one repository."""

    root: Path
    repo: str
    revision: str
    commit: str

    @property
    def folder(self) -> Path:
        """Everything of the repository."""
        return self.root / repo_folder(self.repo)

    @property
    def snapshot(self) -> Path:
        """The files of the revision under their own names."""
        return self.folder / "snapshots" / self.commit

    def spot(self, file: RemoteFile) -> Spot:
        """Return the places of a file's blob."""
        return blob_spot(self.root, self.folder / "blobs" / file.digest)

    def has(self, file: RemoteFile) -> bool:
        """Whether the blob is here: the cache gives no name to what is not whole."""
        with contextlib.suppress(OSError):
            return self.spot(file).whole.stat().st_size == file.size_bytes
        return False

    def publish(self, files: Sequence[RemoteFile], *, last: bool) -> tuple[Path, ...]:
        """Link the blobs into the snapshot; with `last` also let the branch point there."""
        paths = []
        for file in files:
            path = self.snapshot / PurePosixPath(file.path)
            target = os.path.relpath(self.spot(file).whole, path.parent)
            if not (path.is_symlink() and os.readlink(path) == target):  # noqa: PTH115
                _link(path, target)
            paths.append(path)
        if last and self.revision != self.commit:
            atomic.write(self.folder / "refs" / self.revision, self.commit.encode())
        return tuple(paths)


@final
@dataclass(frozen=True, slots=True)
class Folder:
    """A plain folder: every file under its path in the repository."""

    root: Path

    def spot(self, file: RemoteFile) -> Spot:
        """Return the places of a file; what is in the making is hidden beside it."""
        whole = self.root / PurePosixPath(file.path)
        hidden = whole.with_name(f".{whole.name}")
        return Spot(
            whole,
            hidden.with_name(f"{hidden.name}.incomplete"),
            hidden.with_name(f"{hidden.name}.lock"),
            hidden.with_name(f"{hidden.name}.use"),
            keep_lock=False,
        )

    def has(self, file: RemoteFile) -> bool:
        """Whether the very bytes lie there: a folder promises nothing by a name."""
        return transfer.holds(self.spot(file).whole, file)

    def publish(self, files: Sequence[RemoteFile], *, last: bool) -> tuple[Path, ...]:
        """Return the paths: here a whole file has its name already."""
        del last
        return tuple(self.spot(file).whole for file in files)


@final
@dataclass(frozen=True, slots=True)
class OllamaStore:
    """An Ollama store at `root`, for one name and tag; `manifest` is what the registry sent."""

    root: Path
    place: tuple[str, ...]
    manifest: bytes

    @property
    def manifest_path(self) -> Path:
        """Where Ollama looks for the name."""
        return self.root.joinpath("manifests", *self.place)

    def spot(self, file: RemoteFile) -> Spot:
        """Return the places of a blob. Ollama's own parts end in `-partial`, ours do not."""
        whole = self.root / "blobs" / f"sha256-{file.digest}"
        hidden = self.root / "blobs" / f".sha256-{file.digest}"
        return Spot(
            whole,
            hidden.with_suffix(".incomplete"),
            hidden.with_suffix(".lock"),
            hidden.with_suffix(".use"),
            keep_lock=False,
        )

    def has(self, file: RemoteFile) -> bool:
        """Whether the blob is here: the store gives no name to what is not whole."""
        with contextlib.suppress(OSError):
            return self.spot(file).whole.stat().st_size == file.size_bytes
        return False

    def publish(self, files: Sequence[RemoteFile], *, last: bool) -> tuple[Path, ...]:
        """Write the manifest after the last blob: from then on Ollama lists the name."""
        if last:
            atomic.write(self.manifest_path, self.manifest)
        return tuple(self.spot(file).whole for file in files)


def repo_folder(repo: str) -> str:
    """Return the name of a repository's folder in the cache."""
    return f"models--{repo.replace('/', '--')}"


def blob_spot(root: Path, blob: Path) -> Spot:
    """Return the places of a blob of the Hugging Face cache at `root`."""
    locks = root / _LOCKS / blob.parent.parent.name
    return Spot(
        blob,
        blob.with_name(f"{blob.name}.incomplete"),
        locks / f"{blob.name}.lock",
        locks / f"{blob.name}.use",
    )


def _link(path: Path, target: str) -> None:
    """Make a symbolic link appear at once, also in the place of an older one."""
    fresh = path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()[:12]}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(path)
    except OSError as error:
        raise atomic.unwritable(path, error) from None
