"""A robustness run as it is shown: its forms are told apart again from the record alone."""

from __future__ import annotations

from dataclasses import replace

from tests.store.records import record

from steelyard.app.results import forms
from steelyard.app.results.tables import record_text
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.task import Mark, Right, Task, Wrong
from steelyard.tasks.items import Question
from steelyard.tasks.registry import drawn

TASK = Task("robustness", items=140, revision=2)


def ran(task: Task, *, wrong_form: str) -> RunRecord:
    """Return a run in which one form was always wrong, and everything else right."""
    items = drawn(TASK)
    marks = {
        item.id: Mark(
            Wrong() if item.kind.endswith(f"/{wrong_form}") else Right(),
            {},
            {"answer_form": True, "json_only": True},
        )
        for item in items
    }
    section = Section(
        name="robustness/l1",
        kind="task",
        outcome="completed",
        started_ns=0,
        ended_ns=1,
        attempts=(),
        marks=marks,
        clusters={item.id: item.cluster for item in items},
    )
    whole = record("run-1")
    return replace(whole, spec=replace(whole.spec, tasks=(task,)), sections=(section,))


def test_each_form_is_shown_against_the_clean_items() -> None:
    text = record_text(ran(TASK, wrong_form="typos_10"))
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("  ")}
    clean = sum(item.kind.endswith("/clean") for item in drawn(TASK))
    typos = sum(item.kind.endswith("/typos_10") for item in drawn(TASK))
    assert lines["clean"][-3:] == [str(clean), "0", "0"]
    assert lines["typos_10"][-3:] == [str(typos), str(typos), "0"]
    assert lines["json_broken"][-2:] == ["0", "0"]
    assert "spread 100.0 points" in text
    assert (
        f"worst case, right in every form {(clean - typos) / clean:.1%}".replace("%", " %") in text
    )
    assert "json_only" in text


def test_forms_of_another_revision_are_not_guessed() -> None:
    text = record_text(ran(replace(TASK, revision=9), wrong_form="json"))
    assert "forms — (robustness is at revision 2; the task asks for 9" in text
    assert "spread" not in text


def test_two_clean_items_of_one_cluster_keep_their_own_forms() -> None:
    known = [item for item in drawn(TASK) if isinstance(item, Question)][:4]
    forms_of = ("clean", "json", "clean", "json")
    pairs = zip(known, forms_of, strict=True)
    items = [replace(item, cluster="one", kind=f"reading/{form}") for item, form in pairs]
    origins = [forms._placed(items)[item.id].origin for item in items]
    assert origins == [items[0].id, items[0].id, items[2].id, items[2].id]


def test_another_task_has_no_forms() -> None:
    assert "worst case" not in record_text(record("run-1"))
