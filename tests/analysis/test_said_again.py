"""Repeats, engines and forms side by side: what is the same, and what must not pass for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section
from tests.analysis.marked import marked
from tests.analysis.swept import World

from steelyard.analysis import marks
from steelyard.analysis.bands import rated
from steelyard.analysis.determinism import determinism, identical
from steelyard.analysis.marks import adherence, by_constraint, count
from steelyard.analysis.repeats import not_drawn, repeats
from steelyard.analysis.robustness import Place, robustness
from steelyard.analysis.sameness import EngineComparison, EngineRow, differences
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Invalid, Mark, Right, Task, Wrong, sample_key
from steelyard.domain.workload import Sampling
from steelyard.engines.api import PromptFacts

TASK = Task("task")


@pytest.fixture(scope="module")
def blank() -> RunRecord:
    record = next(iter(World().evidence().runs))
    return replace(record, spec=replace(record.spec, tasks=(TASK,)))


def of(blank: RunRecord, answers: list[Said], **marks_of: Mark) -> RunRecord:
    made = section(answers, TASK.section)
    return replace(blank, sections=(replace(made, marks={**made.marks, **marks_of}),))


def two_samples(first: Said, second: Said) -> Section:
    made = section([first, second])
    one, two = made.attempts
    return replace(made, attempts=(one, replace(two, sample=sample_key(one.sample, 1))))


def test_a_sample_that_failed_is_none_that_says_the_same() -> None:
    assert repeats([two_samples(Said(), Said())]).same == 1
    found = repeats([two_samples(Said(), Said("-"))])
    assert (found.again, found.same) == (0, 0)


def test_one_answer_after_other_thoughts_is_another_text() -> None:
    found = repeats([two_samples(Said(reasoning="so 7"), Said(reasoning="or 7"))])
    assert (found.again, found.same) == (1, 0)


@pytest.mark.parametrize(("temperature", "looked_at"), [(0.49, False), (0.5, True)])
def test_from_a_half_on_samples_are_meant_to_differ(
    blank: RunRecord, temperature: float, looked_at: bool
) -> None:
    made = section([Said()] * 90)
    names = [sample_key("i000", n) for n in range(90)]
    alike = tuple(replace(a, sample=n) for a, n in zip(made.attempts, names, strict=True))
    controls = replace(blank.spec.controls, sampling=Sampling(temperature))
    run = replace(
        blank,
        spec=replace(blank.spec, controls=controls),
        sections=(replace(made, attempts=alike),),
    )
    assert (not_drawn(run) is not None) == looked_at


def test_the_earliest_of_several_partings_is_shown(blank: RunRecord) -> None:
    texts = "seven apples", "seven apes", "seven pears"
    found = determinism([of(blank, [Said(text=text)]) for text in texts], anew=True)
    assert [(one.at, one.repeats) for one in found.partings] == [(6, (1, 3))]
    assert found.partings[0].texts == ("seven apples", "seven pears")


def test_texts_of_other_sampling_are_not_set_beside_each_other(blank: RunRecord) -> None:
    mine = of(blank, [Said()])
    warm = replace(mine.spec.controls, sampling=Sampling(0.7))
    assert identical(mine, mine, [TASK.section]) is not None
    other = replace(mine, spec=replace(mine.spec, controls=warm))
    assert identical(mine, other, [TASK.section]) is None


def test_cut_once_and_unreadable_once_is_not_the_same_mark(blank: RunRecord) -> None:
    runs = [of(blank, [Said()], i000=Mark(Invalid(why))) for why in ("truncated", "unparsable")]
    found = determinism(runs, anew=True)
    assert found.overall.marks.value == Measured(0.0, "derived")
    assert found.overall.texts.value == Measured(1.0, "derived")


def test_what_is_said_to_a_later_question_is_a_part_of_the_text(blank: RunRecord) -> None:
    def asked_twice(text: str) -> RunRecord:
        made = of(blank, [Said(text="yes")])
        (asked,) = made.sections
        later = replace(asked.attempts[0], ask=1, text=text)
        return replace(made, sections=(replace(asked, attempts=(*asked.attempts, later)),))

    found = determinism([asked_twice("seven"), asked_twice("eight")], anew=True)
    assert [one.at for one in found.partings] == [len("yes\n")]


def test_items_that_settings_share_hang_together_over_them(blank: RunRecord) -> None:
    """Four items in two settings are four clusters: eight would tell the spread more surely."""
    tasks = tuple(replace(TASK, settings=(("k", value),)) for value in "15")

    def both(text: str) -> RunRecord:
        said = [Said(text=text), Said(text=text), Said(), Said()]
        parts = tuple(section(said, task.section) for task in tasks)
        return replace(blank, spec=replace(blank.spec, tasks=tasks), sections=parts)

    found = determinism([both("8"), both("9")], anew=True)
    assert found.overall.texts.n == 8
    alone = value_of(found.tasks[0].texts.low)
    assert alone is not None
    assert (value_of(found.overall.texts.low) or 1) < alone + 1e-9


def row(miscounted: int) -> EngineRow:
    none = Missing("not_reported")
    counted = count({}, {})
    return EngineRow(
        "a", "llamacpp", none, "r", "completed", "", counted, (), None, miscounted, False
    )


def test_prompts_that_came_to_other_counts_are_no_comparison() -> None:
    assert not EngineComparison(3, (), (row(0), row(0))).refused
    assert EngineComparison(3, (), (row(0), row(1))).refused


def test_of_three_engines_the_first_place_at_which_any_parts_is_shown() -> None:
    facts = PromptFacts(
        tokens=Measured((1, 2, 3, 4), "engine"),
        template_sha256=Measured("ab" * 32, "engine"),
        begin=Measured("none", "engine"),
        ends=Measured((2,), "engine"),
        sampler=Measured({"temperature": "0"}, "engine"),
    )
    late = replace(facts, tokens=Measured((1, 2, 3, 9), "engine"))
    early = replace(facts, tokens=Measured((1, 9, 3, 4), "engine"))
    (found,) = differences({"a": [facts], "b": [late], "c": [early]})
    assert found.what == "tokens of prompt 1, from position 1 on"


def test_a_clean_item_without_a_form_is_no_worst_case() -> None:
    hits = {"1clean": True, "1json": True, "2clean": False}
    named = {item: Mark(Right() if hit else Wrong()) for item, hit in hits.items()}
    places = {item: Place(item[0], item[1:]) for item in hits}
    found = robustness(named, places)
    assert (found.worst_case.value, found.worst_case.n) == (Measured(1.0, "derived"), 1)


def width(found: Estimate) -> float:
    low, high = value_of(found.low), value_of(found.high)
    assert low is not None
    assert high is not None
    return high - low


def test_forms_of_one_item_that_flip_together_count_for_fewer() -> None:
    """Half of twenty items lose in all five forms, or in other forms each."""

    def planted(*, together: bool) -> Estimate:
        right, places = {}, {}
        for item in range(20):
            for form in range(6):
                key = f"{item}-{form}"
                lost = item % 2 == 0 if together else (item + form) % 2 == 0
                right[key] = Mark(Wrong() if form and lost else Right())
                places[key] = Place(str(item), f"typos_{form}" if form else "clean")
        return robustness(right, places).flip_rate

    assert planted(together=True).value == planted(together=False).value
    assert width(planted(together=True)) > 1.5 * width(planted(together=False))


def held(names: dict[str, bool]) -> Mark:
    return Mark(Right(), constraints=names)


def test_a_form_is_counted_where_it_was_asked_for_and_by_passage() -> None:
    found = {f"{n:02d}": held({"json": n // 5 % 2 == 0, "short": True}) for n in range(40)}
    found |= {f"x{n}": held({"short": False}) for n in range(10)}
    owners = {item: f"p{n // 5}" for n, item in enumerate(found)}
    alone, shared = by_constraint(found, {}), by_constraint(found, owners)
    assert {name: one.n for name, one in shared.items()} == {"json": 40, "short": 50}
    assert alone["json"].value == shared["json"].value == Measured(0.5, "derived")
    assert width(shared["json"]) > 1.5 * width(alone["json"])
    only_json = {
        item: held({"json": mark.constraints.get("json", False)})
        for item, mark in found.items()
        if item[0] != "x"
    }
    assert width(adherence(only_json, owners)) > 1.5 * width(adherence(only_json, {}))


def test_one_in_a_hundred_not_run_still_has_a_band() -> None:
    made = marked("r" * 99 + "-")
    found = rated("overall", count(made.marks, made.clusters))
    assert found == Measured("excellent", "derived")
    assert marks.NOT_RUN_MAX == 0.01
