"""An evaluation within a time, on a clock that is told how long each item takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from steelyard.app.evals import budgeted
from steelyard.app.evals.budgeted import Budget
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.task import Item, Task

TASKS = (Task("math_words", items=400), Task("logic", items=400), Task("formats", items=100))


class Slow:
    """Asks nothing; every item takes its planted time."""

    def __init__(self, item_s: float, spread: float, load_s: float) -> None:
        self.now_s, self.asked = load_s, Counter[str]()
        self._item_s, self._spread, self._source = item_s, spread, Random(4)

    def judge(self, task: Task, items: Sequence[Item]) -> None:
        self.asked[task.family] += len(items)
        for _ in items:
            self.now_s += self._item_s * (1 + self._spread * self._source.uniform(-1, 1))


@pytest.mark.parametrize("item_s", [0.02, 0.5, 3.0])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_time_is_overrun_by_a_twentieth_at_most_and_not_much_is_left(
    item_s: float, spread: float
) -> None:
    slow, told = Slow(item_s, spread, load_s=4.0), list[Progress]()
    budget = Budget(300 * item_s + 4.0, lambda: slow.now_s)
    stopped = budgeted.ask(slow, TASKS, 2, budget, told.append)
    assert stopped is not None
    assert (stopped.planned, stopped.looked) == (900, False)
    assert stopped.asked == slow.asked.total()
    assert slow.now_s <= 1.05 * budget.seconds
    assert stopped.asked >= 0.7 * 300 - 2 / item_s
    assert slow.asked["math_words"] == slow.asked["logic"]
    (first,) = told
    assert isinstance(first, Noted)
    assert "allow about" in first.text
    assert "show a loss of" in first.text


def test_with_time_enough_all_is_asked_and_nothing_was_stopped() -> None:
    slow = Slow(0.1, 0.5, load_s=1.0)
    assert budgeted.ask(slow, TASKS, 2, Budget(200.0, lambda: slow.now_s), lambda _: None) is None
    assert slow.asked == Counter(math_words=400, logic=400, formats=100)


def test_before_the_start_the_smallest_loss_that_shows_is_told() -> None:
    short = budgeted.foresight(60.0, 8000, None, None)
    long = budgeted.foresight(3600.0, 8000, None, None)
    assert "1 min" in short
    assert short.count("show a loss of") == long.count("show a loss of") == 1
    loss = [float(text.partition("loss of ")[2].partition("%")[0]) for text in (short, long)]
    assert loss[0] > loss[1]
