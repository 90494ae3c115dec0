"""The benchmark of the client's error runs; its figures are for people, and for calibration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "client_error.py"


@pytest.mark.full
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_benchmark_sets_both_clients_beside_each_other() -> None:
    words = [sys.executable, str(BENCHMARK), "--rounds", "1", "--concurrency", "1,8"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    assert "bar: at most 0.3 ms" in ended.stdout
    for name in ("C", "steelyard"):
        rows = [line.split() for line in ended.stdout.splitlines() if f" {name} " in line]
        medians = [float(row[3]) for row in rows if len(row) == 7]
        assert len(medians) == 2
        assert all(median < 20 for median in medians)
