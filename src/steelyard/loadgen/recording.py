"""A folder that holds what went through a proxy: requests as they came, answers as they came back.

`requests.jsonl` has a line a request that was passed on: method, path without its
query, the body, when it was whole. Headers are not kept: they may hold a key. `exchanges.bin` is a
spool (`loadgen.spool`), so that what was recorded is read as what was measured is. An answer that
repeats a secret has it covered, in place, before it is written. Not aware of sockets.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.stream import Exchange
from steelyard.loadgen import covering, spool
from steelyard.loadgen.requests import Request

REQUESTS: Final = "requests.jsonl"
EXCHANGES: Final = "exchanges.bin"


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was passed on; `came_ns` is when the last byte of it had come."""

    id: str
    method: str
    path: str
    body: bytes
    came_ns: int


@final
class Recorder:
    """Appends to the two files; `covered` are the secrets that no answer may leave behind."""

    def __init__(self, folder: Path, covered: Sequence[bytes] = ()) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._requests = os.open(folder / REQUESTS, flags, 0o600)
        self._exchanges = os.open(folder / EXCHANGES, flags, 0o600)
        self._covered = tuple(covered)

    def asked(self, name: str, request: Request, came_ns: int) -> None:
        """Keep a request."""
        try:
            body = {"body": request.body.decode()}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(request.body).decode()}
        line = {"id": name, "method": request.method, "path": request.path, "came_ns": came_ns}
        view = memoryview(json.dumps({**line, **body}, ensure_ascii=False).encode() + b"\n")
        while view:
            view = view[os.write(self._requests, view) :]

    def ended(self, raw: spool.Raw) -> None:
        """Keep an exchange that has ended, whole or not."""
        kept = covering.covered(bytes(raw.raw), self._covered)
        spool.append(self._exchanges, replace(raw, raw=kept))

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._requests)
        os.close(self._exchanges)


def asked(folder: Path) -> dict[str, Asked]:
    """Return the requests of a recording by their names; a torn last line is left out."""
    path = folder / REQUESTS
    if not path.is_file():
        raise BadInput(
            f"{folder} holds no recording",
            hint="name the folder that `steelyard proxy` or `steelyard eval` printed",
        )
    found = {}
    *lines, _ = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            each = _read(json.loads(line))
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"{path} is damaged in line {number}", hint="record it again"
            ) from None
        found[each.id] = each
    return found


def exchanges(folder: Path) -> list[Exchange]:
    """Return the exchanges of a recording in the order in which they ended."""
    return spool.read(folder / EXCHANGES)


def answers(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield names and whole answers, head and framing included, as they went to the caller."""
    for raw in spool.raws(folder / EXCHANGES):
        if raw.failure is None:
            yield raw.id, bytes(raw.raw)


def _read(line: Mapping[str, object]) -> Asked:
    plain = line.get("body")
    body = plain.encode() if isinstance(plain, str) else base64.b64decode(str(line["body_base64"]))
    return Asked(str(line["id"]), str(line["method"]), str(line["path"]), body, _int(line))


def _int(line: Mapping[str, object]) -> int:
    value = line["came_ns"]
    if not isinstance(value, int):
        raise TypeError("came_ns")
    return value
