"""The head of a response and the size of a chunk: the one place that reads either (RFC 9112 §4-7).

Both who frames a response while the clock runs (`loadgen.framing`) and who takes it apart
afterwards (`loadgen.response`) go by what is said here, so that they cannot disagree about where
one ends. Not aware of reads, stamps or sockets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

BodyFraming: TypeAlias = Literal["length", "chunked", "close"]

END: Final = b"\r\n\r\n"
_LONGEST: Final = 65_536
_BEGINNING: Final = b"HTTP/1."
_SWITCHING: Final = 101
_INTERIM: Final = frozenset(range(100, 200)) - {_SWITCHING}
_NO_BODY: Final = frozenset({_SWITCHING, 204, 304})
_DECIMAL: Final = re.compile(rb"[0-9]{1,18}")
# The line that gives a chunk's size, from the line end before it on: the head's, or that of the
# chunk before. The pattern refuses the signs, underscores and prefixes that int() would take.
CHUNK: Final = re.compile(rb"\r\n[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*?)?\r\n", re.DOTALL)


class MalformedResponse(Exception):
    """What came is not HTTP/1.1."""


@final
@dataclass(frozen=True, slots=True)
class Head:
    """What a response's head says of its body; `length` is 0 unless the framing is by length.

    `content_encoding` names every coding of the body but the chunks (gzip …), `location` is the
    header of that name; both are empty where the head has none.
    """

    status: int
    framing: BodyFraming
    length: int
    keep_alive: bool
    content_encoding: str = ""
    location: str = ""


def final_head(raw: bytes | bytearray, at: int = 0) -> tuple[Head | None, int]:
    """Return the head that is no interim one, and where what follows it begins.

    Where it is not all there yet there is none, and the second is where it begins.

    Raises:
        MalformedResponse: what stands there can become no head.
    """
    while (end := raw.find(END, at)) >= 0:
        head = _read(bytes(raw[at:end]))
        at = end + len(END)
        if head.status not in _INTERIM:
            return head, at
    begun = bytes(raw[at : at + len(_BEGINNING)])
    if len(raw) - at > _LONGEST or not _BEGINNING.startswith(begun):
        raise MalformedResponse("no HTTP/1.1 response head")
    return None, at


def no_chunk_yet(raw: bytes | bytearray, at: int) -> None:
    """Accept that `CHUNK` does not match at `at` because its line is not all there.

    Raises:
        MalformedResponse: it never will.
    """
    ended = raw.startswith(b"\r\n", at)
    if not ended and bytes(raw[at : at + 2]) not in {b"", b"\r"}:
        raise MalformedResponse("a chunk is longer than it says")
    if raw.find(b"\r\n", at + 2) >= 0 or len(raw) - at > _LONGEST:
        raise MalformedResponse(f"not the size of a chunk: {bytes(raw[at : at + 20])!r}")


def _read(text: bytes) -> Head:
    line, *lines = text.split(b"\r\n")
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(_BEGINNING):  # noqa: PLR2004 - version and status
        raise MalformedResponse(f"not a status line: {line[:60]!r}")
    status = _number(words[1])
    if status in _INTERIM:
        return Head(status, "length", 0, keep_alive=True)
    headers: dict[bytes, bytes] = {}
    for name, _, value in (each.partition(b":") for each in lines):
        key = name.strip().lower()
        # A field that stands twice is one list (RFC 9110 §5.3).
        headers[key] = headers[key] + b"," + value.strip() if key in headers else value.strip()
    transfer = _list(headers, b"transfer-encoding")
    codings = _list(headers, b"content-encoding") + transfer
    kept = "close" not in _list(headers, b"connection") and not line.startswith(b"HTTP/1.0")
    framing: BodyFraming = "length"
    length = 0
    if status in _NO_BODY:
        kept = kept and status != _SWITCHING  # what follows speaks another protocol
    elif transfer[-1:] == ["chunked"]:
        framing = "chunked"
    elif (told := headers.get(b"content-length")) is not None:
        length = _length(told)
    else:
        framing, kept = "close", False
    return Head(
        status=status,
        framing=framing,
        length=length,
        keep_alive=kept,
        content_encoding=", ".join(c for c in codings if c not in {"chunked", "identity"}),
        location=headers.get(b"location", b"").decode(errors="replace"),
    )


def _list(headers: dict[bytes, bytes], name: bytes) -> list[str]:
    words = headers.get(name, b"").decode(errors="replace").lower().split(",")
    return [word.strip() for word in words if word.strip()]


def _length(text: bytes) -> int:
    lengths = {_number(each.strip()) for each in text.split(b",")}
    if len(lengths) > 1:
        raise MalformedResponse(f"several lengths: {text[:40]!r}")
    return lengths.pop()


def _number(digits: bytes) -> int:
    # int() would also take signs, underscores and spaces.
    if not _DECIMAL.fullmatch(digits):
        raise MalformedResponse(f"not a number: {digits[:20]!r}")
    return int(digits)
