"""Items for a margin, loss for items: the two readings of one plan."""

from __future__ import annotations

from steelyard.analysis.sizing import (
    USUAL_FLIPS,
    assumed,
    different,
    items_for_margin,
    smallest_visible_loss,
)
from steelyard.analysis.verdict import strictest_level
from steelyard.domain.campaign import Gates


def test_a_margin_of_three_points_takes_no_more_than_the_default_suite_has() -> None:
    needed = items_for_margin(Gates(), comparisons=5)
    assert needed <= 1200
    assert needed % 4 == 0


def test_a_narrower_margin_and_more_comparisons_take_more_items() -> None:
    assert items_for_margin(Gates(margin=0.015), 5) > 3 * items_for_margin(Gates(), 5)
    assert items_for_margin(Gates(), 10) > items_for_margin(Gates(), 1)


def test_more_items_show_smaller_losses_and_none_show_none() -> None:
    seen = [smallest_visible_loss(Gates(), 5, n) for n in (300, 1200, 4800)]
    assert seen == sorted(seen, reverse=True)
    assert smallest_visible_loss(Gates(), 5, 0) == 1.0


def test_forms_of_one_question_are_one_item_and_passages_hang_together() -> None:
    forms = {f"robustness/l1/{n}": f"robustness/l1/q{n // 14}" for n in range(280)}
    passages = {f"reading/l1/{n}": f"reading/l1/p{n // 4}" for n in range(280)}
    assert different(forms) == (20, 1.0)
    assert different(passages) == (280, 1.75)
    assert different({}) == (0, 1.0)
    as_many = smallest_visible_loss(Gates(), 5, *different(passages))
    assert abs(as_many - smallest_visible_loss(Gates(), 5, 160)) < 1e-9
    assert smallest_visible_loss(Gates(), 5, *different(forms)) > 4 * smallest_visible_loss(
        Gates(), 5, 280
    )


def test_what_is_taken_for_granted_is_said() -> None:
    flips = f"if {100 * USUAL_FLIPS:g} % flip as between two quants"
    assert assumed() == f"power 80 %, {flips}"
    assert assumed(1.75) == f"power 80 %, {flips}, alike by 0.25 within a passage"


def test_the_level_is_that_of_holms_first_step() -> None:
    assert abs(strictest_level(Gates(confidence=0.9), 5) - 0.01) < 1e-12
    assert strictest_level(Gates(), 0) == strictest_level(Gates(), 1)
