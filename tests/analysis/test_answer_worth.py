"""What a right answer costs: sums that can be checked by hand, and the day on which it pays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.answered import Said, section
from tests.analysis.swept import World

from steelyard.analysis.answer_worth import metered, payback, worth
from steelyard.domain.ledger import Prices, Worth
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import RunRecord


@pytest.fixture(scope="module")
def record() -> RunRecord:
    return next(iter(World().evidence().runs))


def of(record: RunRecord, answers: list[Said]) -> Worth:
    return worth(replace(record, sections=(section(answers),)))


def test_wrong_and_failed_answers_are_paid_for_by_the_right_ones(record: RunRecord) -> None:
    found = of(record, [Said(tokens=10), Said("w", 30, 2.0), Said("-", 20, 3.0), Said(tokens=40)])
    assert value_of(found.seconds.value) == pytest.approx(7 / 2)
    assert value_of(found.tokens.value) == pytest.approx(100 / 2)
    assert (found.right, found.busy_s) == (2, 7.0)
    assert found.seconds.n == 4


def test_what_a_service_charged_is_added_up(record: RunRecord) -> None:
    found = of(record, [Said(cost=0.002), Said("w", cost=0.004), Said(cost=0.002)])
    assert value_of(found.billed.value) == pytest.approx(0.004)
    local = of(record, [Said(), Said()])
    assert isinstance(local.billed.value, Missing)
    assert local.billed.value.code == "not_priced"


def test_a_tariff_a_meter_and_a_service_give_the_day_on_which_it_pays(record: RunRecord) -> None:
    here = of(record, [Said() for _ in range(50)])  # a second each, none wrong
    hosted = of(record, [Said(cost=0.001) for _ in range(50)])
    prices = Prices(0.36, watts=110, idle_watts=10, duty=0.5, device=365.25, years=1)
    paid = payback(here, prices, hosted)
    # 110 J of 0.36 / 3.6 MJ; as long again at 10 W; a unit a day over 43,200 answers.
    assert value_of(paid.energy.value) == pytest.approx(1.1e-5)
    assert value_of(paid.idle.value) == pytest.approx(1e-6)
    assert value_of(paid.device.value) == pytest.approx(1 / 43_200)
    assert value_of(paid.here.value) == pytest.approx(1.2e-5 + 1 / 43_200)
    assert value_of(paid.hosted.value) == pytest.approx(0.001)
    # A day costs 1 and 0.24 kWh of waiting; each answer saves 0.001 less 100 J.
    assert value_of(paid.break_even.value) == pytest.approx(1.0864 / (0.001 - 1e-5))
    assert value_of(paid.most.value) == pytest.approx(86_400)


def test_a_service_that_is_cheaper_than_the_current_never_breaks_even(record: RunRecord) -> None:
    here = of(record, [Said() for _ in range(20)])
    hosted = of(record, [Said(cost=1e-6) for _ in range(20)])
    paid = payback(here, Prices(0.36, watts=110), hosted)
    assert isinstance(paid.break_even.value, Missing)
    assert paid.break_even.value.code == "never"


def test_without_a_counter_or_a_meter_money_has_the_counters_reason(record: RunRecord) -> None:
    blind = replace(record, vitals=Missing("no_counter", "no RAPL here"))
    paid = payback(of(blind, [Said()]), Prices(0.3))
    assert paid.energy.value == paid.here.value == Missing("no_counter", "no RAPL here")
    assert isinstance(payback(of(blind, [Said()]), Prices(0.3, watts=9.0)).here.value, Measured)


def test_a_failed_answer_that_was_charged_is_paid_for_and_one_without_a_bill_is_said(
    record: RunRecord,
) -> None:
    found = of(record, [Said(cost=0.002), Said("-", cost=0.004), Said("-"), Said(cost=0.002)])
    assert value_of(found.billed.value) == pytest.approx(0.004)
    assert found.unbilled == 1
    assert payback(found, Prices(0.3), found).unbilled == 1
    assert of(record, [Said(cost=0.002), Said("-", cost=0.0)]).unbilled == 0


def test_a_meter_gives_the_joules_without_a_tariff_and_they_are_called_estimated(
    record: RunRecord,
) -> None:
    blind = replace(record, vitals=Missing("no_counter", "no RAPL here"))
    found = metered(of(blind, [Said(), Said("w", seconds=2.0)]), 20)
    assert found.joules.value == Measured(60.0, "estimated")
    assert metered(found, None) is found
