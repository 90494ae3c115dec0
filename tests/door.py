"""The command line in this process: a process of its own spends seconds on imports alone.

For what only a process can show (signals, kills, what is imported) tests start one themselves.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from steelyard.cli.main import run


def steelyard(
    folder: Path, *words: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `steelyard WORDS` in a folder; `env` is the whole environment, or the one that is."""
    argv = [str(word) for word in words]
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        if env is not None:
            for name in os.environ.keys() - env.keys():
                patch.delenv(name)
            for name, value in env.items():
                patch.setenv(name, value)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run(argv)
        finally:
            signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())
