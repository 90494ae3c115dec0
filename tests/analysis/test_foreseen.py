"""What planned items would show, against bounds of verdicts on items that are drawn."""

from __future__ import annotations

import random

import pytest

from steelyard.analysis.foreseen import chance_of_equals, worse_from
from steelyard.domain.campaign import Gates
from steelyard.stats.paired import Flips, lower_bound, upper_bound

GATES = Gates(margin=0.03)
ITEMS, FLIPS, TIMES = 800, 0.1, 500


def drawn(loss: float, rng: random.Random) -> Flips:
    ways = rng.choices((1, -1, 0), ((FLIPS + loss) / 2, (FLIPS - loss) / 2, 1 - FLIPS), k=ITEMS)
    return Flips(ways.count(1), ways.count(-1), ITEMS)


def test_choices_among_drawn_items_come_out_as_foreseen() -> None:
    rng = random.Random(4)
    equals = [upper_bound(drawn(0.0, rng), 0.025) < 0.03 for _ in range(TIMES)]
    foreseen = chance_of_equals(ITEMS, FLIPS, 1, GATES)
    assert sum(equals) / TIMES == pytest.approx(foreseen, abs=0.06)
    least = worse_from(ITEMS, FLIPS, 1, GATES)
    worse = [lower_bound(drawn(least, rng), 0.025) > 0.03 for _ in range(TIMES)]
    assert sum(worse) / TIMES == pytest.approx(0.8, abs=0.06)


def test_more_candidates_make_it_harder_and_few_items_show_nothing() -> None:
    assert chance_of_equals(ITEMS, FLIPS, 4, GATES) < chance_of_equals(ITEMS, FLIPS, 1, GATES)
    assert worse_from(ITEMS, FLIPS, 4, GATES) > worse_from(ITEMS, FLIPS, 1, GATES)
    assert chance_of_equals(20, FLIPS, 1, GATES) < 0.02
    assert worse_from(3, FLIPS, 1, GATES) == 1.0
