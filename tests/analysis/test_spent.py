"""What answers took: bounds by hand, items that hang together, and questions that are one item."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from tests.analysis.answered import NS, Said, section
from tests.analysis.swept import World
from tests.analysis.test_judge_scores import judging

from steelyard.analysis import loops
from steelyard.analysis.answer_worth import payback, worth
from steelyard.analysis.judge_scores import judged_by, other_judge
from steelyard.analysis.thinking import ledger, length_ratio
from steelyard.domain.ledger import Prices, Worth
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate


@pytest.fixture(scope="module")
def record() -> RunRecord:
    return next(iter(World().evidence().runs))


def of(record: RunRecord, *sections: Section) -> Worth:
    return worth(replace(record, sections=sections))


def bounds(found: Estimate) -> tuple[float, float]:
    low, high = value_of(found.low), value_of(found.high)
    assert low is not None
    assert high is not None
    return low, high


def width(found: Estimate) -> float:
    low, high = bounds(found)
    return high - low


def in_pairs(made: Section) -> Section:
    """Every eight items are one cluster."""
    return replace(made, clusters={item: f"c{int(item[1:]) // 8}" for item in made.marks})


def test_it_pays_soonest_where_the_service_is_dearest_and_the_machine_quickest(
    record: RunRecord,
) -> None:
    here = of(record, section([Said("rw"[n % 4 == 0], seconds=1 + n % 3) for n in range(60)]))
    hosted = of(record, section([Said("rw"[n % 5 == 0], cost=0.001) for n in range(60)]))
    paid = payback(here, Prices(0.36, watts=110, device=365.25, years=1), hosted)
    low, high = bounds(paid.break_even)
    second = 110 / 3.6e6 * 0.36
    (quick, slow), (cheap, dear) = bounds(here.seconds), bounds(hosted.billed)
    assert low == pytest.approx(1 / (dear - quick * second))
    assert high == pytest.approx(1 / (cheap - slow * second))
    assert low < (value_of(paid.break_even.value) or 0) < high
    fewest, most = bounds(paid.most)
    assert (fewest, most) == pytest.approx((86_400 / slow, 86_400 / quick))


def test_a_service_at_the_very_price_of_the_current_never_breaks_even(record: RunRecord) -> None:
    here, hosted = of(record, section([Said()] * 20)), of(record, section([Said(cost=0.0)] * 20))
    never = payback(here, Prices(0.36, watts=0.0, device=10.0), hosted).break_even.value
    assert isinstance(never, Missing)
    assert never.code == "never"


def test_time_in_which_two_answer_at_once_passed_once(record: RunRecord) -> None:
    made = section([Said(seconds=4.0), Said(seconds=4.0)])
    first, second = made.attempts
    both = (first, replace(second, sent_ns=1 * NS, done_ns=5 * NS))
    assert of(record, replace(made, attempts=both)).busy_s == 5.0


def test_all_questions_of_an_item_are_billed(record: RunRecord) -> None:
    made = section([Said(cost=0.002), Said("w", cost=0.002)])
    later: tuple[Attempt, ...] = tuple(replace(a, ask=1) for a in made.attempts)
    found = of(record, replace(made, attempts=(*made.attempts, *later)))
    assert value_of(found.billed.value) == pytest.approx(0.008)


def test_thinking_of_one_passage_hangs_together() -> None:
    thought = section([Said(reasoning="so", reasoning_tokens=10 + n // 8) for n in range(64)])
    alone, shared = ledger([thought]).tokens, ledger([in_pairs(thought)]).tokens
    assert alone.value == shared.value
    assert width(shared) > 2 * width(alone)


def test_lengths_of_one_passage_hang_together() -> None:
    first = section([Said(tokens=10) for _ in range(64)])
    second = section([Said(tokens=10 + n // 8) for n in range(64)])
    alone = length_ratio([first], [second])
    shared = length_ratio([in_pairs(first)], [in_pairs(second)])
    assert alone.value == shared.value
    assert width(shared) > 2 * width(alone)


def test_an_item_is_as_long_as_all_its_answers() -> None:
    first = section([Said(tokens=10), Said(tokens=10)])
    later = tuple(replace(a, ask=1) for a in first.attempts)
    twice = replace(first, attempts=(*first.attempts, *later))
    assert value_of(length_ratio([first], [twice]).value) == 2.0


def test_a_share_that_the_engine_counted_is_not_called_estimated() -> None:
    """Answers without thinking have none, whoever counts."""
    counted, plain = Said(tokens=30, reasoning="a", reasoning_tokens=15), Said(tokens=30)
    assert ledger([section([counted, plain])]).share == Measured(0.25, "derived")
    guessed = Said(tokens=30, text="x", reasoning="y")
    assert ledger([section([counted, guessed])]).share == Measured(0.5, "estimated")


def test_a_judge_that_had_to_be_asked_twice_is_counted_as_such(record: RunRecord) -> None:
    whole = judging()
    (trial,) = whole.trial
    retried = replace(trial, sample="a", tries=1)
    found = judged_by(replace(record, judging=replace(whole, attempts={"t": (retried,)})))
    assert found is not None
    assert (found.calls, found.again) == (2, 1)


def test_one_judge_on_two_engines_has_two_scales() -> None:
    first = judging()
    other = replace(first, judge=replace(first.judge, engine="vllm"))
    assert "each has a scale of its own" in other_judge(first, other, "t")


@pytest.mark.parametrize("unit", [40, 260])
def test_what_stands_twice_is_said_twice_and_is_no_loop(unit: int) -> None:
    draw = Random(unit)
    said = " ".join(f"{draw.randrange(10**6)}" for _ in range(unit))
    before = " ".join(f"w{n}" for n in range(2 * unit))
    assert loops.find(f"{before} {said} {said}") is None
    found = loops.find(f"{before} {said} {said} {said}")
    assert found is not None
    assert (found.period, found.repeated) == (unit, 2 * unit)
