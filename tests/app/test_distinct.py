"""How many different items are asked: forms and samples are more answers to the same one."""

from __future__ import annotations

import pytest
from tests.analysis.suite import both

from steelyard.analysis import evaluation
from steelyard.analysis.sizing import USUAL_FLIPS
from steelyard.app.evals import budgeted, texts
from steelyard.app.evals.distinct import Distinct, distinct, least_ruled_out
from steelyard.domain.reading import Measured
from steelyard.domain.task import Task
from steelyard.stats.clusters import EXPECTED_ALIKE
from steelyard.stats.power import smallest_visible_loss
from steelyard.tasks import registry


def counted(*tasks: Task) -> Distinct:
    return distinct({task: registry.generate(task) for task in tasks})


def test_forms_and_settings_are_no_further_items() -> None:
    varied = Task("math_words", level=2, items=12, vary=("json", "typos_10"))
    assert counted(varied) == Distinct(12, 1)
    asked = [Task("rag", items=40, settings=(("k", k),)) for k in "48"]
    items = registry.generate(Task("rag", items=40))
    assert distinct(dict.fromkeys(asked, items)).items == 40
    robust = Task("robustness", level=2, items=60, revision=2)
    items = registry.generate(robust)
    clean = sum(str(getattr(item, "kind", "")).endswith("/clean") for item in items)
    assert len(items) > 5 * clean
    assert counted(robust) == Distinct(clean, 1)


def test_items_of_a_passage_are_taken_to_hang_together() -> None:
    read = counted(Task("reading", level=2, items=60))
    assert read.items == 60
    assert read.effect == pytest.approx(1 + 1 * EXPECTED_ALIKE)
    least = smallest_visible_loss(60, USUAL_FLIPS, design_effect=read.effect)
    said = texts.foresight(read)
    assert f"a loss of {least:.1%} or more" in said
    assert "alike by 0.25 within a passage" in said
    assert "alike" not in texts.foresight(counted(Task("logic", items=60)))


def test_families_that_could_show_nothing_even_without_a_flip_are_named() -> None:
    tasks = [Task(name, level=level, items=150) for name in ("logic", "rag") for level in (2, 3)]
    least = least_ruled_out({task: registry.generate(task) for task in tasks})
    sides = dict.fromkeys(tasks[:2], (150, 0, 0)) | {Task("tools", level=2): (150, 0, 0)}
    rows = evaluation.contrast(*both(sides), 0.03, ()).families
    assert isinstance(rows[0].verdict, Measured)
    assert least["logic"] == pytest.approx(rows[0].verdict.value.high)
    said = texts.too_few(least)
    assert "a loss of 3.0% possible even where none flips" in said
    assert said.endswith(f": rag {least['rag']:.1%}")
    assert not texts.too_few({"reading/l2": 0.2})  # one family alone: the line above says it
    assert not texts.too_few({"logic": 0.02, "tools": 0.01})


def test_a_budget_promises_what_the_items_show_and_not_their_answers() -> None:
    said = budgeted.foresight(60, 8000, None, None, different=Distinct(800, 1))
    plain = budgeted.foresight(60, 8000, None, None)
    fits = int(plain.split("allow about ")[1].split()[0].replace(",", ""))
    assert f"{fits:,} of 8,000 answers, those of about {fits // 10} different items" in said
    least = smallest_visible_loss(fits // 10, USUAL_FLIPS)
    assert f"a loss of {least:.1%}" in said
    assert f"a loss of {least:.1%}" not in plain
