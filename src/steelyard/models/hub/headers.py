"""The header of a GGUF file that still lies on a hub: what a model is, before it is fetched.

Read in spans from the front, so that no weights are sent; a header with its vocabulary is a few
megabytes. What it says is the file's word; its bytes are hashed once they are here. Not aware of
which hub it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, final

from steelyard.domain.subject import ArtifactFacts
from steelyard.models import artifacts, gguf, shards
from steelyard.models.hub import remedies, wire
from steelyard.models.hub.listing import RemoteFile, RemoteVariant
from steelyard.models.hub.patience import Patience, patiently
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.remote import Remote

_SPAN: Final = 4 << 20
_PART: Final = 206


def facts(
    remote: Remote, one: RemoteVariant, folder: Path, patience: Patience, span: int = _SPAN
) -> ArtifactFacts:
    """Return the facts of a variant; `folder` is where its files will lie, for messages.

    So many bytes are asked for at a time as `span` says.

    Raises `UnreadableModel` for what is no model, and an error of ours where it cannot be read.
    """
    headers = []
    try:
        for file in one.files:
            stream = _Front(remote, file, patience, span)
            headers.append(gguf.read_from(stream, file.size_bytes, folder / file.path))
    except Trouble as trouble:
        raise remedies.error(trouble, remote.asked) from None
    return artifacts.facts_of(shards.joined(tuple(headers)))


@final
class _Front:
    """A remote file read from its first byte on, span by span, as a stream."""

    def __init__(self, remote: Remote, file: RemoteFile, patience: Patience, span: int) -> None:
        self._remote, self._file, self._patience, self._most = remote, file, patience, span
        self._held, self._at = bytearray(), 0

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, or fewer at the end of the file."""
        while len(self._held) < size and self._at < self._file.size_bytes:
            data = patiently(self._span, self._patience)
            self._held += data
            self._at += len(data)
        found = bytes(self._held[:size])
        del self._held[:size]
        return found

    def _span(self) -> bytes:
        file, login = self._file, self._remote.login
        count = min(self._most, file.size_bytes - self._at)
        wanted = {"Range": f"bytes={self._at}-{self._at + count - 1}"}
        with wire.opened(self._remote.url_of(file), login, headers=wanted) as answer:
            skip = 0 if answer.status == _PART else self._at  # it may not know ranges
            body = wire.Body(answer, login)
            body.read(skip)
            data = body.read(count)
            if answer.status != _PART:
                wire.cut(answer)
        if not data:  # fewer than asked for are compared with the listing when it is fetched
            raise Trouble("nonsense", f"{file.path} has fewer bytes than the listing says")
        return data
