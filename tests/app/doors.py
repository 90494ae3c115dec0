"""A door in this process: a command as a user runs it, with a home and a PATH of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import proofs

from steelyard.cli.main import run


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def steelyard(folder: Path, *words: str | Path, path: str | None = None) -> Said:
    """Run `steelyard WORDS` in a folder, whose `home` is the user's; `path` is the search path."""
    proofs.lend(folder / "home")
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEELYARD_HOME", str(folder / "home"))
        patch.setenv("PATH", path or os.environ["PATH"])
        patch.chdir(folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run([str(word) for word in words])
        finally:
            signal.signal(signal.SIGTERM, handler)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Said(code, out.getvalue(), err.getvalue())


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
