"""One file from a hub: in ranges, resumed, retried, and hashed before it gets its name.

What has arrived lies in the part file and is gone on with after a kill; it is hashed again from
the start, so that a damaged part cannot become a whole. Not aware of which hub or store it is.
Why not huggingface_hub's own: 2.4 writes to a part of a random name and deletes it on any failure,
so that nothing is resumed, and it compares sizes, not digests.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final, Protocol, final

from steelyard.models.hub import wire
from steelyard.models.hub.listing import RemoteFile
from steelyard.models.hub.patience import Patience, Stopped, pause
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.wire import Answer, Login
from steelyard.platform import atomic

_CHUNK: Final = 1 << 20
# CDNs refuse single answers beyond a few dozen GB; a range below that is always served.
_SPAN: Final = 8 << 30
_WHOLE, _PART = 200, 206
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Digest(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all of them."""


@final
@dataclass(slots=True)
class Tally:
    """How far one file has come; written by its own thread only, read by whoever shows it."""

    resumed_bytes: int = 0
    done_bytes: int = 0
    fetched_bytes: int = 0
    retries: int = 0
    last: str = ""
    answer: Answer | None = None


@final
@dataclass(frozen=True, slots=True)
class Errand:
    """One file to fetch: from where, with which login, and how patient to be."""

    file: RemoteFile
    url: str
    login: Login
    patience: Patience


def fetch(errand: Errand, part: Path, final_path: Path, tally: Tally, stop: Event) -> None:
    """Make the remote file `final_path`, by way of `part`; the caller holds the lock of both.

    Raises `Trouble` where it cannot be had and `Stopped` where somebody said stop; then `part` has
    what arrived, unless its bytes were wrong.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("r+b" if part.exists() else "w+b", buffering=0) as stream:
            _Fetch(errand, stream, tally, stop).go()
            os.fsync(stream.fileno())
        final_path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(final_path)
        atomic.sync_folder(final_path.parent)
    except Trouble as trouble:
        if trouble.problem == "wrong_bytes":
            part.unlink(missing_ok=True)
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise Trouble("disk", str(error.strerror)) from None
        raise atomic.unwritable(final_path, error) from None


def digest_of(file: RemoteFile) -> Digest:
    """Return the empty digest that a file is compared by. Git's counts a header of its own."""
    if file.kind == "sha256":
        return hashlib.sha256()
    found = hashlib.sha1(usedforsecurity=False)
    found.update(f"blob {file.size_bytes}\0".encode())
    return found


def holds(path: Path, file: RemoteFile, tick: Callable[[int], None] | None = None) -> bool:
    """Whether the bytes at `path` are those of `file`."""
    try:
        if path.stat().st_size != file.size_bytes:
            return False
        digest = digest_of(file)
        with path.open("rb") as stream:
            while data := stream.read(_CHUNK):
                digest.update(data)
                if tick is not None:
                    tick(len(data))
    except OSError:
        return False
    return digest.hexdigest() == file.digest


@final
class _Fetch:
    """The state of one fetch: where we are in the part file, and the digest up to there."""

    __slots__ = ("_at", "_digest", "_errand", "_stop", "_stream", "_tally")

    def __init__(self, errand: Errand, stream: BinaryIO, tally: Tally, stop: Event) -> None:
        self._errand, self._stream, self._tally, self._stop = errand, stream, tally, stop
        self._digest, self._at = digest_of(errand.file), 0

    def go(self) -> None:
        """Fetch until every byte is here and right."""
        self._take_up()
        attempt, wrong = 0, 0
        while True:
            before = self._at
            try:
                if self._at < self._errand.file.size_bytes:
                    self._span()
                if self._at < self._errand.file.size_bytes:
                    attempt = 0
                    continue
                self._compare()
                return
            except Trouble as trouble:
                if trouble.problem == "wrong_bytes":
                    wrong += 1  # once may be an old part or a proxy's slip; twice is an answer
                    if wrong > 1:
                        raise
                    self._restart()
                    continue
                attempt = 1 if self._at > before else attempt + 1
                seconds = self._errand.patience.pause_s(attempt, trouble)
                self._tally.last = f"{trouble.words}; trying again in {seconds:.1f} s"
                self._tally.retries += 1
                pause(seconds, self._stop)

    def _take_up(self) -> None:
        """Hash what an earlier attempt has left, and go on behind it."""
        left = os.fstat(self._stream.fileno()).st_size
        if left > self._errand.file.size_bytes:
            self._restart()
            left = 0
        while self._at < left and (data := self._stream.read(min(_CHUNK, left - self._at))):
            self._check_stop()
            self._digest.update(data)
            self._at += len(data)
            self._tally.done_bytes = self._at
        self._tally.resumed_bytes = self._at

    def _restart(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()
        self._digest, self._at = digest_of(self._errand.file), 0
        self._tally.done_bytes = self._tally.resumed_bytes = 0

    def _span(self) -> None:
        """Ask for the bytes that are missing, or as many of them as one answer may have."""
        size = self._errand.file.size_bytes
        end = min(size, self._at + _SPAN)
        headers = {"Range": f"bytes={self._at}-{end - 1}"} if self._at or end < size else {}
        self._check_stop()
        with wire.opened(self._errand.url, self._errand.login, headers=headers) as answer:
            self._tally.answer = answer
            try:
                self._see_where(answer, asked=bool(headers))
                self._read(answer, end if answer.status == _PART else size)
            finally:
                self._tally.answer = None

    def _see_where(self, answer: Answer, *, asked: bool) -> None:
        """See that the answer begins where the part ends, and is of a file of our size."""
        size = self._errand.file.size_bytes
        if answer.status == _PART:
            match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
            if not asked or match is None or int(match[1]) != self._at:
                raise Trouble("nonsense", "it sent other bytes than the range that was asked for")
            if match[3] not in ("*", str(size)):
                raise Trouble("wrong_bytes", f"the file has {match[3]} bytes, not {size}")
            return
        if answer.status != _WHOLE:
            raise Trouble("nonsense", f"it answered {answer.status} to a download")
        if self._at:  # the server does not know ranges
            self._restart()
        length = answer.headers.get("content-length")
        if length is not None and length != str(size):
            raise Trouble("wrong_bytes", f"the file has {length} bytes, not {size}")

    def _read(self, answer: Answer, end: int) -> None:
        while self._at < end:
            self._check_stop()
            try:
                data = answer.body.read1(min(_CHUNK, end - self._at))
            except (OSError, HTTPException, ValueError) as error:
                self._check_stop()
                raise wire.broken(error, self._errand.login) from None
            if not data:
                raise Trouble("network", f"it ended after {self._at} of {end} bytes")
            left = memoryview(data)
            while left:  # a disk that fills up takes a piece first
                left = left[self._stream.write(left) :]
            self._digest.update(data)
            self._at += len(data)
            self._tally.done_bytes = self._at
            self._tally.fetched_bytes += len(data)

    def _compare(self) -> None:
        file, found = self._errand.file, self._digest.hexdigest()
        if found != file.digest:
            raise Trouble(
                "wrong_bytes", f"{file.kind} {found[:12]}…, {file.digest[:12]}… was promised"
            )

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped


def left_behind(part: Path) -> int:
    """Return how many bytes of an earlier attempt lie in `part`."""
    with contextlib.suppress(OSError):
        return part.stat().st_size
    return 0
