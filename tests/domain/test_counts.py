"""One thing is one thing, and several are written in thousands."""

from __future__ import annotations

from steelyard.domain.counts import counted


def test_one_thing_is_not_several_and_many_are_written_in_thousands() -> None:
    assert counted(1, "run") == "1 run"
    assert [counted(n, "item") for n in (0, 2, 2400)] == ["0 items", "2 items", "2,400 items"]
    assert counted(2, "reply", "replies") == "2 replies"
