"""What the upper rooms need from a shell, as protocols: they are handed one, never look for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from steelyard.domain.run import RunRecord, RunSpec


class Tokenise(Protocol):
    """Turn text into the served model's tokens."""

    def __call__(self, text: str, *, special: bool = False) -> Sequence[int]:
        """Return token ids."""


class RecordSink(Protocol):
    """Where finished runs go."""

    def add(self, record: RunRecord) -> None:
        """Keep one record; adding the same id again replaces nothing and is no error."""


class Executor(Protocol):
    """Whatever can turn a spec into a record: this machine, or later a fleet."""

    def run(self, spec: RunSpec) -> RunRecord:
        """Execute one spec whole."""
