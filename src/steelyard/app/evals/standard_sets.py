"""Standard sets by name: fetched once, pinned, read into the same items as a file of the user's.

The files lie in the user's data folder under the commit that they are from. Where the catalogue
knows a file's sha256 it must have that one; else the first fetch pins it, and says so. Once they
are here nothing is asked of a network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final, final

from steelyard.app.evals import own_files
from steelyard.app.evals.texts import counted
from steelyard.domain.errors import BadInput, TransferFailed
from steelyard.domain.progress import Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured
from steelyard.domain.task import Source, Task
from steelyard.models import disk
from steelyard.models.hub import holding, huggingface, remedies, transfer
from steelyard.models.hub.landing import Folder
from steelyard.models.hub.listing import RemoteFile
from steelyard.models.hub.patience import Patience
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.remote import Remote
from steelyard.models.hub.transfer import Errand, Tally
from steelyard.platform import atomic, clock, settings
from steelyard.tasks.given import shelf
from steelyard.tasks.given.row import Row
from steelyard.tasks.sets import catalogue
from steelyard.tasks.sets.adapter import Adapter

MARK: Final = "set:"
_STALL_S: Final = 30.0
_RESERVE_BYTES: Final = 200_000_000
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Here:
    """Where the files of a set lie or will lie, and the digests that a first fetch pinned."""

    adapter: Adapter

    @property
    def folder(self) -> Path:
        """The folder of one commit of the set."""
        return settings.load().home / "sets" / self.adapter.name / self.adapter.revision

    @property
    def pin(self) -> Path:
        """What a first fetch wrote down."""
        return self.folder / "pinned.json"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files in order."""
        return tuple(self.folder / part.path for part in self.adapter.parts)

    def wanted(self) -> dict[str, str]:
        """Return the digest that each file must have: the catalogue's, else the pinned one."""
        pinned: Mapping[str, str] = {}
        if self.pin.is_file():
            pinned = _pinned(self.pin)
        return {part.path: part.sha256 or pinned.get(part.path, "") for part in self.adapter.parts}

    def whole(self) -> bool:
        """Whether every file is here with its digest; one that was changed is told apart."""
        wanted = self.wanted()
        for part, path in zip(self.adapter.parts, self.paths, strict=True):
            if not path.is_file() or not wanted[part.path]:
                return False
            if own_files.sha256_of(path) != wanted[part.path]:
                raise BadInput(
                    f"{path} is not what was fetched: its sha256 is another one",
                    hint="remove the file; the same command fetches it again",
                )
        return True


def _pinned(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in found.items()}
    except (OSError, ValueError, AttributeError):
        raise BadInput(
            f"{path} cannot be read as the pins of a set",
            hint="remove the folder that it is in; the same command fetches the set again",
        ) from None


def task(name: str, emit: Emit) -> Task:
    """Return what a set asks, all of it; fetch its files if they are not here yet."""
    adapter = catalogue.named(name)
    here = Here(adapter)
    if not here.whole():
        _fetch(here, emit)
    taken = _Taken()
    sha256, count = shelf.lay(taken.rows(adapter.read(here.paths)))
    if taken.repeated:
        twice = counted(taken.repeated, "row")
        emit(Noted(f"{name}: not asked twice: {twice} with the words of an earlier one"))
    if taken.left_out:
        emit(Noted(f"{name}: {counted(taken.left_out, 'row')} left out: {adapter.differs}"))
    told = {
        "repository": adapter.repo,
        "revision": adapter.revision,
        "licence": adapter.licence,
        "version": str(adapter.version),
        "left out": str(taken.left_out),
        **here.wanted(),
    }
    source = Source(name, sha256, settings=tuple(told.items()))
    return Task(f"{MARK}{name}", items=count, source=source)


def list_text(*, as_json: bool) -> str:
    """List every set: its size, licence, pin, and in what it differs from the usual way."""
    if as_json:
        return json.dumps([_about(one) for one in catalogue.SETS.values()], indent=1)
    return "\n".join("\n".join(_listed(one)) for one in catalogue.SETS.values())


def _listed(one: Adapter) -> Iterator[str]:
    here = "here" if all(path.is_file() for path in Here(one).paths) else "not here"
    yield f"{one.name:<16} {one.items:>6} items  {one.licence:<12} {here:<9} {one.what}"
    pins = "sha256 known" if all(part.sha256 for part in one.parts) else "first fetch pins sha256"
    yield f"{'':<16} {one.repo} at {one.revision[:12]}, {pins}"
    yield f"{'':<16} differs: {one.differs}"


