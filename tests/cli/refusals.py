"""What every refusal has in common: where a case makes its files, and what must be said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cli.conftest import Room, Said

Steelyard = Callable[..., Said]
Words = Callable[[Room], Sequence[str | Path]]
Case = tuple[str, Words, tuple[str, ...]]


def refused(said: Said, room: Room, *phrases: str) -> None:
    """Exit code 2, one message that says this much, no traceback, nothing left in the folder."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    errors = [line for line in said.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, said.err
    for phrase in phrases:
        assert phrase in " ".join(said.err.split()), said.err
    assert not room.out.exists() or list(room.out.iterdir()) == []
    assert list(room.folder.rglob("*.part")) == []
