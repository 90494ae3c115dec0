"""What proves that a long prompt came whole, and what a missing check word does not prove."""

from __future__ import annotations

from steelyard.analysis.delivery import settled
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import Attempt, Completed, Failed, Usage
from steelyard.domain.task import Mark, NotRun, Outcome, Right, Wrong

WANTED = 4000
ALL, NO_HEAD, NO_MIDDLE, TAIL = "head, middle, tail", "middle, tail", "head, tail", "tail"


def attempt(item: str, counted: int | None, wanted: int | None = WANTED) -> Attempt:
    usage: Reading[Usage] = (
        Missing("not_reported") if counted is None else Measured(Usage(counted, 9), "engine")
    )
    return Attempt(
        item, 0, 0, 1, (), "said", "", "stop", usage, Missing("not_reported"), Completed(),
        prompt_tokens_wanted=wanted,
    )  # fmt: skip


def outcomes(
    counted: int | None, *seen: str, outcome: Outcome | None = None, wanted: int | None = WANTED
) -> list[Outcome]:
    """Return the outcomes of items, in each of which these check words came back."""
    attempts = [attempt(str(n), counted, wanted) for n in range(len(seen))]
    marks = {
        str(n): Mark(outcome or Right(), {"check_words": words}) for n, words in enumerate(seen)
    }
    found = settled(attempts, marks)
    assert list(found) == list(marks)
    return [mark.outcome for mark in found.values()]


def test_a_prompt_that_was_counted_short_is_cut_whatever_came_back() -> None:
    assert outcomes(3500, ALL, TAIL, outcome=Wrong()) == [NotRun("prompt_cut")] * 2


def test_a_prompt_that_was_counted_whole_was_read_and_the_model_is_to_blame() -> None:
    assert outcomes(4000, "", TAIL, outcome=Wrong()) == [Wrong()] * 2
    assert outcomes(3960, *[TAIL] * 30, outcome=Wrong()) == [Wrong()] * 30
    assert outcomes(4000, *[""] * 30, outcome=Wrong()) == [Wrong()] * 30


def test_a_head_that_never_comes_beside_a_middle_that_does_is_a_cut_that_was_miscounted() -> None:
    cut = NotRun("canary_missing")
    assert outcomes(4000, *[NO_HEAD] * 8) == [cut] * 8
    assert outcomes(4000, *[NO_HEAD] * 5, *[""] * 3, outcome=Wrong()) == [cut] * 8
    assert outcomes(4000, *[NO_MIDDLE] * 8) == [cut] * 8


def test_a_head_that_came_once_shows_that_heads_are_passed_on() -> None:
    assert outcomes(4000, ALL, *[NO_HEAD] * 20, outcome=Wrong()) == [Wrong()] * 21


def test_few_answers_are_not_enough_to_doubt_a_count() -> None:
    assert outcomes(4000, *[NO_HEAD] * 7) == [Right()] * 7


def test_without_a_count_what_no_answer_repeated_is_not_proved() -> None:
    missing = NotRun("canary_missing")
    assert outcomes(None, NO_HEAD, TAIL, outcome=Wrong()) == [missing, missing]
    assert outcomes(None, ALL, TAIL, "", outcome=Wrong()) == [Wrong()] * 3
    assert outcomes(None, NO_HEAD, NO_MIDDLE, outcome=Wrong()) == [Wrong()] * 2
    assert outcomes(None, "", outcome=Wrong()) == [missing]


def test_a_count_that_is_a_little_short_proves_nothing_either_way() -> None:
    assert outcomes(3850, NO_HEAD) == [NotRun("canary_missing")]
    assert outcomes(3850, ALL) == [Right()]


def test_a_cut_prompt_is_no_witness_for_others() -> None:
    attempts = [attempt("cut", 2000), attempt("unknown", None)]
    marks = {
        "cut": Mark(Right(), {"check_words": ALL}),
        "unknown": Mark(Wrong(), {"check_words": TAIL}),
    }
    found = settled(attempts, marks)
    assert found["unknown"].outcome == NotRun("canary_missing")
    assert found["unknown"].extracted == {"check_words": TAIL}


def test_questions_of_no_length_and_failures_stay_as_they_are() -> None:
    assert outcomes(10, "", wanted=None, outcome=Wrong()) == [Wrong()]
    failed = Mark(NotRun("stalled"))
    assert settled([attempt("a", 10)], {"a": failed}) == {"a": failed}
    assert settled([], {"a": Mark(Right())})["a"].outcome == Right()
    broken = attempt("a", 10)
    object.__setattr__(broken, "outcome", Failed("stalled", ""))
    assert settled([broken], {"a": Mark(Wrong())})["a"].outcome == Wrong()