def _about(one: Adapter) -> dict[str, Any]:
    return {
        "name": one.name,
        "what": one.what,
        "items": one.items,
        "licence": one.licence,
        "repository": one.repo,
        "revision": one.revision,
        "files": Here(one).wanted(),
        "here": all(path.is_file() for path in Here(one).paths),
        "differs": one.differs,
    }


@final
@dataclass(slots=True)
class _Taken:
    """Hands rows on, each question once, and counts those that are not asked."""

    repeated: int = 0
    left_out: int = 0
    _seen: set[str] = field(default_factory=set)

    def rows(self, read: Iterator[Row | None]) -> Iterator[Row]:
        """Yield the rows that are asked."""
        for row in read:
            if row is None:
                self.left_out += 1
            elif (named := row.id) in self._seen:
                self.repeated += 1
            else:
                self._seen.add(named)
                yield row


def _fetch(here: Here, emit: Emit) -> None:
    """Fetch the files that are missing; the licence is told before the first byte."""
    adapter, patience = here.adapter, Patience()
    at = huggingface.login(os.environ, _STALL_S)
    remote = huggingface.look(adapter.repo, adapter.revision, at, patience, "dataset")
    if not remote.access.granted:
        problem: remedies.Problem = "licence" if remote.access.state == "not_granted" else "gated"
        raise remedies.error(Trouble(problem, remote.access.reason), remote.asked)
    files = [_promised(here, remote, part.path) for part in adapter.parts]
    total = sum(file.size_bytes for file in files)
    told = remote.licence
    card = f", its card says {told.value}" if isinstance(told, Measured) else ""
    emit(
        Noted(
            f"{adapter.name}: {disk.size(total)} from {adapter.repo} at {remote.commit[:12]}, "
            f"licence {adapter.licence}{card}"
        )
    )
    disk.require(here.folder, total, what=adapter.name, reserve_bytes=_RESERVE_BYTES)
    emit(PhaseStarted("fetching", total >> 20 or None, adapter.name))
    started_ns = clock.monotonic_ns()
    for file in files:
        _fetch_one(Folder(here.folder), remote, file, patience)
    emit(PhaseEnded("fetching", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    _settle(here, emit)


def _promised(here: Here, remote: Remote, path: str) -> RemoteFile:
    """Return what the hub says of a file; refuse other bytes than those that are pinned."""
    found = next((file for file in remote.files if file.path == path), None)
    if found is None:
        raise remedies.error(Trouble("no_file", path), remote.asked)
    wanted = here.wanted()[path]
    if wanted and found.kind == "sha256" and found.digest != wanted:
        raise _other_bytes(path, found.digest, wanted)
    return found


def _fetch_one(landing: Folder, remote: Remote, file: RemoteFile, patience: Patience) -> None:
    spot = landing.spot(file)
    errand = Errand(file, remote.url_of(file), remote.login, patience)
    with holding.alone(spot.lock):
        if not landing.has(file):
            try:
                transfer.fetch(errand, spot.part, spot.whole, Tally(), Event())
            except Trouble as trouble:
                raise remedies.error(trouble, remote.asked) from None
        holding.forget(spot.lock)


def _settle(here: Here, emit: Emit) -> None:
    """See that the bytes are the pinned ones, or pin them."""
    wanted = here.wanted()
    found = {
        part.path: own_files.sha256_of(path)
        for part, path in zip(here.adapter.parts, here.paths, strict=True)
    }
    for path, digest in found.items():
        if wanted[path] and digest != wanted[path]:
            (here.folder / path).unlink()
            raise _other_bytes(path, digest, wanted[path])
    fresh = {path: digest for path, digest in found.items() if not wanted[path]}
    if fresh:
        atomic.write(here.pin, json.dumps(found, indent=1).encode())
        told = ", ".join(f"{path} sha256 {digest[:16]}…" for path, digest in fresh.items())
        emit(Noted(f"{here.adapter.name}: pinned by this first fetch: {told}"))


def _other_bytes(path: str, found: str, wanted: str) -> TransferFailed:
    return TransferFailed(
        f"{path} has the sha256 {found[:16]}…, and {wanted[:16]}… is pinned",
        hint="a mirror may alter it, or the set was changed: try another HF_ENDPOINT; nothing was "
        "kept",
    )
