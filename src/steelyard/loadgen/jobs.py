"""What the parent tells the driver, one JSON object a line; and what the driver answers.

Request bytes are complete and travel as base64, so that the driver has nothing to build. Times
are absolute monotonic nanoseconds, limits are relative.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

from steelyard.domain.errors import BadInput


@final
@dataclass(frozen=True, slots=True)
class Job:
    """One prepared request: when to send it, how long all of it and any silence may take."""

    id: str
    request: bytes
    at_ns: int | None = None
    deadline_ns: int | None = None
    stall_ns: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Streams:
    """A new limit on the requests in flight."""

    streams: int


Command: TypeAlias = Job | Streams


def encode(command: Command) -> bytes:
    """Return the line that says it."""
    match command:
        case Streams(streams=streams):
            words: dict[str, object] = {"streams": streams}
        case Job():
            words = {
                "id": command.id,
                "request": base64.b64encode(command.request).decode(),
                "at_ns": command.at_ns,
                "deadline_ns": command.deadline_ns,
                "stall_ns": command.stall_ns,
            }
    return json.dumps(words).encode() + b"\n"


def decode(line: bytes) -> Command:
    """Read one line; raise `BadInput` naming what is wrong with it."""
    try:
        words = json.loads(line)
    except ValueError:
        raise BadInput(f"not a job: {line[:80]!r}") from None
    if not isinstance(words, dict):
        raise BadInput(f"not a job: {line[:80]!r}")
    if isinstance(streams := words.get("streams"), int):
        return Streams(streams)
    name, request = words.get("id"), words.get("request")
    if not isinstance(name, str) or not isinstance(request, str):
        raise BadInput(f"a job needs an id and a request: {line[:80]!r}")
    return Job(
        id=name,
        request=base64.b64decode(request),
        at_ns=_moment(words, "at_ns"),
        deadline_ns=_moment(words, "deadline_ns"),
        stall_ns=_moment(words, "stall_ns"),
    )


def done(job: str) -> bytes:
    """Return the line that says that a job's exchange is in the spool."""
    return json.dumps({"done": job}).encode() + b"\n"


def _moment(words: Mapping[str, object], key: str) -> int | None:
    value = words.get(key)
    if value is None or isinstance(value, int):
        return value
    raise BadInput(f"{key} is whole nanoseconds, not {value!r}")
