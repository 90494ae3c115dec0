"""Kinds of items looked at for what to ask next."""

from __future__ import annotations

import random

from tests.analysis.marked import marked, sampled

from steelyard.analysis.exploring import RATE, explore


def kinds(count: int, each: int) -> dict[str, str]:
    return {f"task/{n:05d}": f"kind {n // each}" for n in range(count * each)}


def test_a_kind_that_loses_is_found_among_others_and_comes_first() -> None:
    before = "r" * 200
    after = "r" * 60 + "w" * 15 + "r" * 5 + "r" * 119 + "w"
    found = explore({"t": (marked(before), marked(after))}, kinds(10, 20), {})
    assert [row.kind for row in found.kinds if row.differs] == ["kind 3"]
    first = found.kinds[0]
    assert (first.kind, first.items, first.lost, first.won) == ("kind 3", 20, 15, 0)
    assert first.q == first.p * 10


def test_items_that_were_not_run_or_have_no_kind_are_left_out() -> None:
    both = marked("r" * 30), marked("w" * 10 + "-" * 5 + "r" * 15)
    found = explore({"t": both}, kinds(2, 10), {"other": "gone"})
    counts = {row.kind: (row.items, row.lost) for row in found.kinds}
    assert counts == {"kind 0": (10, 10), "kind 1": (5, 0)}
    assert found.left_out == {"other": "gone"}


def test_flips_of_one_passage_are_one_finding() -> None:
    before, after = "r" * 200, "w" * 8 + "r" * 192
    alone = explore({"t": (marked(before), marked(after))}, kinds(1, 200), {})
    passage = (marked(before, cluster=8), marked(after, cluster=8))
    assert alone.kinds[0].differs
    assert not explore({"t": passage}, kinds(1, 200), {}).kinds[0].differs


def test_samples_of_one_item_are_one_flip() -> None:
    def p(after: str) -> tuple[float, bool]:
        sides = sampled("r" * len(after), each=10), sampled(after, each=10)
        (found,) = explore({"t": sides}, dict.fromkeys(sides[0].marks, "kind"), {}).kinds
        assert found.items == len(after) // 10
        assert (found.lost, found.won) == (after.count("w") // 9, 0)
        return found.p, found.differs

    alone, one, eight = "w" * 10, "w" * 10 + "r" * 190, ("w" * 9 + "r") * 8
    assert p(alone) == (1.0, False)
    assert p(one) == (1.0, False)
    assert p(eight) == (2 / 2**8, True)


def test_a_few_flips_in_passages_are_not_taken_for_more_than_the_exact_test_says() -> None:
    before, after = "r" * 40, ("w" + "r" * 7) * 4 + "r" * 8
    found = explore({"t": (marked(before, cluster=2), marked(after, cluster=2))}, kinds(1, 40), {})
    assert found.kinds[0].p >= 0.125


def test_equal_runs_seldom_have_a_kind_that_differs() -> None:
    source = random.Random(4)
    alarms = 0
    for _ in range(100):
        before = "".join("rw"[source.random() < 0.2] for _ in range(480))
        after = "".join(source.choice("rw") if source.random() < 0.2 else x for x in before)
        found = explore({"t": (marked(before), marked(after))}, kinds(48, 10), {})
        alarms += any(row.differs for row in found.kinds)
    assert alarms / 100 <= RATE
