"""What a right answer costs, where the clock that it rests on is in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.records import record

from steelyard.app.evals.paying import WorthOrder, worth_told
from steelyard.domain.caution import Caution
from steelyard.store.database import Store

HOG = Caution("HIGH_CPU_SATURATION", "another process took 90 %", "stop it")
LOST = Caution("RESENT", "1 of 4 requests was sent twice", "keep connections longer")


def test_a_doubtful_clock_is_said_before_what_rests_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path))
    with Store(tmp_path / "steelyard.db") as store:
        store.add(record("hogged", cautions=(HOG, LOST)))
        store.add(record("clean", cautions=(LOST,)))
    said = worth_told(WorthOrder("hogged"), as_json=False).text
    assert "! the clock is in doubt (HIGH_CPU_SATURATION): right answers" in said
    assert "in doubt" not in worth_told(WorthOrder("clean"), as_json=False).text
