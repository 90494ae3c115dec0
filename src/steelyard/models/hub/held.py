"""What of a repository lies in the Hugging Face cache already, and how it is taken out again.

A file is deleted only while nobody fetches it, nobody runs it, and nobody has pinned it. Its names
go first and its bytes last, so that no name ever leads nowhere. Not aware of sockets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from steelyard.domain.errors import BadInput, Busy
from steelyard.models import folders, shards
from steelyard.models.hub import holding, landing, listing
from steelyard.models.hub.listing import Globs, Offer, RemoteFile


@final
@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision of a repository, as far as it is here."""

    root: Path
    repo: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def folder(self) -> Path:
        """The folder that holds the files under their own names."""
        return self.root / landing.repo_folder(self.repo) / "snapshots" / self.commit

    def offer(self, globs: Globs) -> Offer:
        """Group what is here into variants, as the hub's listing is grouped."""
        return listing.offer(self.files, self.repo, "main", globs)


def snapshots(root: Path, repo: str) -> tuple[Snapshot, ...]:
    """Return the revisions of a repository that are here, the newest written first."""
    home = root / landing.repo_folder(repo) / "snapshots"
    folders = [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []
    folders.sort(key=lambda path: -path.stat().st_mtime_ns)
    found = (Snapshot(root, repo, path.name, tuple(_files(path))) for path in folders)
    return tuple(one for one in found if one.files)


def snapshot(root: Path, repo: str, revision: str | None) -> Snapshot | None:
    """Return one revision that is here: by branch, tag or commit, or else the newest."""
    found = snapshots(root, repo)
    ref = root / landing.repo_folder(repo) / "refs" / (revision or "main")
    commit = revision
    with contextlib.suppress(OSError):
        commit = ref.read_text(encoding="utf-8").strip()
    fits = [one for one in found if one.commit == commit]
    if fits or revision is not None:
        return fits[0] if fits else None
    return found[0] if found else None


def leases_of(model: Path) -> tuple[Path, ...]:
    """Return what whoever runs the model at a path holds; nothing for one outside the cache."""
    files = folders.files_of(model) if model.is_dir() else shards.files_of(model)
    blobs = (blob for file in files if (blob := blob_of(file)) is not None)
    return tuple(landing.blob_spot(blob.parent.parent.parent, blob).lease for blob in blobs)


def blob_of(file: Path) -> Path | None:
    """Return the blob of the Hugging Face cache that a file's name leads to, or None."""
    blob = file.resolve()
    cached = blob.parent.name == "blobs" and blob.parent.parent.name.startswith("models--")
    return blob if cached else None


def remove(
    root: Path,
    repo: str,
    files: Sequence[RemoteFile],
    pins: Mapping[str, str],
    still: Callable[[], None] | None = None,
) -> int:
    """Delete files of a repository with all their names; return the bytes that came free.

    `still` is called when nobody else can take them into use any more, and may refuse. Raises
    `BadInput` for a pinned file and `Busy` for one that is in use, before anything is gone.
    """
    home = root / landing.repo_folder(repo)
    for file in files:
        if file.digest in pins:
            raise BadInput(
                f"{file.path} of {repo} is pinned as {pins[file.digest]}",
                hint=f"`steelyard models unpin {repo}` lets it go",
            )
    freed = 0
    with contextlib.ExitStack() as stack:
        for digest in dict.fromkeys(file.digest for file in files):
            spot = landing.blob_spot(root, home / "blobs" / digest)
            for lock in (spot.lock, spot.lease):
                if not stack.enter_context(holding.unless_held(lock)):
                    raise Busy(
                        f"{repo} is in use: another process fetches or runs it",
                        hint="wait for it, or stop it",
                    )
        if still is not None:
            still()
        for digest in dict.fromkeys(file.digest for file in files):
            blob = home / "blobs" / digest
            for name in _names_of(home, blob):
                name.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                freed += blob.stat().st_size
                blob.unlink()
    _sweep_up(home)
    return freed


def _files(folder: Path) -> list[RemoteFile]:
    found = []
    for path in sorted(folder.rglob("*")):
        # A link that leads nowhere is a file that somebody has deleted.
        if path.is_symlink() and path.is_file():
            blob = path.resolve()
            name = path.relative_to(folder).as_posix()
            found.append(RemoteFile(name, blob.stat().st_size, blob.name))
    return found


def _names_of(home: Path, blob: Path) -> list[Path]:
    real = blob.resolve()
    every = (path for path in (home / "snapshots").rglob("*") if path.is_symlink())
    return [path for path in every if path.resolve() == real]


def _sweep_up(home: Path) -> None:
    """Remove folders that hold nothing any more, and branches that lead to none."""
    for path in sorted((home / "snapshots").rglob("*"), reverse=True):
        if path.is_dir():
            with contextlib.suppress(OSError):
                path.rmdir()
    refs = home / "refs"
    for ref in refs.rglob("*") if refs.is_dir() else ():
        if ref.is_file():
            commit = ref.read_text(encoding="utf-8").strip()
            if not (home / "snapshots" / commit).exists():
                ref.unlink()
    for folder in (refs, home / "snapshots", home / "blobs", home):
        with contextlib.suppress(OSError):
            folder.rmdir()
