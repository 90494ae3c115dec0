"""A lost or damaged database is made again from the campaign folders."""

import sqlite3
from pathlib import Path

import pytest
from tests.store.records import record
from tests.store.sweeps import sweep

from steelyard.domain.codec import encode
from steelyard.domain.errors import StoreError
from steelyard.platform import atomic
from steelyard.store.care import rebuild
from steelyard.store.database import Store
from steelyard.store.records import write_record


def campaign(folder: Path) -> Path:
    atomic.write(folder / "campaign.json", encode(sweep()).encode())
    for name in ("one", "two"):
        write_record(folder / "runs" / name, record(name))
    return folder


def test_a_damaged_database_is_moved_aside_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"rubbish" * 999)
    with pytest.raises(StoreError):
        Store(path)
    rebuilt = rebuild(path, [campaign(tmp_path / "sweeps" / "c1")])
    assert (rebuilt.runs, rebuilt.campaigns, rebuilt.problems) == (2, 1, ())
    assert rebuilt.aside is not None
    assert rebuilt.aside.read_bytes() == b"rubbish" * 999
    with Store(path) as store:
        assert store.get("one") == record("one")
        assert {row.campaign_id for row in store.runs()} == {sweep().id}
        assert store.runs()[0].label == "Q4_K_M"
        assert store.check() == []


def test_what_cannot_be_read_is_named_and_the_rest_is_loaded(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "sweeps" / "c1")
    torn = folder / "runs" / "two" / "record.json"
    torn.write_bytes(torn.read_bytes()[:-100])
    rebuilt = rebuild(tmp_path / "s.db", [tmp_path / "sweeps", tmp_path / "nowhere"])
    assert rebuilt.runs == 1
    assert rebuilt.aside is None
    assert any(str(torn) in problem for problem in rebuilt.problems)
    assert any("nowhere" in problem for problem in rebuilt.problems)


def test_what_a_killed_rehearsal_left_is_no_run(tmp_path: Path) -> None:
    folder = campaign(tmp_path / ".home" / "sweeps" / "c1")
    write_record(folder / "runs" / "one" / ".rehearsal-x", record("rehearsed"))
    rebuilt = rebuild(tmp_path / "s.db", [tmp_path / ".home" / "sweeps"])
    assert (rebuilt.runs, rebuilt.problems) == (2, ())


def test_a_whole_database_is_added_to_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        store.add(record("only here"))
    folder = campaign(tmp_path / "c1")
    assert rebuild(path, [folder]).aside is None
    assert rebuild(path, [folder]).aside is None
    with Store(path) as store:
        assert {row.id for row in store.runs()} == {"only here", "one", "two"}


def test_one_changed_value_is_mended_and_each_old_database_is_kept(tmp_path: Path) -> None:
    path, folder = tmp_path / "s.db", campaign(tmp_path / "c1")
    rebuild(path, [folder])
    aside = []
    for _ in range(2):
        with sqlite3.connect(path) as raw:
            raw.execute("UPDATE attempt SET sent_ns = sent_ns + 1 WHERE position = 2")
        raw.close()
        aside.append(rebuild(path, [folder]).aside)
    assert None not in aside
    assert len(set(aside)) == 2
    with Store(path) as store:
        assert store.get("two") == record("two")


def test_a_newer_database_is_left_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreError, match="newer"):
        rebuild(path, [])
    assert list(tmp_path.glob("*damaged*")) == []
