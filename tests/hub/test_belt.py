"""The row of models: never over budget, each run once, nothing kept is deleted, no standstill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.domain.errors import TooLittleRoom
from steelyard.models.hub import belt
from steelyard.models.hub.belt import Belt, Delete, Fetch, Item, Run


def play(row: Belt, budget: int, delays: list[bool]) -> tuple[list[str], list[str], int]:
    """Perform what the belt says; `delays` decides whether a fetch or a run ends first."""
    on_disk: dict[str, int] = {}
    order, deleted, overlaps = [], [], 0
    fetching: Item | None = None
    running: Item | None = None
    steps = row.handle(belt.Began())
    while True:
        for step in steps:
            if isinstance(step, Fetch):
                assert fetching is None
                fetching = step.item
                on_disk[step.item.name] = step.item.missing_bytes
                assert sum(on_disk.values()) <= budget
            elif isinstance(step, Run):
                assert running is None
                assert not step.item.missing_bytes or step.item.name in on_disk
                running = step.item
                order.append(step.item.name)
        gone = [step.item for step in steps if isinstance(step, Delete)]
        if gone:
            (item,) = gone
            del on_disk[item.name]
            deleted.append(item.name)
            steps = row.handle(belt.Deleted(item))
            continue
        overlaps += fetching is not None and running is not None
        first = delays.pop() if delays else True
        if fetching is not None and (running is None or first):
            item, fetching = fetching, None
            steps = row.handle(belt.Fetched(item))
        elif running is not None:
            item, running = running, None
            steps = row.handle(belt.Ran(item))
        else:
            return order, deleted, overlaps


ITEMS = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=7).map(
    lambda rows: [Item(str(n), size, keep) for n, (size, keep) in enumerate(rows)]
)


@given(ITEMS, st.integers(0, 12), st.lists(st.booleans(), max_size=20), st.booleans())
def test_the_disk_never_holds_more_than_the_budget_and_everything_runs(
    items: list[Item], spare: int, delays: list[bool], prefetch: bool
) -> None:
    budget = belt.peak_bytes(items) + spare
    order, deleted, overlaps = play(Belt(items, budget, prefetch=prefetch), budget, delays)
    assert sorted(order) == sorted(item.name for item in items)
    assert sorted(deleted) == sorted(
        item.name for item in items if item.missing_bytes and not item.keep
    )
    if not prefetch and all(item.missing_bytes for item in items):
        assert overlaps == 0


@given(ITEMS)
def test_a_byte_less_than_the_least_room_is_refused_at_once(items: list[Item]) -> None:
    if peak := belt.peak_bytes(items):
        with pytest.raises(TooLittleRoom, match="room for"):
            Belt(items, peak - 1)


def test_the_next_is_fetched_while_one_runs_if_both_have_room() -> None:
    a, b, c = (Item(name, 5) for name in "abc")
    row = Belt([a, b, c], 10)
    assert row.handle(belt.Began()) == (Fetch(a),)
    assert row.handle(belt.Fetched(a)) == (Run(a), Fetch(b))
    assert row.handle(belt.Fetched(b)) == ()  # no room for a third
    assert row.handle(belt.Ran(a)) == (Delete(a), Run(b))
    assert row.handle(belt.Deleted(a)) == (Fetch(c),)


def test_without_room_for_two_the_next_waits_for_the_deletion() -> None:
    a, b = Item("a", 5), Item("b", 5)
    row = Belt([a, b], 9)
    row.handle(belt.Began())
    assert row.handle(belt.Fetched(a)) == (Run(a),)
    assert row.handle(belt.Ran(a)) == (Delete(a),)
    assert row.handle(belt.Deleted(a)) == (Fetch(b),)


def test_what_is_here_runs_first_and_is_never_deleted() -> None:
    here, far = Item("here", 0), Item("far", 5)
    row = Belt([far, here], 5)
    assert row.handle(belt.Began()) == (Run(here), Fetch(far))
    assert row.handle(belt.Ran(here)) == ()


def test_what_could_not_be_fetched_gives_its_room_back() -> None:
    a, b = Item("a", 5), Item("b", 5)
    row = Belt([a, b], 5)
    row.handle(belt.Began())
    assert row.handle(belt.NotFetched(a)) == (Fetch(b),)
