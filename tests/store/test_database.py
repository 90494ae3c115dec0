"""The store on real files: what goes in comes out, whatever happens in between."""

import itertools
import random
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tests.store.records import record, run_records, subject
from tests.store.sweeps import sweep

from steelyard.domain.caution import Caution
from steelyard.domain.errors import BadInput, StoreError, UnknownName
from steelyard.domain.run import RunRecord
from steelyard.domain.task import Task
from steelyard.store import schema
from steelyard.store.connect import open_engine
from steelyard.store.database import Store
from steelyard.store.migrate import newest
from steelyard.store.query import RunQuery

NUMBER = itertools.count()
HOG = Caution("HIGH_CPU_SATURATION", "another process took 90 %", "stop it")


@given(run_records)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_record_comes_out_as_it_went_in(tmp_path: Path, made: RunRecord) -> None:
    own = replace(made, id=f"run-{next(NUMBER)}")
    with Store(tmp_path / "s.db") as store:
        store.add(own)
        store.add(own)
        assert store.get(own.id) == own


def test_a_record_survives_closing_and_opening_and_the_check_is_clean(tmp_path: Path) -> None:
    made = record(items=300)
    with Store(tmp_path / "s.db") as store:
        store.add(made)
    with Store(tmp_path / "s.db") as store:
        assert store.get("run-1") == made
        assert store.check() == []


def test_adding_again_changes_nothing_and_other_content_under_one_id_is_refused(
    tmp_path: Path,
) -> None:
    with Store(tmp_path / "s.db") as store:
        store.add(record())
        store.add(record())
        assert len(store.runs()) == 1
        with pytest.raises(StoreError, match="other content"):
            store.add(replace(record(), reason="made again"))
        assert store.get("run-1") == record()


def test_a_record_that_cannot_be_stored_leaves_nothing_behind(tmp_path: Path) -> None:
    whole = record()
    first, second = whole.sections
    broken = replace(second, name=None)  # type: ignore[arg-type]
    with Store(tmp_path / "s.db") as store:
        with pytest.raises(StoreError):
            store.add(replace(whole, sections=(first, broken)))
        assert store.runs() == ()
        store.add(whole)
        assert store.check() == []


