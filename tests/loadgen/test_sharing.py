"""Who of several drivers gets the next request: room is never left while something waits."""

from __future__ import annotations

from steelyard.loadgen.sharing import Sharing, shares


def picked(sharing: Sharing, count: int) -> list[int | None]:
    return [sharing.pick() for _ in range(count)]


def test_streams_are_shared_out_as_evenly_as_they_go() -> None:
    assert shares(7, 3) == [3, 2, 2]
    assert shares(1, 3) == [1, 0, 0]


def test_what_has_room_comes_first_and_each_has_twice_its_share_at_most() -> None:
    sharing = Sharing(3, 2)
    first = picked(sharing, 3)
    assert sorted(n for n in first if n is not None) == [0, 0, 1]
    assert picked(sharing, 4) == [0, 0, 1, None]


def test_the_next_one_goes_where_an_answer_came_from() -> None:
    sharing = Sharing(4, 2)
    picked(sharing, 8)
    for driver in (1, 1, 0, 1):
        sharing.came_back(driver)
        assert picked(sharing, 2) == [driver, None]


def test_a_driver_without_a_share_gets_nothing() -> None:
    sharing = Sharing(1, 3)
    assert picked(sharing, 3) == [0, 0, None]
    assert [sharing.pick_bound() for _ in range(3)] == [0, 0, 0]


def test_one_driver_alone_gets_all_at_once() -> None:
    assert picked(Sharing(1, 1), 50) == [0] * 50


def test_requests_bound_to_moments_take_turns_by_share() -> None:
    sharing = Sharing(6, 3)
    assert [sharing.pick_bound() for _ in range(9)] == [0, 1, 2] * 3


def test_the_next_level_is_supplied_before_it_begins() -> None:
    sharing = Sharing(1, 2)
    sharing.set_streams(0, 5)
    sharing.set_streams(2, 100)
    sharing.turn(10)
    assert picked(sharing, 5) == [0, 1, 0, 1, None]
    assert sharing.next_ns() == 100


def test_what_a_driver_without_a_share_still_holds_is_asked_back_once() -> None:
    sharing = Sharing(4, 2)
    picked(sharing, 8)
    sharing.set_streams(1, 50)
    sharing.turn(49)
    assert list(sharing.stranded()) == []
    sharing.turn(50)
    assert list(sharing.stranded()) == [1]
    assert list(sharing.stranded()) == []
    for _ in range(2):
        sharing.came_back(1)
    assert picked(sharing, 1) == [None]  # it waits with the parent until the other has room
    sharing.set_streams(2, 60)
    sharing.turn(60)
    sharing.set_streams(1, 70)
    sharing.turn(70)
    assert list(sharing.stranded()) == [1]


def test_after_the_last_call_anybody_may_drop_it() -> None:
    sharing = Sharing(2, 2)
    picked(sharing, 4)
    sharing.last_call(80)
    assert (sharing.next_ns(), picked(sharing, 1)) == (80, [None])
    sharing.turn(80)
    assert (sharing.next_ns(), picked(sharing, 2)) == (None, [0, 0])
    sharing.set_streams(2, 90)
    sharing.turn(90)
    assert picked(sharing, 1) == [None]
