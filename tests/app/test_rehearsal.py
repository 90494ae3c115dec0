"""A rehearsed end leaves nothing: not its own copies, nor those of one that was killed."""

from __future__ import annotations

from pathlib import Path

from tests.store.records import record

from steelyard.app.evals.rehearsal import Rehearsal
from steelyard.domain.run import RunRecord


class Nothing:
    def text(self, *, as_json: bool) -> str:
        return str(as_json)


def counted(_record: RunRecord, *, folder: Path) -> Nothing:
    assert folder.is_dir()
    return Nothing()


def test_the_copies_are_removed_and_so_are_those_of_a_killed_rehearsal(tmp_path: Path) -> None:
    stale = tmp_path / ".rehearsal-killed"
    stale.mkdir()
    (stale / "record.json").write_text("{}")
    with Rehearsal(tmp_path, counted) as rehearsal:
        assert not stale.exists()
        rehearsal.of(record("one"))
        assert len(list(tmp_path.rglob("record.json"))) == 1
    assert not list(tmp_path.iterdir())
