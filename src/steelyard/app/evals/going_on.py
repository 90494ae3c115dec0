"""How one goes on with what was interrupted: everything that was answered is kept in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from steelyard.domain.errors import Interrupted

SPEC: Final = "spec.json"  # what a folder holds from the first question on


def hint(folder: Path) -> str:
    """Say what goes on with a folder."""
    return f"the same command with --out {folder} goes on"


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Say after an interrupt how to go on. Around the session, which ends its engine first.

    What is interrupted as a part of something larger names the folder of that.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted; the answers so far are kept", hint=hint(folder)) from None
