"""Is a response whole? The least that has to be known of HTTP/1.1 while the clock runs.

The bytes of a response are kept as they came and are taken apart afterwards (`loadgen.response`);
here it is only found out where it ends, with one pass over its chunk sizes (RFC 9112 §6-7). Not
aware of sockets, stamps or bodies.
"""

from __future__ import annotations

from typing import final

from steelyard.loadgen import heads
from steelyard.loadgen.heads import END, Head


@final
class Framing:
    """Where one response ends. `take` looks at what has come so far and says whether it is whole.

    `chunked` is true once that is known: then it can only end where an empty line does.
    """

    __slots__ = ("_at", "_trailer", "_wanted", "chunked", "head")

    def __init__(self) -> None:
        self.head: Head | None = None
        self._wanted = 0
        self.chunked = False
        self._at = 0
        self._trailer = False

    def take(self, raw: bytearray) -> bool:
        """Return whether `raw`, which only grows, holds the whole response.

        Raises:
            MalformedResponse: it is not HTTP/1.1.
        """
        if self.head is None and not self._read_head(raw):
            return False
        head = self.head
        if head is None or head.framing == "close":
            return False
        if self.chunked:
            return raw.endswith(END) and self._walk(raw)
        return len(raw) >= self._wanted

    def ends_with_connection(self) -> bool:
        """Say whether the end of the connection is the end of the response."""
        return self.head is not None and self.head.framing == "close"

    def keeps_alive(self, raw: bytearray) -> bool:
        """Say whether the connection of this whole response can carry another request."""
        if self.head is None or not self.head.keep_alive:
            return False
        # Nothing was asked for that further bytes could answer.
        return len(raw) == (self._at if self.chunked else self._wanted)

    def _read_head(self, raw: bytearray) -> bool:
        self.head, self._at = heads.final_head(raw, self._at)
        if self.head is None:
            return False
        self.chunked = self.head.framing == "chunked"
        self._wanted = self._at + self.head.length
        if self.chunked:
            self._at -= 2  # the line end before the first size
        return True

    def _walk(self, raw: bytearray) -> bool:
        """Step from chunk to chunk; come back to where this one began when it is not all there."""
        match, at, size = heads.CHUNK.match, self._at, len(raw)
        while not self._trailer:
            found = match(raw, at)
            if found is None:
                heads.no_chunk_yet(raw, at)
                break
            length, after = int(found[1], 16), found.end()
            if after + length > size:
                break
            at = after + length
            self._trailer = not length
        self._at = at
        return self._trailer and self._walk_trailer(raw)

    def _walk_trailer(self, raw: bytearray) -> bool:
        while (end := raw.find(b"\r\n", self._at)) >= 0:
            empty = end == self._at
            self._at = end + 2
            if empty:
                return True
        return False
