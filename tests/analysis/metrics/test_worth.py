"""What a right answer costs: time, tokens and energy, whatever became of the other answers."""

from dataclasses import replace

import pytest
from tests.analysis.timed import (
    MS,
    NONE,
    attempt,
    failed,
    in_a_row,
    record,
    sample,
    section,
    vitals,
)

from steelyard.analysis.metrics import worth
from steelyard.analysis.metrics.registry import METRICS
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Invalid, Mark, NotRun, Right, Wrong

MARKS = {
    "0": Mark(Right()),
    "1": Mark(Wrong()),
    "2": Mark(Invalid("truncated")),
    "3": Mark(Right()),
}


def judged(attempts: tuple[Attempt, ...] = in_a_row(4), marks: dict[str, Mark] = MARKS) -> Section:
    return section(attempts, "logic/l1", marks=marks, clusters={"0": "a", "1": "a"})


def test_wrong_and_invalid_answers_are_in_the_seconds_of_a_right_one() -> None:
    found = worth.seconds_per_right([judged()])
    assert value_of(found.value) == pytest.approx(4 * 0.151 / 2)
    assert found.n == 4


def test_overlapping_requests_share_the_time_in_which_they_overlap() -> None:
    together = judged((attempt("0"), attempt("1"), attempt("2"), attempt("3")))
    assert value_of(worth.seconds_per_right([together]).value) == pytest.approx(0.151 / 2)


def test_asking_again_costs() -> None:
    asked = (*in_a_row(4), replace(attempt("0", sent_ms=5000), ask=1))
    found = worth.seconds_per_right([judged(asked)])
    assert value_of(found.value) == pytest.approx(5 * 0.151 / 2)
    tokens = worth.tokens_per_right([judged(asked)])
    assert value_of(tokens.value) == pytest.approx(50 / 2)
    assert tokens.n == 4


def test_an_item_that_was_never_asked_is_no_right_answer() -> None:
    marks = {**MARKS, "4": Mark(NotRun("the engine died"))}
    assert value_of(worth.seconds_per_right([judged(marks=marks)]).value) == pytest.approx(0.302)


def test_nothing_right_costs_no_number() -> None:
    none = {key: Mark(Wrong()) for key in MARKS}
    for found in (
        worth.seconds_per_right([judged(marks=none)]),
        worth.tokens_per_right([judged(marks=none)]),
        worth.seconds_per_right([]),
    ):
        assert isinstance(found.value, Missing)
        assert found.value.code == "zero_denominator"


def test_an_uncounted_answer_leaves_no_tokens_per_right() -> None:
    uncounted = (*in_a_row(3), failed("3", sent_ms=900))
    found = worth.tokens_per_right([judged(uncounted)])
    assert isinstance(found.value, Missing)
    assert found.value.code == "token_count_unavailable"


def test_the_registry_reads_one_section() -> None:
    for name, wanted in (("seconds_per_right", 0.302), ("tokens_per_right", 20.0)):
        reading: Reading[float] = METRICS[name].formula(judged())  # type: ignore[arg-type]
        assert value_of(reading) == pytest.approx(wanted)


def powered(watts: float = 20.0) -> Measured:  # type: ignore[type-arg]
    """A counter that grows steadily, looked at every 100 ms."""
    looks = [
        sample(t, energy_uj=Measured(round(t * watts * 1000), "client"))
        for t in range(0, 1100, 100)
    ]
    return Measured(vitals(looks), "client")


def test_the_energy_of_tasks_is_read_between_their_ends() -> None:
    run = record([judged()], seen=powered())
    end_s = judged().ended_ns / MS / 1000
    found = worth.joules_per_right(run)
    assert value_of(found) == pytest.approx(end_s * 20 / 2, rel=1e-6)


def test_energy_outside_the_looks_is_not_guessed() -> None:
    looks = powered().value.samples
    assert value_of(worth.energy_j(looks, 0, 1000 * MS)) == pytest.approx(20.0)
    assert value_of(worth.energy_j(looks, 150 * MS, 250 * MS)) == pytest.approx(2.0)
    for start, end in ((-5, 500), (500, 1001)):
        found = worth.energy_j(looks, start * MS, end * MS)
        assert isinstance(found, Missing)
        assert found.code == "not_sampled"


def test_energy_that_was_not_counted_is_missing_with_its_reason() -> None:
    why = Missing("no_counter", "this machine counts no energy")
    blind = Measured(replace(vitals([sample(0, energy_uj=why)]), energy_j=why), "client")
    run = record([judged()], seen=blind)
    assert worth.joules_per_right(run) == why
    assert worth.joules_per_token(run) == why
    unseen = record([judged()], seen=NONE)
    assert worth.joules_per_right(unseen) == worth.joules_per_token(unseen) == NONE
    assert isinstance(worth.energy_j([], 0, 1), Missing)


def test_energy_per_token_takes_the_time_of_all_sections() -> None:
    end_s = judged().ended_ns / MS / 1000
    run = record([judged()], seen=powered())
    assert value_of(worth.joules_per_token(run)) == pytest.approx(end_s * 20 / 40, rel=1e-6)
    uncounted = worth.joules_per_token(record([judged((failed(),))], seen=powered()))
    assert isinstance(uncounted, Missing)
    assert uncounted.code == "token_count_unavailable"
    empty = worth.joules_per_token(record([], seen=powered()))
    assert isinstance(empty, Missing)
    assert empty.code == "zero_denominator"


def test_no_right_answer_leaves_no_energy_per_right() -> None:
    none = {key: Mark(Wrong()) for key in MARKS}
    found = worth.joules_per_right(record([judged(marks=none)], seen=powered()))
    assert isinstance(found, Missing)
