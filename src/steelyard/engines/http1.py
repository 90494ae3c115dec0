"""One HTTP/1.1 request as the bytes that go over the wire, made before any clock runs."""

from __future__ import annotations

import json

from steelyard.domain.errors import BadInput
from steelyard.engines.api import HttpCall


def prepare(call: HttpCall, host: str, port: int) -> bytes:
    """Return the complete request: line, headers, JSON body. The connection is kept alive."""
    body = json.dumps(call.json, ensure_ascii=False).encode() if call.json else b""
    lines = [f"{call.method} {call.path} HTTP/1.1", f"Host: {host}:{port}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise BadInput(f"a header of {call.method} {call.path} holds a line break")
    return "\r\n".join([*lines, "", ""]).encode() + body
