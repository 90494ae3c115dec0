"""Bands, pairs and what is not paired."""

from __future__ import annotations

import pytest
from tests.analysis.marked import marked

from steelyard.analysis import evaluation
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.task import Mark, Right, Wrong
from steelyard.stats.power import smallest_visible_loss


@pytest.mark.parametrize(
    ("task", "share", "band"),
    [
        ("overall", 0.90, "excellent"),
        ("overall", 0.8999, "good"),
        ("overall", 0.60, "poor"),
        ("overall", 0.5999, "failed"),
        ("math_words/l2", 0.70, "acceptable"),
        ("math_words/l2", 0.69, "failed"),
        ("reading/l1", 0.65, "acceptable"),
        ("logic/l1", 0.85, "excellent"),
        ("formats/l3", 0.80, "acceptable"),
    ],
)
def test_bands_begin_at_their_limits(task: str, share: float, band: str) -> None:
    assert evaluation.band(task, share) == Measured(band, "derived")


def test_a_family_without_agreed_limits_has_no_band() -> None:
    assert isinstance(evaluation.band("mine/l1", 1.0), Missing)


def test_only_answers_that_both_readings_found_can_disagree() -> None:
    def mark(strict: str | None, flexible: str | None) -> Mark:
        return Mark(Wrong(), {"strict": strict, "flexible": flexible})

    marks = [mark("7", "7"), mark("7", "8"), mark(None, "8"), mark(None, None)]
    assert evaluation.disagreement(marks) == Measured(0.5, "derived")
    assert isinstance(evaluation.disagreement([Mark(Right())]), Missing)


def test_what_could_have_been_seen_counts_passages_and_not_items() -> None:
    letters = "r" * 200, ("w" * 5 + "r" * 20) * 8
    alone, together = (
        evaluation.pairings(
            {"t": (marked(letters[0], cluster=size), marked(letters[1], cluster=size))}, Gates()
        )[0]
        for size in (1, 5)
    )
    assert value_of(alone.visible) == pytest.approx(smallest_visible_loss(200, 0.2))
    effect = (40 / 39 * 5) * 199 / 200
    assert value_of(together.visible) == pytest.approx(
        smallest_visible_loss(200, 0.2, design_effect=effect)
    )
