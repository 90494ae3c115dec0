"""A judge's scores counted: the mean of what there is, by name what there is not, and its bill."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.store.records import attempt, record, subject

from steelyard.analysis import judge_scores
from steelyard.domain.evaluation import JudgeScore
from steelyard.domain.judging import Judging
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Attempt, Failed
from steelyard.domain.task import Invalid, Mark, NotRun, Right, Wrong

RNG = random.Random(1)


def asked(sample: str, *, ask: int = 0, cost: float | None = None) -> Attempt:
    one = replace(attempt(RNG, sample, 10**9, 7), ask=ask)
    return one if cost is None else replace(one, cost=Measured(cost, "engine"))


def judging(*attempts: Attempt, name: str = "judge.gguf", **more: object) -> Judging:
    made = Judging(
        judge=subject(name),
        revision=1,
        rubrics={"t": "ab" * 32},
        bound="schema",
        outcome="completed",
        trial=(asked("trial", cost=0.5),),
        attempts={"t": attempts},
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_mean_is_of_those_that_have_a_score_and_the_others_are_counted_by_their_reason() -> (
    None
):
    marks = {
        "a": Mark(Right(), judge=Measured(1.0, "derived")),
        "b": Mark(Wrong(), judge=Measured(0.25, "derived")),
        "c": Mark(NotRun("unscorable"), judge=Missing("not_json")),
        "d": Mark(NotRun("unscorable"), judge=Missing("http_500")),
        "e": Mark(Invalid("truncated")),
        "f": Mark(NotRun("not_judged")),
    }
    found = judge_scores.scores(marks, {})
    assert found is not None
    assert found.score.value == Measured(0.625, "derived")
    assert found.score.n == 2
    assert found.unscorable == {"http_500": 1, "not_json": 1}
    assert (found.unasked, found.waiting) == (1, 1)


def test_where_no_judge_gave_a_score_there_is_no_mean_and_no_zero() -> None:
    found = judge_scores.scores({"a": Mark(NotRun("unscorable"), judge=Missing("empty"))}, {})
    assert found is not None
    assert isinstance(found.score.value, Missing)
    assert judge_scores.scores({"a": Mark(Right())}, {}) is None


def test_answers_that_share_a_cluster_widen_the_interval() -> None:
    marks = {str(n): Mark(Right(), judge=Measured(n // 8 % 2, "derived")) for n in range(32)}
    alone = judge_scores.scores(marks, {})
    shared = judge_scores.scores(marks, {item: str(int(item) // 8) for item in marks})
    assert alone is not None
    assert shared is not None

    def width(found: JudgeScore) -> float:
        low, high = found.score.low, found.score.high
        assert isinstance(low, Measured)
        assert isinstance(high, Measured)
        return high.value - low.value

    assert width(shared) > 1.5 * width(alone)


def test_requests_tokens_and_bill_hold_all_that_was_sent_to_the_judge() -> None:
    failed = replace(asked("b"), outcome=Failed("http_500"))
    made = judging(asked("a", cost=0.25), asked("a", ask=1, cost=0.25), failed)
    found = judge_scores.judged_by(replace(record(), judging=made))
    assert found is not None
    assert (found.calls, found.again, found.failed) == (4, 1, 1)
    assert found.prompt_tokens == Measured(90, "derived")
    assert found.output_tokens == Measured(21, "derived")
    assert found.billed == Measured(1.0, "derived")


def test_what_nobody_counted_or_billed_is_missing_with_its_reason() -> None:
    uncounted = replace(asked("a"), usage=Missing("not_reported"))
    found = judge_scores.judged_by(replace(record(), judging=judging(uncounted)))
    assert found is not None
    assert found.prompt_tokens == Missing("not_reported")
    assert isinstance(found.billed, Missing)
    assert judge_scores.judged_by(record()) is None


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (judging(), ""),
        (judging(name="another.gguf"), "each has a scale of its own"),
        (judging(revision=2), "under other instructions"),
        (judging(bound="words"), "asked to keep to schema, and to words"),
        (judging(attempts={}), ""),
        (None, ""),
    ],
)
def test_only_what_one_judge_scored_in_one_way_is_put_side_by_side(
    other: Judging | None, why: str
) -> None:
    found = judge_scores.other_judge(judging(), other, "t")
    assert (why in found) if why else not found
