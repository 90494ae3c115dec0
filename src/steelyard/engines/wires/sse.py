"""Server-sent events, read after the fact from a whole body.

Format: WHATWG HTML, §9.2.6 "Interpreting an event stream". Lines end with CRLF, LF or CR; lines
that begin with a colon are comments (keep-alives); an event ends with a blank line, and one that
is cut off by the end of the body is dropped. Not aware of JSON, arrivals or engines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


@final
@dataclass(frozen=True, slots=True)
class Message:
    """One event: its data lines joined, and how many bytes of the body it took to complete it."""

    data: str
    end: int
    event: str = "message"


def messages(body: bytes) -> Iterator[Message]:
    """Yield every event that has data, in order."""
    data: list[bytes] = []
    event = b""
    start = len(_BOM) if body.startswith(_BOM) else 0
    for line_end in _LINE_END.finditer(body, start):
        line = body[start : line_end.start()]
        start = line_end.end()
        if not line:
            if data:
                # The first byte of the line end decides; the LF of a CRLF may come later.
                text = b"\n".join(data).decode(errors="replace")
                yield Message(
                    text, line_end.start() + 1, event.decode(errors="replace") or "message"
                )
            data, event = [], b""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"error":  # llama-server until 2025 named its errors so
            data.append(value)
            event = b"error"
        elif field == b"event":
            event = value
