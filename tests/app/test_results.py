"""Stored runs through the room that the command line asks: listed, shown, compared, exported."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.store.records import DEVICE, record, subject
from tests.store.sweeps import sweep

from steelyard.app.results import results
from steelyard.app.results.comparison import compare
from steelyard.domain.caution import Caution
from steelyard.domain.codec import encode, from_plain
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, RunRecord
from steelyard.domain.subject import EngineProfile
from steelyard.domain.task import Mark, NotRun, Task
from steelyard.platform import atomic
from steelyard.stats.paired import mcnemar_exact
from steelyard.store.database import Store
from steelyard.store.query import RunQuery
from steelyard.store.records import write_record

OTHER = subject("tiny-Q2_K.gguf", "cd" * 32)
HOG = Caution("HIGH_CPU_SATURATION", "another process took 90 %", "stop it")
ANOTHER_SEED = Caution("MISSING_EXPERIMENTAL_CONTROLS", "seed asked 7, found 8", "set it")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELYARD_HOME", str(tmp_path))
    return tmp_path


def filled(home: Path, *records: RunRecord) -> Path:
    with Store(home / "steelyard.db") as store:
        for each in records:
            store.add(each)
    return home


def test_an_empty_database_says_how_to_fill_it(home: Path) -> None:
    assert home.exists()
    assert "steelyard sweep" in results.list_text(None, 30, simulated=False, as_json=False)


def test_measured_and_simulated_runs_are_listed_in_lists_of_their_own(home: Path) -> None:
    filled(home, record("real"), record("played", simulated=True))
    measured = results.list_text(None, 30, simulated=False, as_json=False)
    assert "real" in measured
    assert "played" not in measured
    first, second = results.list_text(None, 30, simulated=True, as_json=False).split("\n\n")
    assert "real" in first
    assert "not measured" in second
    assert "played" in second
    rows = json.loads(results.list_text(None, 30, simulated=True, as_json=True))["runs"]
    assert {row["id"]: row["simulated"] for row in rows} == {"real": False, "played": True}


def test_a_run_is_shown_by_the_beginning_of_its_id_with_n_and_reasons(home: Path) -> None:
    filled(home, record("abc-1", wrong=frozenset({3}), cautions=(HOG,)))
    text = results.show_text("abc", as_json=False)
    assert "19 right, 1 wrong, 0 invalid, 0 not run" in text
    assert "POLLUTED" in text
    assert "stop it" in text
    assert "n=3" in text
    assert "first_request_s" in text
    assert "not measured" in text
    back = from_plain(RunRecord, json.loads(results.show_text("abc", as_json=True)), source="x")
    assert back == record("abc-1", wrong=frozenset({3}), cautions=(HOG,))


def test_an_unknown_run_is_bad_input_with_the_nearest(home: Path) -> None:
    filled(home, record("abc-1"))
    with pytest.raises(UnknownName, match="abc-2") as caught:
        results.show_text("abc-2", as_json=False)
    assert "abc-1" in caught.value.hint


def test_planted_flips_come_back_as_the_paired_loss() -> None:
    first = record("one", items=100, wrong=frozenset({0, 1}))
    second = record("two", items=100, of=OTHER, wrong=frozenset({1, 10, 20, 30, 40, 50, 60, 70}))
    found = compare(first, second)
    assert isinstance(found.right, Measured)
    right = found.right.value
    assert (right.loss.lost, right.loss.won, right.loss.items) == (7, 1, 100)
    assert right.loss.loss == pytest.approx(0.06)
    assert right.loss.low < 0.06 < right.loss.high
    assert right.p == mcnemar_exact(7, 1)
    assert (right.first.right, right.second.right) == (98, 92)
    assert found.differs == "the file (tiny-Q4_K_M.gguf → tiny-Q2_K.gguf)"


def test_a_run_against_an_equal_one_loses_nothing_and_speeds_stand_side_by_side(
    home: Path,
) -> None:
    filled(home, record("one"), record("two"))
    text = results.compare_text("one", "two", as_json=False)
    assert "differs   nothing" in text
    assert "loss of the second: 0.0 points" in text
    assert "McNemar, exact: p = 1.000" in text
    assert text.count("n=3") >= 4
    assert "prompt 32, depth 0" in text
    assert "No A/A floor" in text or "no A/A floor" in text
    assert json.loads(results.compare_text("one", "two", as_json=True))["first_id"] == "one"


def test_items_not_run_are_left_out_of_the_pairs_and_counted() -> None:
    first = record("one")
    workload, task = record("two", of=OTHER).sections
    marks = {**task.marks, "item-000": Mark(NotRun("engine_died"))}
    second = replace(record("two", of=OTHER), sections=(workload, replace(task, marks=marks)))
    found = compare(first, second)
    assert isinstance(found.right, Measured)
    assert (found.right.value.loss.items, found.right.value.left_out) == (19, 1)
    assert found.right.value.second.not_run == 1


def test_two_runs_without_a_shared_task_have_a_reason_in_place_of_a_loss() -> None:
    first, second = record("one"), record("two")
    second = replace(second, sections=second.sections[:1])
    assert isinstance(compare(first, second).right, Missing)


def _asked(made: RunRecord, *tasks: Task) -> RunRecord:
    """Return the run as if these tasks had been asked, each answered alike."""
    (section,) = [section for section in made.sections if section.kind == "task"]
    alone = {item: item for item in section.marks}
    sections = tuple(replace(section, name=task.section, clusters=alone) for task in tasks)
    return replace(made, spec=replace(made.spec, tasks=tasks), sections=sections)


def test_levels_of_a_family_are_compared_each_with_its_own() -> None:
    two, three = (Task("logic", level=level, items=20) for level in (2, 3))
    both, alone = _asked(record("one"), two, three), _asked(record("two"), two)
    found = compare(both, alone)
    assert isinstance(found.right, Measured)
    assert found.right.value.loss.items == 20
    other = _asked(record("two"), replace(two, seed=9), three)
    with pytest.raises(BadInput, match="task logic/l2 is not the same: seed 0 → 9"):
        compare(both, other)


def test_the_same_items_in_two_settings_are_no_further_items() -> None:
    one, other = (Task("rag", items=100, settings=(("k", k),)) for k in ("3", "5"))
    first = record("one", items=100)
    second = record("two", items=100, of=OTHER, wrong=frozenset(range(0, 100, 3)))
    alone, twice = (
        compare(_asked(first, *tasks), _asked(second, *tasks)).right
        for tasks in ((one,), (one, other))
    )
    assert isinstance(alone, Measured)
    assert isinstance(twice, Measured)
    assert twice.value.loss.items == 2 * alone.value.loss.items
    width, of_both = (each.value.loss.high - each.value.loss.low for each in (alone, twice))
    assert of_both >= 0.95 * width  # taken for strangers they would give 0.71 of it


def _elsewhere(made: RunRecord) -> RunRecord:
    return replace(made, device=replace(DEVICE, cpu="Another CPU"))


def _other_items(made: RunRecord) -> RunRecord:
    (task,) = made.spec.tasks
    return replace(made, spec=replace(made.spec, tasks=(replace(task, revision=2),)))


def _two_axes(made: RunRecord) -> RunRecord:
    spec = replace(made.spec, controls=Controls(threads=7), subject=OTHER)
    return replace(made, spec=spec)


def _other_prompts(made: RunRecord) -> RunRecord:
    return replace(made, spec=replace(made.spec, campaign_seed=9))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda made: replace(made, id="one"), "one and the same run"),
        (lambda made: replace(made, simulated=True), "one is simulated"),
        (_elsewhere, "other devices: Some CPU and Another CPU"),
        (lambda made: replace(made, outcome="failed", reason="it died"), "failed: it died"),
        (_other_items, "task reading/l1 is not the same: revision 1 → 2"),
        (_other_prompts, "other prompts"),
        (_two_axes, "more than one thing differs: the file"),
        (lambda made: replace(made, cautions=(ANOTHER_SEED,)), "polluted: two"),
        (lambda made: replace(made, sections=()), "share no task and no workload"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(
    spoil: Callable[[RunRecord], RunRecord], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        compare(record("one"), spoil(record("two")))


def test_one_changed_setting_may_be_compared_and_is_named() -> None:
    made = record("two")
    profile = EngineProfile(kv_type="q8_0")
    spec = replace(made.spec, subject=replace(made.spec.subject, profile=profile))
    found = compare(record("one"), replace(made, spec=spec))
    assert found.differs == "the engine profile (kv_type f16 → q8_0)"


def test_a_polluted_run_is_compared_when_asked_and_the_output_says_so(home: Path) -> None:
    filled(home, record("one"), record("two", cautions=(HOG,)))
    text = results.compare_text("one", "two", as_json=False, include_polluted=True)
    assert "POLLUTED runs are compared, as asked: two" in text


def test_a_run_with_a_doubtful_clock_is_compared_by_its_answers_alone(home: Path) -> None:
    clean = compare(record("one"), record("two", wrong=frozenset({3})))
    found = compare(record("one"), record("two", wrong=frozenset({3}), cautions=(HOG,)))
    assert found.right == clean.right
    assert clean.speeds
    assert found.speeds == ()
    filled(home, record("one"), record("two", cautions=(HOG,)))
    text = results.compare_text("one", "two", as_json=False)
    assert "the clock is in doubt: two (HIGH_CPU_SATURATION)" in text
    assert "right answers, second" in text
    assert "POLLUTED" not in text


def test_where_nothing_but_speeds_could_be_compared_a_doubtful_clock_refuses() -> None:
    def timed_only(made: RunRecord) -> RunRecord:
        kept = tuple(section for section in made.sections if section.kind == "workload")
        return replace(made, sections=kept)

    with pytest.raises(BadInput, match=r"polluted: two \(HIGH_CPU_SATURATION\)"):
        compare(timed_only(record("one")), timed_only(record("two", cautions=(HOG,))))


def test_csv_has_one_row_a_run_and_a_reason_for_each_empty_cell(home: Path) -> None:
    cheat = subject("=cmd()", "ef" * 32)
    filled(home, record("one"), record("two", of=cheat), record("played", simulated=True))
    rows = list(csv.DictReader(io.StringIO(results.export_text("csv", None, simulated=False))))
    assert {row["id"] for row in rows} == {"one", "two"}
    row = next(row for row in rows if row["id"] == "one")
    assert float(row["load_s [s]"]) == 0.5
    assert row["memory_bytes [bytes]"] == ""
    assert "memory_bytes: not_sampled" in row["missing"]
    assert row["schema_version"] == "1"
    assert {row["artifact"] for row in rows} == {"tiny-Q4_K_M.gguf", "'=cmd()"}


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_exported_records_read_back_equal_and_say_their_version(home: Path, form: str) -> None:
    filled(home, record("one"), record("two"))
    out = home / "out" / f"runs.{form}"
    assert "2 runs written" in results.export_text(form, out, simulated=False)
    text = out.read_text()
    raws = json.loads(text) if form == "json" else [json.loads(x) for x in text.splitlines()]
    back = {raw["id"]: from_plain(RunRecord, raw, source="x") for raw in raws}
    assert back == {"one": record("one"), "two": record("two")}
    assert all(raw["schema_version"] == 1 for raw in raws)


@pytest.mark.usefixtures("home")
def test_a_lost_database_is_loaded_again_from_sweep_folders(tmp_path: Path) -> None:
    folder = tmp_path / "sweeps" / "s1"
    atomic.write(folder / "campaign.json", encode(sweep()).encode())
    write_record(folder / "runs" / "r1", record("one"))
    said = results.rebuild_text((folder, tmp_path / "nowhere"))
    assert "runs loaded: 1, of campaigns: 1" in said
    assert "nowhere" in said
    with results.opened() as store:
        (row,) = store.runs(RunQuery(model="Q4_K_M"))
        assert row.campaign_id == sweep().id
