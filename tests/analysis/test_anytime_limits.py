"""What may be said of several at any time: holes on either side, and no more than one error."""

from __future__ import annotations

import pytest

from steelyard.analysis import anytime
from steelyard.analysis.anytime import Known, Tally
from steelyard.domain.campaign import Gates

GATES = Gates(margin=0.03)


def tally(*counted: tuple[int, Known, Known]) -> Tally:
    made = Tally()
    for count, reference, candidate in counted:
        for _ in range(count):
            made.add(reference, candidate)
    return made


@pytest.mark.parametrize(
    ("reference", "candidate", "worst", "best"),
    [
        (None, False, 1, 0),
        (None, True, 0, -1),
        (True, None, 1, 0),
        (False, None, 0, -1),
        (None, None, 1, -1),
        (True, False, 1, 1),
        (False, True, -1, -1),
        (False, False, 0, 0),
    ],
)
def test_a_hole_is_the_worst_and_the_best_that_it_could_have_been(
    reference: Known, candidate: Known, worst: int, best: int
) -> None:
    found = tally((1, reference, candidate))
    assert (dict(found.worst), dict(found.best)) == ({worst: 1}, {best: 1})
    assert found.unknown == (None in (reference, candidate))


def test_with_over_one_in_a_hundred_not_run_nothing_qualifies_and_nothing_is_decided() -> None:
    """Fifteen of a thousand, though all others are alike or all are lost."""
    good, lost = tally((985, True, True), (15, True, None)), tally((985, True, False))
    assert good.p_below(0.1) < 1e-6
    wide = Gates(margin=0.1)
    assert anytime.qualifying({"it": good}, wide) == frozenset()
    assert not anytime.is_decided({"it": good}, wide, "it")
    assert anytime.is_decided({"it": lost}, wide, "it")
    for _ in range(15):
        lost.add(True, None)
    assert not anytime.is_decided({"it": lost}, wide, "it")
    assert anytime.judge({"it": lost}, wide, "it").name == "undecided"


def test_evidence_grows_with_items_that_were_added_since_it_was_looked_at() -> None:
    found = tally((50, True, True))
    early = found.p_below(0.03)
    for _ in range(600):
        found.add(True, True)
    assert early > 0.5
    assert found.p_below(0.03) < 0.01
    assert found.p_below(0.03) == tally((650, True, True)).p_below(0.03)


def test_the_loss_is_of_the_items_that_were_run() -> None:
    assert tally((6, True, True), (2, True, False), (8, True, None)).loss == 0.25
    assert Tally().loss == 0.0


def test_the_margin_that_can_be_shown_is_wider_for_one_of_several() -> None:
    alone, of_eight = (anytime.least_margin(600, count, GATES) for count in (1, 8))
    assert alone < of_eight
    alike = tally((600, True, True))
    alike.planned = 600
    rest = {f"{n}": tally((1, True, False)) for n in range(7)}
    for margin, qualifies in ((of_eight * 1.001, True), (alone * 1.001, False)):
        gates = Gates(margin=margin)
        assert ("it" in anytime.qualifying({"it": alike, **rest}, gates)) == qualifies
        assert "it" in anytime.qualifying({"it": alike}, gates)


def test_what_was_not_run_shows_no_loss() -> None:
    """Sixty lost, and six not run: at best those are right, as they are on the other side."""
    whole, holed = tally((940, True, True), (60, True, False)), tally((934, True, True))
    for count, candidate in ((60, False), (6, None)):
        for _ in range(count):
            holed.add(True, candidate)
    low = [anytime.judge({"it": one}, GATES, "it").low for one in (whole, holed)]
    assert low[1] == low[0]
