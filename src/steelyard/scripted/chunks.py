"""The pacer's wire: one request off the front of what came, and an answer's bytes, made at once.

OpenAI's chat chunks as server-sent events over HTTP/1.1. All tokens of an answer are the same
bytes, so that an answer is three byte strings whatever its length. Pure; not aware of sockets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, final

MODEL: Final = "pacer"
_WORD: Final = " one"
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nServer: pacer\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_LAST_CHUNK: Final = b"0\r\n\r\n"


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """An answer as sent: its first event, one of those between, its last (also the only one).

    The sizes are those of the events without HTTP's framing.
    """

    first: bytes
    middle: bytes
    last: bytes
    first_bytes: int
    middle_bytes: int
    last_bytes: int


def take_request(came: bytearray) -> tuple[str, str, bytes, bool] | None:
    """Take one whole request off the front: method, path, body, whether to hang up afterwards.

    Raise `ValueError` for what is no request.
    """
    head_end = came.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    request, *lines = bytes(came[:head_end]).split(b"\r\n")
    named = (line.partition(b":") for line in lines)
    headers = {name.strip().lower(): value.strip().lower() for name, _, value in named}
    end = head_end + 4 + int(headers.get(b"content-length", b"0"))
    if len(came) < end:
        return None
    body = bytes(came[head_end + 4 : end])
    del came[:end]
    method, path, _ = request.decode().split(" ")
    return method, path, body, headers.get(b"connection") == b"close"


def streamed(number: int, prompt: int, tokens: int) -> Parts:
    """Return an answer of one event a token; the usage goes with the last."""
    role = _event(number, {"role": "assistant", "content": ""}, None)
    token = _event(number, {"content": _WORD}, None)
    end = (
        b'data: {"id":"scripted-%d","object":"chat.completion.chunk","model":"pacer","choices":[],'
        b'"usage":%s}\n\n' % (number, json.dumps(_usage(prompt, tokens)).encode())
    )
    first, last = [role, token], [token, _event(number, {}, "length"), end, b"data: [DONE]\n\n"]
    if tokens == 1:
        last = [role, *last]
    return Parts(
        first=_HEAD + _chunks(first),
        middle=_chunks([token]),
        last=(_HEAD if tokens == 1 else b"") + _chunks(last) + _LAST_CHUNK,
        first_bytes=_size(first),
        middle_bytes=len(token),
        last_bytes=_size(last),
    )


def whole(number: int, prompt: int, tokens: int) -> Parts:
    """Return an answer in one piece; its only event is the last."""
    message = {"role": "assistant", "content": _WORD * tokens}
    body = {
        "id": f"scripted-{number}",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "length"}],
        "usage": _usage(prompt, tokens),
    }
    answer = reply(200, body)
    return Parts(b"", b"", answer, 0, 0, len(answer) - answer.index(b"\r\n\r\n") - 4)


def _usage(prompt: int, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": tokens,
        "total_tokens": prompt + tokens,
    }


def _chunks(events: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)


def _size(events: list[bytes]) -> int:
    return sum(map(len, events))


def _event(number: int, delta: dict[str, str], finish: str | None) -> bytes:
    return (
        b'data: {"id":"scripted-%d","object":"chat.completion.chunk","model":"pacer","choices":'
        b'[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
        % (number, json.dumps(delta).encode(), json.dumps(finish).encode())
    )


def reply(status: int, value: object) -> bytes:
    """Return a whole JSON answer."""
    body = json.dumps(value, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {status} Pacer\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