def test_simulated_runs_are_listed_apart(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        store.add(record("real"))
        store.add(record("played", simulated=True))
        assert [row.id for row in store.runs()] == ["real"]
        assert [row.id for row in store.runs(RunQuery(simulated=True))] == ["played"]


def test_lists_are_filtered_and_the_newest_comes_first(tmp_path: Path) -> None:
    other = subject("big-Q8_0.gguf", "cd" * 32)
    with Store(tmp_path / "s.db") as store:
        campaign = store.add_campaign(sweep())
        store.add(record("a", started_at="2026-11-20T10:00:00+00:00"), campaign_id=campaign)
        store.add(record("b", of=other, cautions=(HOG,), started_at="2026-11-21T10:00:00+00:00"))

        def ids(**asked: object) -> list[str]:
            return [row.id for row in store.runs(RunQuery(**asked))]  # type: ignore[arg-type]

        assert ids() == ["b", "a"]
        assert ids(model="big") == ["b"]
        assert ids(model="cdcd") == ["b"]
        assert ids(model="Q4_K_M") == ["a"]
        assert ids(model="%") == []
        assert ids(campaign_id=campaign) == ["a"]
        assert ids(quality="POLLUTED") == ["b"]
        assert ids(quality="CLEAN", limit=1) == ["a"]
        assert ids(since="2026-11-21") == ["b"]
        assert ids(section="reading", limit=1) == ["b"]
        assert ids(engine="vllm") == []
        row = store.runs(RunQuery(model="big"))[0]
        assert (row.label, row.quality_reasons) == ("big-Q8_0.gguf", ("HIGH_CPU_SATURATION",))


def test_a_campaign_comes_back_with_its_variants(tmp_path: Path) -> None:
    made = sweep()
    with Store(tmp_path / "s.db") as store:
        store.add_campaign(made)
        store.add_campaign(made)
        assert store.campaign(made.id) == made
        assert store.variants(made.id) == made.variants
        with pytest.raises(UnknownName):
            store.campaign("no-such")


def test_a_run_is_tied_to_its_campaign_later_too_but_never_to_an_unknown_one(
    tmp_path: Path,
) -> None:
    with Store(tmp_path / "s.db") as store:
        store.add(record())
        with pytest.raises(StoreError, match="not stored"):
            store.add(record(), campaign_id="nowhere")
        campaign = store.add_campaign(sweep())
        store.add(record(), campaign_id=campaign)
        assert store.runs()[0].campaign_id == campaign
        assert store.check() == []


def test_a_prefix_finds_one_run_and_says_when_it_finds_two(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        for name in ("abc1", "abd2"):
            store.add(record(name))
        assert store.find("abc") == "abc1"
        with pytest.raises(BadInput, match="more than one"):
            store.find("ab")
        with pytest.raises(UnknownName, match="abc9") as caught:
            store.find("abc9")
        assert "did you mean" in caught.value.hint
        with pytest.raises(UnknownName):
            store.find("a_c")


def test_the_migrations_make_exactly_the_tables_that_the_program_uses(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_engine(tmp_path / "s.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.METADATA) == []
    engine.dispose()
    assert newest() == schema.HEAD


def test_a_newer_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreError, match="newer Steelyard") as caught:
        Store(path)
    assert "update Steelyard" in caught.value.hint


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE photo (id)")
    raw.close()
    with pytest.raises(StoreError, match="something else"):
        Store(path)


def test_a_file_that_is_no_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at\n" * 40)
    with pytest.raises(StoreError, match="damaged") as caught:
        Store(path)
    assert "results rebuild" in caught.value.hint


def test_flipped_bytes_are_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        store.add(made := record(items=200))
    noticed = 0
    whole = path.read_bytes()
    rng = random.Random(3)
    for _ in range(12):
        spoiled = bytearray(whole)
        # Past the catalogue, in the pages that hold attempts and events.
        at = rng.randrange(len(whole) // 2, len(whole) - 64)
        spoiled[at : at + 64] = bytes(byte ^ 0xA5 for byte in spoiled[at : at + 64])
        path.write_bytes(spoiled)
        try:
            with Store(path) as store:
                problems = store.check()
                # Bytes of a page that hold nothing may change without harm.
                assert problems or store.get(made.id) == made
        except StoreError as error:
            problems = [str(error)]
        noticed += bool(problems)
    assert noticed >= 8


def test_one_changed_value_is_named_with_its_run(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        store.add(record("good"))
        store.add(record("bad"))
    with sqlite3.connect(path) as raw:
        raw.execute(
            "UPDATE item_mark SET outcome = 'wrong' WHERE position = 3 AND section_id IN "
            "(SELECT id FROM section WHERE run_id = 'bad')"
        )
    raw.close()
    with Store(path) as store:
        assert store.get("good") == record("good")
        with pytest.raises(StoreError, match="bad is not what was stored") as caught:
            store.get("bad")
        assert "rebuild" in caught.value.hint
        (problem,) = store.check()
        assert "run bad" in problem


ROOT = Path(__file__).parents[2]
_WRITER = """
import sys
from pathlib import Path
from steelyard.store.database import Store
from tests.store.records import record
name, path = sys.argv[1], Path(sys.argv[2])
for n in range(5):
    with Store(path) as store:
        store.add(record(f"{name}-{n}"))
        store.add(record(f"both-{n}"))
"""


def test_two_processes_write_at_once_into_a_database_that_neither_found(tmp_path: Path) -> None:
    path = tmp_path / "new" / "s.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, name, str(path)], cwd=ROOT)
        for name in ("x", "y")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    with Store(path) as store:
        assert len(store.runs()) == 15
        assert store.check() == []


def test_a_folder_that_cannot_be_made_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot make the folder"):
        Store(tmp_path / "file" / "s.db")


def test_a_full_record_of_a_sweep_is_stored_and_read_in_seconds(tmp_path: Path) -> None:
    made = record(items=1200, tokens=24)
    assert made.spec.tasks == (Task("reading", items=1200),)
    with Store(tmp_path / "s.db") as store:
        store.add(made)
        assert store.get(made.id) == made
