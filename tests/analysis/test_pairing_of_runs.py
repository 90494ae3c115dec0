"""Two runs set side by side: what is paired, what is not and why, and what each side took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.analysis.answered import NS, Said, section
from tests.analysis.marked import flipped, marked
from tests.analysis.sides import READING, of_one, run, task_section
from tests.analysis.test_judge_scores import judging

from steelyard.analysis import evaluation
from steelyard.domain.campaign import Gates
from steelyard.domain.evaluation import Pairing
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import RunRecord, Stopped
from steelyard.domain.summary import Estimate, Verdict
from steelyard.domain.task import Mark, Right, Source, Task, item_of, sample_key
from steelyard.domain.workload import Sampling
from steelyard.stats.proportions import share_estimate

OWN = Task("mine", source=Source("mine.jsonl", "jsonl", "ab" * 32))


def verdict(found: Pairing) -> Verdict:
    assert isinstance(found.verdict, Measured)
    return found.verdict.value


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(READING, seed=1), "other seed, so other items"),
        (replace(READING, split="train"), "other split, so other items"),
        (replace(READING, revision=2), "other revision, so other items"),
        (replace(READING, private_seed="mine"), "other private_seed, so other items"),
        (replace(READING, samples=3), "other samples, so other items"),
        (replace(READING, seed=1, samples=3), "other seed, samples, so other items"),
    ],
)
def test_tasks_with_other_items_are_not_paired(other: Task, why: str) -> None:
    first, second = of_one("one", "r" * 20), of_one("two", "r" * 20, other)
    assert evaluation.shared(first, second) == ({}, {"reading/l1": why})
    with pytest.raises(ValueError, match="no task is shared"):
        evaluation.contrast(first, second, 0.03, ())


def test_a_file_that_was_changed_is_another_task() -> None:
    assert OWN.source is not None
    changed = replace(OWN, source=replace(OWN.source, sha256="cd" * 32))
    sides, why = evaluation.shared(of_one("one", "rr", OWN), of_one("two", "rr", changed))
    assert (sides, why) == ({}, {"mine": "other content, columns or scorer, so other items"})


def test_a_task_that_one_side_alone_has_is_named_with_that_side() -> None:
    logic = Task("logic", items=20)
    first = of_one("one", "r" * 20)
    second = run(
        "two", (READING, task_section(READING, "r" * 20)), (logic, task_section(logic, "r"))
    )
    for pair in ((first, second), (second, first)):
        sides, why = evaluation.shared(*pair)
        assert (list(sides), why) == (["reading/l1"], {"logic/l1": "only two has it"})


def test_items_that_a_stopped_run_never_came_to_are_no_items_that_failed() -> None:
    whole, half = of_one("one", "r" * 20), of_one("two", "r" * 10)
    assert verdict(evaluation.contrast(whole, half, 0.03, ()).overall).items == 10
    cut = replace(half, stopped=Stopped(10, 20, "the budget of 1 min was spent", looked=False))
    for pair in ((whole, cut), (cut, whole)):
        found = evaluation.contrast(*pair, 0.03, ())
        assert found.overall.left_out == 0
        assert "not run" not in verdict(found.overall).reason
        assert found.stopped == ("two: 10 of 20 items were asked: the budget of 1 min was spent",)
    assert evaluation.contrast(whole, half, 0.03, ()).overall.left_out == 10
    assert "not run" in verdict(evaluation.contrast(whole, half, 0.03, ()).overall).reason


def test_forms_that_one_version_alone_drew_are_left_out_and_named() -> None:
    varied = replace(READING, vary=("upper_case",))
    old, new = of_one("one", "r" * 10, varied), of_one("two", "r" * 20, varied)
    for pair in ((old, new), (new, old)):
        found = evaluation.contrast(*pair, 0.03, ())
        assert (verdict(found.overall).items, found.overall.left_out) == (10, 0)
        assert "not run" not in verdict(found.overall).reason
        assert found.differs == (
            "forms of varied:reading/l1 (10 of 20 items are in one run only and left out: "
            "another version of steelyard drew them)",
        )
    assert evaluation.contrast(new, of_one("three", "r" * 20, varied), 0.03, ()).differs == ()


def test_several_tasks_share_one_error_by_holm() -> None:
    """Ten and six flips, all lost: 2/1024 and 2/64."""
    sides = {"a": flipped(80, 10, 10, 0), "b": flipped(84, 10, 6, 0)}
    found = {one.task: one for one in evaluation.pairings(sides, Gates())}
    assert value_of(found["a"].p) == pytest.approx(2 / 1024)
    assert value_of(found["a"].p_adjusted) == pytest.approx(4 / 1024)
    assert value_of(found["b"].p) == value_of(found["b"].p_adjusted) == pytest.approx(2 / 64)


def test_items_that_either_side_did_not_run_are_left_out_and_counted() -> None:
    (found,) = evaluation.pairings({"t": (marked("-rrwr"), marked("rr-wr"))}, Gates())
    assert (found.left_out, verdict(found).items) == (2, 3)


def test_each_side_has_the_band_of_its_own_answers() -> None:
    (found,) = evaluation.pairings({"overall": flipped(85, 5, 10, 0)}, Gates())
    assert found.first_band == Measured("excellent", "derived")
    assert found.second_band == Measured("good", "derived")


def test_what_an_undecided_verdict_would_take_is_told_at_the_pace_of_both() -> None:
    """A second an item on one side, two on the other."""
    slow = run("two", (READING, task_section(READING, "w" + "r" * 19, seconds=2.0)))
    found = evaluation.contrast(of_one("one", "r" * 20), slow, 0.03, ()).overall
    needed = verdict(found).to_decide_items
    assert isinstance(needed, Measured)
    assert found.more_s == Measured((needed.value - 20) * 3.0, "estimated")
    decided = evaluation.contrast(of_one("one", "r" * 20), of_one("two", "w" * 20), 0.03, ())
    assert verdict(decided.overall).name == "worse"
    assert decided.overall.more_s == Missing("not_undecided")


def settings(value: str) -> Task:
    return replace(READING, settings=(("k", value),))


def test_a_further_setting_is_set_beside_the_first_and_its_loss_is_a_loss() -> None:
    few, many, third = settings("1"), settings("5"), settings("9")
    found = evaluation.evaluate(
        run(
            "one",
            (many, task_section(many, "r" * 20)),
            (few, task_section(few, "w" * 8 + "r" * 12)),
            (third, task_section(third, "r" * 20)),
        )
    )
    lost = {one.task: verdict(one).loss for one in found.beside_first}
    assert lost == {"reading/l1[1]": pytest.approx(0.4), "reading/l1[9]": 0.0}


def test_settings_of_one_task_ask_the_same_items_and_add_no_passages() -> None:
    one, two = settings("1"), settings("5")
    letters = "r" * 10 + "w" * 10
    found = evaluation.evaluate(
        run("one", *((task, task_section(task, letters, cluster=5)) for task in (one, two)))
    )
    hits = [letter == "r" for letter in letters] * 2
    known = share_estimate(hits, [f"c{n // 5}" for n in range(20)] * 2)
    assert bounds(found.overall.marks.right_share) == pytest.approx(bounds(known))


def bounds(found: Estimate) -> tuple[float, float]:
    low, high = value_of(found.low), value_of(found.high)
    assert low is not None
    assert high is not None
    return low, high


def test_one_setting_against_another_is_paired_and_said_to_differ() -> None:
    first, second = of_one("one", "r" * 20, settings("1")), of_one("two", "r" * 20, settings("5"))
    assert evaluation.shared(first, second)[0].keys() == {"reading/l1[1]"}
    assert evaluation.resettled(first, second) == ("settings (reading/l1[1] → reading/l1[5])",)
    assert evaluation.resettled(first, first) == ()


def test_other_room_to_think_is_said_and_equal_room_is_not() -> None:
    first = of_one("one", "r" * 20)
    roomy = of_one("two", "r" * 20, replace(READING, thinking=1024))
    assert evaluation.rethought(first, roomy) == ("room to think of reading/l1 (0 → 1,024 tokens)",)
    assert evaluation.rethought(first, first) == ()


def test_an_item_takes_all_its_questions_and_a_failed_request_took_none() -> None:
    made = section([Said("r", 10, 1.0), Said("r", 20, 3.0), Said("-", 50, 9.0)], READING.section)
    again = replace(made.attempts[0], ask=1)
    found = evaluation.evaluate(
        run("one", (READING, replace(made, attempts=(*made.attempts, again))))
    )
    assert found.overall.output_tokens == Measured(20.0, "derived")  # (10 + 10) and 20
    assert found.overall.answer_s == Measured(2.5, "derived")
    assert made.attempts[2].done_ns - made.attempts[2].sent_ns == 9 * NS


def test_where_most_answers_are_cut_while_they_think_there_is_no_band() -> None:
    def of(cut: int) -> RunRecord:
        answers: Iterable[Said] = [
            *[Said("t", text="", reasoning="so", finish="length")] * cut,
            *[Said("r")] * (20 - cut),
        ]
        return run("one", (READING, section(list(answers), READING.section)))

    most, half = (evaluation.evaluate(of(cut)).overall.band for cut in (11, 10))
    assert isinstance(most, Missing)
    assert most.code == "thinking_cut"
    assert half == Measured("failed", "derived")


def test_items_in_several_forms_have_no_band_together() -> None:
    varied = replace(READING, vary=("typos_10",))
    plain, other = of_one("one", "r" * 20), of_one("two", "r" * 20, varied)
    assert evaluation.evaluate(plain).overall.band == Measured("excellent", "derived")
    assert isinstance(evaluation.evaluate(other).overall.band, Missing)
    both = evaluation.contrast(other, other, 0.03, ()).overall
    assert isinstance(both.first_band, Missing)
    assert isinstance(both.second_band, Missing)


def test_the_first_once_more_sets_the_floor_of_each_task_and_of_all() -> None:
    first, second = of_one("one", "r" * 20), of_one("two", "r" * 20)
    again = of_one("three", "w" * 2 + "r" * 18)
    found = evaluation.contrast(first, second, 0.03, (), again)
    assert found.again == "three"
    assert {"reading/l1", "overall"} <= found.floors.keys()
    floor = found.floors["overall"]
    assert isinstance(floor, Measured)
    assert floor.value > 0.1
    assert verdict(found.overall).floor == verdict(found.tasks[0]).floor == floor.value
    assert verdict(evaluation.contrast(first, second, 0.03, ()).overall).floor == 0.03


def test_what_two_judges_marked_is_not_paired() -> None:
    def judged_as(name: str, judge: str) -> RunRecord:
        made = judging(name=judge, attempts={READING.section: ()})
        return replace(of_one(name, "r" * 20), judging=made)

    first, second = judged_as("one", "a.gguf"), judged_as("two", "b.gguf")
    sides, why = evaluation.shared(first, second)
    assert not sides
    assert "each has a scale of its own" in why["reading/l1"]
    assert evaluation.shared(first, judged_as("two", "a.gguf"))[1] == {}


def test_passing_within_samples_is_told_where_there_are_some_and_they_were_drawn() -> None:
    thrice = replace(READING, samples=5)
    keys = [sample_key(f"i{n // 5:03d}", n % 5) for n in range(100)]

    def sampled(texts: list[str]) -> RunRecord:
        made = section([Said(text=text) for text in texts], thrice.section)
        named = tuple(replace(a, sample=key) for a, key in zip(made.attempts, keys, strict=True))
        marks = {key: Mark(Right()) for key in keys}
        whole = replace(made, attempts=named, marks=marks, clusters={k: item_of(k) for k in keys})
        found = run("one", (thrice, whole))
        controls = replace(found.spec.controls, sampling=Sampling(0.8))
        return replace(found, spec=replace(found.spec, controls=controls))

    drawn = evaluation.evaluate(sampled([f"{n}" for n in range(100)])).overall.pass_at
    assert drawn["5"].value == Measured(1.0, "derived")
    alike = evaluation.evaluate(sampled(["7"] * 100)).overall.pass_at
    assert alike["1"].value == Measured(1.0, "derived")
    assert isinstance(alike["5"].value, Missing)
    assert evaluation.evaluate(of_one("one", "r" * 20)).overall.pass_at == {}
