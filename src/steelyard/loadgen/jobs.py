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
    """A new limit on the requests in flight, from a moment on (None: from now on).

    In `waves` the next so many begin only when all before them have ended.
    """

    streams: int
    at_ns: int | None = None
    waves: bool = False


@final
@dataclass(frozen=True, slots=True)
class LastCall:
    """From this moment on nothing more is sent: what has not been begun is dropped."""

    at_ns: int


@final
@dataclass(frozen=True, slots=True)
class Recall:
    """What has not been sent is wanted back: another driver has room for it."""


Command: TypeAlias = Job | Streams | LastCall | Recall


@final
@dataclass(frozen=True, slots=True)
class Done:
    """An exchange is in the spool; what can be said of it without looking into it.

    `first_ns` is from sending to the first read that brought anything (-1: none came), `span_ns`
    from that one to the last. `behind_ns` is how much later than wanted it was sent.
    """

    id: str
    failure: str | None
    status: int
    sent_ns: int
    first_ns: int
    span_ns: int
    reads: int
    late_ns: int
    behind_ns: int


@final
@dataclass(frozen=True, slots=True)
class Dropped:
    """A request that was never sent: the last call came before its turn."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class Returned:
    """A request that was called back before its turn."""

    id: str


Answer: TypeAlias = Done | Dropped


def encode(command: Command) -> bytes:
    """Return the line that says it."""
    match command:
        case Streams(streams=streams, at_ns=at_ns, waves=waves):
            words: dict[str, object] = {"streams": streams, "at_ns": at_ns, "waves": waves}
        case LastCall(at_ns=at_ns):
            words = {"last_call_ns": at_ns}
        case Recall():
            words = {"recall": True}
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
        return Streams(streams, _moment(words, "at_ns"), words.get("waves") is True)
    if isinstance(last_call := words.get("last_call_ns"), int):
        return LastCall(last_call)
    if words.get("recall") is True:
        return Recall()
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


def say(answer: Answer | Returned) -> bytes:
    """Return the line that tells the parent."""
    match answer:
        case Dropped(id=job):
            words: list[object] = [job]
        case Returned(id=job):
            words = [job, "returned"]
        case Done():
            words = [
                *(answer.id, answer.failure, answer.status, answer.sent_ns),
                *(answer.first_ns, answer.span_ns, answer.reads, answer.late_ns),
                answer.behind_ns,
            ]
    return json.dumps(words).encode() + b"\n"


def hear(line: bytes) -> Answer | Returned:
    """Read such a line back."""
    match json.loads(line):
        case [job]:
            return Dropped(job)
        case [job, "returned"]:
            return Returned(job)
        case words:
            return Done(*words)


def _moment(words: Mapping[str, object], key: str) -> int | None:
    value = words.get(key)
    if value is None or isinstance(value, int):
        return value
    raise BadInput(f"{key} is whole nanoseconds, not {value!r}")
