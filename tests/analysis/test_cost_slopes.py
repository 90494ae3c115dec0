"""What more right answers come with: a planted law comes back, and too little of one is named."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section
from tests.analysis.swept import World, brief
from tests.campaigns.sweeps import variant

from steelyard.analysis.answer_worth import billed
from steelyard.analysis.cost_slopes import slopes
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.roster import Entrant, Roster, roster
from steelyard.analysis.summary import summarise
from steelyard.domain.campaign import Gates
from steelyard.domain.codec import decode, encode
from steelyard.domain.reading import Missing, value_of
from steelyard.domain.summary import CostSlope, SweepSummary
from steelyard.domain.task import Mark, NotRun, Outcome, Right, Task, Wrong
from steelyard.reports import sloped

ITEMS = 240
BITS = {"F16": 16.0, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.9, "Q3_K_M": 3.9}
LOST = {"Q6_K": 4, "Q5_K_M": 8, "Q4_K_M": 16, "Q3_K_M": 40}
RISE = math.log(1.4) / 0.1  # 1.4 times the seconds for ten of a hundred more


def speed(label: str) -> float:
    """Return the speed at which an item takes what the law says: eight gaps and a millisecond."""
    seconds = math.exp(RISE * (0.75 - LOST.get(label, 0) / ITEMS) - 4)
    return 8 / (seconds - 0.001)


def evidence(lost: Mapping[str, int] = LOST) -> Evidence:
    spec = brief(
        variants=tuple(variant(name, bits, reference=name == "F16") for name, bits in BITS.items()),
        tasks=tuple(
            Task(name, items=ITEMS // 4) for name in ("formats", "logic", "math", "reading")
        ),
    )
    return World(spec=spec, speeds={label: speed(label) for label in BITS}, lost=lost).evidence()


@pytest.fixture(scope="module")
def seen() -> tuple[SweepSummary, Roster]:
    found = evidence()
    return summarise(found), roster(found, include_polluted=False)


def seconds(found: tuple[CostSlope, ...]) -> CostSlope:
    return next(one for one in found if one.cost == "seconds_per_item")


def code(found: CostSlope) -> str:
    assert isinstance(found.factor.value, Missing)
    return found.factor.value.code


def test_a_planted_law_comes_back_and_the_aa_row_is_no_variant(
    seen: tuple[SweepSummary, Roster],
) -> None:
    six, _ = seen
    found = seconds(six.cost_slopes)
    assert found.labels == tuple(BITS)
    assert found.factor.n == 6
    ends = (found.factor.low, found.factor.value, found.factor.high)
    assert [value_of(end) for end in ends] == pytest.approx([1.4] * 3, rel=1e-6)
    assert value_of(found.reliability) > 0.9  # type: ignore[operator]
    assert sloped.sentence(six).startswith(
        "10 of 100 more right answers come with 1.40 times the seconds an item (95 % 1.40 to "
        "1.40), over 6 variants"
    )
    assert decode(SweepSummary, encode(six), source="").cost_slopes == six.cost_slopes


def test_what_nobody_measured_is_absent_with_the_reason(
    seen: tuple[SweepSummary, Roster],
) -> None:
    codes = {one.cost: code(one) for one in seen[0].cost_slopes if one.cost != "seconds_per_item"}
    assert codes == {"joules_per_item": "no_samples", "money_per_item": "not_priced"}


def test_under_five_variants_there_is_no_slope(seen: tuple[SweepSummary, Roster]) -> None:
    six, seats = seen
    few = replace(seats, candidates=seats.candidates[:3])
    found = slopes(six.per_quant[:5], few, Gates())
    assert code(seconds(found)) == "too_few_variants"
    assert "4 of 4 have both" in sloped.sentence(replace(six, cost_slopes=found))


def test_a_variant_without_a_clean_clock_is_no_point(
    seen: tuple[SweepSummary, Roster],
) -> None:
    six, seats = seen
    rows = list(six.per_quant)
    why = Missing("polluted", "no clean clock")
    took = rows[4].throughput
    untimed = replace(took, seconds_per_right=replace(took.seconds_per_right, value=why))
    rows[4] = replace(rows[4], throughput=untimed)
    found = seconds(slopes(rows, seats, Gates()))
    assert found.labels == ("F16", "Q8_0", "Q6_K", "Q4_K_M", "Q3_K_M")


def test_shares_that_differ_by_luck_alone_have_no_slope(
    seen: tuple[SweepSummary, Roster],
) -> None:
    six, seats = seen
    lucky = replace(
        seats,
        reference=tossed(seats.reference, 0),
        candidates=tuple(tossed(each, n) for n, each in enumerate(seats.candidates, start=1)),
    )
    found = seconds(slopes(six.per_quant, lucky, Gates()))
    assert code(found) == "hardly_differ"
    assert "differ by little more than their own error" in str(found.factor.value)
    assert value_of(found.reliability) < 0.5  # type: ignore[operator]


def test_a_variant_of_which_much_was_not_run_is_no_point(
    seen: tuple[SweepSummary, Roster],
) -> None:
    six, seats = seen
    first, *others = seats.candidates
    gone = replace(
        seats, candidates=(marked(first, lambda n: NotRun("gone") if n < 9 else Right()), *others)
    )
    assert "Q8_0" not in seconds(slopes(six.per_quant, gone, Gates())).labels


def tossed(entrant: Entrant, seed: int) -> Entrant:
    """Mark each item by a coin of its own."""
    coin = random.Random(seed)
    return marked(entrant, lambda _: Right() if coin.random() < 0.5 else Wrong())


def marked(entrant: Entrant, outcome: Callable[[int], Outcome]) -> Entrant:
    """Give the items of each task other marks, by their number."""
    runs = tuple(
        replace(
            run,
            sections=tuple(
                replace(s, marks={item: Mark(outcome(n)) for n, item in enumerate(s.marks)})
                for s in run.sections
            ),
        )
        for run in entrant.runs
    )
    return replace(entrant, runs=runs)


def test_right_shares_that_hardly_differ_have_no_slope(seen: tuple[SweepSummary, Roster]) -> None:
    six, seats = seen
    found = seconds(slopes(six.per_quant, seats, Gates(margin=0.2)))
    assert code(found) == "hardly_differ"
    assert "lie within 16.7 points of each other, less than the margin of 20.0" in str(
        found.factor.value
    )


def test_money_is_a_cost_where_it_was_billed() -> None:
    answers = section([Said("r", cost=0.02), Said("w", cost=0.04)], "logic/l1")
    assert value_of(billed([answers]).value) == pytest.approx(0.06)


def test_without_tasks_nothing_is_said(seen: tuple[SweepSummary, Roster]) -> None:
    assert sloped.sentence(replace(seen[0], cost_slopes=())) == ""
