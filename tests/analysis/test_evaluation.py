"""Bands, pairs and what is not paired."""

from __future__ import annotations

import pytest
from tests.analysis.marked import marked, sampled

from steelyard.analysis import evaluation
from steelyard.domain.campaign import Gates
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.task import Mark, Right, Wrong
from steelyard.stats.clusters import EXPECTED_ALIKE, EXPECTED_FLIPS
from steelyard.stats.power import smallest_visible_loss


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
    squares = 200 * 0.2 * 0.8  # of what differs from the mean; five times as much by passages
    naive, robust = squares * 200 / 199, 5 * squares * 40 / 39
    effect = (robust + EXPECTED_FLIPS * (1 + 4 * EXPECTED_ALIKE)) / (naive + EXPECTED_FLIPS)
    assert value_of(together.visible) == pytest.approx(
        smallest_visible_loss(200, 0.2, design_effect=effect)
    )


def test_samples_get_an_interval_of_the_loss_and_no_exact_p() -> None:
    sides = {"t": (sampled("r" * 60, each=3), sampled("www" * 4 + "r" * 48, each=3))}
    (found,) = evaluation.pairings(sides, Gates())
    assert isinstance(found.verdict, Measured)
    assert {found.p, found.p_adjusted} == {Missing("sampled", "samples of an item hang together")}
