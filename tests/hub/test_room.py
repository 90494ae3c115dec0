"""Which variants a disk can hold at once: as many as fit, the reference among them if it can be."""

from __future__ import annotations

import itertools
import random

import pytest

from steelyard.models.hub.room import Need, most_together


def need(label: str, missing: int, *, size: int | None = None, reference: bool = False) -> Need:
    return Need(label, missing if size is None else size, missing, reference)


LADDER = (
    need("F16", 160, reference=True),
    need("Q8_0", 85),
    need("Q6_K", 66),
    need("Q4_K_M", 49),
    need("Q2_K", 32),
)


@pytest.mark.parametrize(
    ("budget", "labels"),
    [
        (1000, ["F16", "Q8_0", "Q6_K", "Q4_K_M", "Q2_K"]),
        (310, ["F16", "Q6_K", "Q4_K_M", "Q2_K"]),
        (300, ["F16", "Q8_0", "Q4_K_M"]),  # no three fit beside it: of two, those of most bytes
        (200, ["F16", "Q2_K"]),
        (191, ["Q8_0", "Q6_K", "Q2_K"]),  # nothing fits beside the reference: then without it
        (100, ["Q6_K", "Q2_K"]),
        (80, []),
        (0, []),
    ],
)
def test_what_fits_together_is_named(budget: int, labels: list[str]) -> None:
    assert [one.label for one in most_together(LADDER, budget)] == labels


def test_what_is_here_already_takes_no_room() -> None:
    here = (need("F16", 0, size=160, reference=True), *LADDER[1:])
    assert [one.label for one in most_together(here, 90)] == ["F16", "Q4_K_M", "Q2_K"]


def test_no_choice_of_more_variants_would_fit_either() -> None:
    draw = random.Random(5)
    for _ in range(300):
        sizes = [draw.randrange(1, 60) for _ in range(draw.randrange(2, 7))]
        needs = [need(str(n), size, reference=n == 0) for n, size in enumerate(sizes)]
        budget = draw.randrange(1, 160)
        found = most_together(needs, budget)
        with_reference = [
            len(each)
            for count in range(2, len(needs) + 1)
            for each in itertools.combinations(needs, count)
            if each[0].reference and sum(one.missing_bytes for one in each) <= budget
        ]
        assert sum(one.missing_bytes for one in found) <= budget
        if with_reference:
            assert found[0].reference
            assert len(found) == max(with_reference)
