"""The one error tree.

SteelyardError (exit code 3: could not measure)
├── BadInput (exit code 2)
│   ├── UnreadableModel      not a model file, truncated, or its header lies
│   ├── UnknownName          an engine, quant, suite, key that does not exist ("did you mean")
│   ├── UnsupportedSubject   this engine, format or tensor shape cannot go together
│   ├── TooLittleRoom        no disk, no memory, or a context too small for the work
│   ├── HubRefused           a model hub knows no such thing, or does not hand it to us
│   ├── Busy                 a port or an output folder is in use by somebody else
│   └── WrongModel           the bytes or the server are not what was asked for
├── EngineError              the engine did not start, died, or broke off
│   ├── DialectError         the engine answered, and what it said is an error or no sense
│   └── EngineDied           it was up, and its process ended by itself: it can be started again
├── TransferFailed           a hub or the way to it broke off; what had arrived is kept
├── CannotContain            generated code cannot be run here without a way out
├── ConformanceError         a kernel, an exported symbol or an engine computes something else
├── TimeOver                 the time that was given ended while something was under way
├── StoreError               the database or a journal is damaged or of a newer version
│   └── DamagedStore         the database's bytes are not what was stored: rebuild it
└── Interrupted (exit code 130)

Each message names the thing and the cause; `hint` is the way out. Not aware of doors.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class SteelyardError(Exception):
    """Something that could not be done, with the way out in `hint`."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadInput(SteelyardError):
    """The user can mend this by asking for something else."""

    exit_code: ClassVar[int] = 2


class UnreadableModel(BadInput):
    """Not a model file, a truncated one, or one whose header lies."""


class UnknownName(BadInput):
    """A name that nothing here answers to."""

    @classmethod
    def among(cls, what: str, name: str, known: Iterable[str]) -> UnknownName:
        """Name the thing asked for and suggest the nearest that exists."""
        names = sorted(known)
        near = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1)
        by_lower = {n.lower(): n for n in names}
        suggestion = f"did you mean {by_lower[near[0]]!r}? " if near else ""
        there = f"known: {', '.join(names)}" if names else f"there is no {what} at all yet"
        return cls(f"there is no {what} {name!r}", hint=f"{suggestion}{there}")


class UnsupportedSubject(BadInput):
    """This engine, format or tensor shape cannot go together."""


class TooLittleRoom(BadInput):
    """Not enough disk, memory or context for what was asked."""


class HubRefused(BadInput):
    """A model hub knows no such thing, or does not hand it to whoever asks with this token."""


class Busy(BadInput):
    """A port or an output folder is in use by somebody else."""


class WrongModel(BadInput):
    """The bytes on disk or the server that is up are not what was asked for."""


class EngineError(SteelyardError):
    """The engine did not start, died, or broke off."""


class EngineDied(EngineError):
    """It was up and its process ended by itself: it can be started again."""


class DialectError(EngineError):
    """The engine answered, and what it said is an error or no sense."""


class Refused(DialectError):
    """It refused a request, with this status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TransferFailed(SteelyardError):
    """A hub or the way to it failed, or its bytes are wrong; a later call goes on."""


class ConformanceError(SteelyardError):
    """A kernel, an exported symbol or an engine computes something else than it should."""


class CannotContain(SteelyardError):
    """Generated code cannot be run on this machine without a way out of its sandbox."""


class TimeOver(SteelyardError):
    """The time that was given ended while something was under way; that was broken off."""


class StoreError(SteelyardError):
    """The database or a journal is damaged, or written by a newer version."""


class DamagedStore(StoreError):
    """The database's bytes are not what was stored; it can be rebuilt from the folders."""


class Interrupted(SteelyardError):
    """The user stopped it; what had finished is kept."""

    exit_code: ClassVar[int] = 130
