"""A door in this process: a command as a user runs it, with a home and a PATH of its own."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tests import door, proofs


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def steelyard(folder: Path, *words: str | Path, path: str | None = None) -> Said:
    """Run `steelyard WORDS` in a folder, whose `home` is the user's; `path` is the search path."""
    proofs.lend(folder / "home")
    own = {"STEELYARD_HOME": str(folder / "home"), "PATH": path or os.environ["PATH"]}
    done = door.steelyard(folder, *words, env={**os.environ, **own})
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def kept(folder: Path) -> int:
    """Return how many runs the user's database holds; none where there is no database yet."""
    database = folder / "home" / "steelyard.db"
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as found:
        try:
            return int(found.execute("SELECT count(*) FROM run").fetchone()[0])
        except sqlite3.OperationalError:  # it is being made
            return 0
