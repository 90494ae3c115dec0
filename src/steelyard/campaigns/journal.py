"""The journal's lines: canonical JSON, one event each; the last one may be torn.

Works on bytes: the shell appends, fsyncs and truncates. While a campaign runs its journal is the
truth, and replaying it is resume.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import final

from steelyard.campaigns.events import Event
from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.ids import canonical


@final
@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal says. The shell cuts the file to `good_bytes` before it appends again.

    `dropped` is why the last line was not taken, or None.
    """

    events: tuple[Event, ...]
    good_bytes: int
    dropped: str | None = None


@final
@dataclass(frozen=True, slots=True)
class _Line:
    event: Event


def line_of(event: Event) -> bytes:
    """Return the event's line, newline and all."""
    return canonical(event).encode() + b"\n"


def read(data: bytes) -> Journal:
    """Read all lines; drop a last one that is torn or unknown.

    Raises `StoreError` for any other line that cannot be read: a gap may not be guessed over.
    """
    *whole, tail = data.split(b"\n")
    events: list[Event] = []
    good = 0
    for number, line in enumerate(whole, start=1):
        try:
            events.append(_event(line, number))
        except BadInput as error:
            if number < len(whole) or tail:
                raise StoreError(
                    str(error), hint="restore the journal, or start again in a new folder"
                ) from None
            return Journal(tuple(events), good, dropped=str(error))
        good += len(line) + 1
    torn = f"journal line {len(whole) + 1} has no end: torn" if tail else None
    return Journal(tuple(events), good, dropped=torn)


def _event(line: bytes, number: int) -> Event:
    where = f"journal line {number}"
    try:
        raw = json.loads(line)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadInput(f"{where} is not JSON: {error}") from None
    return from_plain(_Line, {"event": raw}, source=where).event
