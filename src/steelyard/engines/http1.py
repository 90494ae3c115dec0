"""One HTTP/1.1 request as the bytes that go over the wire, made before any clock runs.

`prepare` is for an engine that we started, `prepare_for` for an endpoint of somebody else's. Not
aware of sockets or TLS. Syntax: RFC 9112.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from steelyard.domain.errors import BadInput
from steelyard.domain.secret import Secret
from steelyard.engines.api import HttpCall
from steelyard.engines.url import Endpoint, bracketed

Headers: TypeAlias = Mapping[str, str | Secret]

# Compressed, an answer's tokens arrive in lumps of the compressor's making.
NEGOTIATION: Final[Mapping[str, str]] = {
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "steelyard",  # some gateways turn away who does not say who they are
}


def prepare(call: HttpCall, host: str, port: int) -> bytes:
    """Return the complete request: line, headers, JSON body. The connection is kept alive."""
    return _request(call, call.path, f"{bracketed(host)}:{port}", {})


def prepare_for(call: HttpCall, endpoint: Endpoint, headers: Headers) -> bytes:
    """Return the complete request to an endpoint, under its roots; `headers` may hold secrets."""
    target = endpoint.target(call.path)
    return _request(call, target, endpoint.authority, {**NEGOTIATION, **headers})


def _request(call: HttpCall, target: str, authority: str, headers: Headers) -> bytes:
    body = json.dumps(call.json, ensure_ascii=False).encode() if call.json else b""
    lines = [f"{call.method} {target} HTTP/1.1", f"Host: {authority}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {shown(value)}" for name, value in {**headers, **call.headers}.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise BadInput(f"a header of {call.method} {target} holds a line break")
    return "\r\n".join([*lines, "", ""]).encode() + body


def shown(value: str | Secret) -> str:
    """Return a header's value as it is sent."""
    return value.reveal() if isinstance(value, Secret) else value
