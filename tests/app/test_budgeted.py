"""An evaluation within a time, on a clock that is told how long each item takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest

from steelyard.app.evals import budgeted
from steelyard.app.evals.budgeted import Budget
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.run import Stopped
from steelyard.domain.task import Item, Task
from steelyard.tasks import registry

TASKS = (Task("math_words", items=400), Task("logic", items=400), Task("formats", items=100))
STREAMS = 2


class Slow:
    """Asks nothing; so many items at a time take their planted time, `earlier` ones take none."""

    def __init__(
        self,
        item_s: float | Mapping[str, float],
        spread: float = 0.0,
        load_s: float = 4.0,
        prelude_s: float = 0.0,
    ) -> None:
        self.now_s, self.asked, self.prelude_s = load_s, Counter[str](), 0.0
        self.parts: list[tuple[str, int]] = []
        self.earlier: dict[str, set[str]] = {}
        self._item_s, self._spread, self._source = item_s, spread, Random(4)
        self._to_learn_s = prelude_s

    def answered(self, task: Task) -> set[str]:
        return self.earlier.get(task.family, set())

    def judge(self, task: Task, items: Sequence[Item]) -> None:
        if task.family not in self.asked:  # tools are tried, a tokenizer is learned: once
            self.prelude_s += self._to_learn_s
            self.now_s += self._to_learn_s
        self.asked[task.family] += len(items)
        fresh = [item for item in items if item.id not in self.answered(task)]
        self.parts.append((task.family, len(fresh)))
        each = self._item_s if isinstance(self._item_s, float) else self._item_s[task.family]
        for _ in range(0, len(fresh), STREAMS):
            self.now_s += each * (1 + self._spread * self._source.uniform(-1, 1))

    def within(self, seconds: float, told: list[Progress] | None = None) -> Stopped | None:
        """Ask all tasks within so many seconds."""
        emit = (lambda _: None) if told is None else told.append
        drawn = {task: registry.generate(task) for task in TASKS}
        return budgeted.ask(self, drawn, STREAMS, Budget(seconds, lambda: self.now_s), emit)


@pytest.mark.parametrize("item_s", [0.02, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_time_is_overrun_by_a_twentieth_at_most_and_not_much_is_left(
    item_s: float, spread: float
) -> None:
    slow, told, seconds = Slow(item_s, spread), list[Progress](), 150 * item_s + 4.0
    stopped = slow.within(seconds, told)
    assert stopped is not None
    assert (stopped.planned, stopped.looked) == (900, False)
    assert stopped.asked == slow.asked.total()
    assert slow.now_s <= 1.05 * seconds
    assert stopped.asked >= 0.8 * STREAMS * (150 - 1.7 / item_s)
    assert abs(slow.asked["math_words"] - slow.asked["logic"]) <= 5
    (first,) = told
    assert isinstance(first, Noted)
    assert "allow about" in first.text
    assert "show a loss of" in first.text


@pytest.mark.parametrize("item_s", [40.0, 300.0])
def test_of_a_slow_engine_no_more_is_begun_than_one_answer_for_each_stream(item_s: float) -> None:
    slow = Slow(item_s)
    stopped = slow.within(60.0)
    assert stopped is not None
    assert slow.parts == [("math_words", STREAMS)]
    assert stopped.asked == STREAMS
    untouched = budgeted.unreached(stopped, TASKS, {"math_words/l1"})
    assert untouched.keys() == {"logic/l1", "formats/l1"}
    assert set(untouched.values()) == {"the budget of 1 min 00 s was spent before its turn"}
    assert slow.now_s == 4.0 + item_s  # the one request that nobody could foresee


def test_a_slow_task_among_quick_ones_takes_its_share_and_no_more() -> None:
    slow = Slow({"math_words": 0.1, "logic": 30.0, "formats": 0.1})
    stopped = slow.within(600.0)
    assert stopped is not None
    assert 450.0 < slow.now_s <= 600.0
    assert slow.asked["logic"] == slow.asked["math_words"] == slow.asked["formats"]


def test_a_time_that_is_over_before_the_first_question_asks_none() -> None:
    slow = Slow(0.1, load_s=30.0)
    stopped = slow.within(20.0)
    assert stopped is not None
    assert (stopped.asked, slow.parts) == (0, [])


def test_a_time_in_which_nothing_can_be_asked_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing can be asked within 500 ms"):
        budgeted.require_enough(0.5)
    budgeted.require_enough(2.0)


def test_what_an_earlier_session_was_answered_costs_nothing_and_teaches_no_pace() -> None:
    slow = Slow(40.0)
    for task in TASKS:
        items = registry.generate(task)
        slow.earlier[task.family] = {item.id for item in items[:60]}
    stopped = slow.within(60.0)
    assert stopped is not None
    assert stopped.asked == 3 * 60 + STREAMS
    assert slow.now_s == 44.0


def test_what_is_learned_once_is_in_the_time_and_in_no_pace() -> None:
    bare, learned = Slow(1.0), Slow(1.0, prelude_s=60.0)
    bare.within(120.0)
    stopped = learned.within(120.0 + 3 * 60.0)
    assert stopped is not None
    assert learned.asked == bare.asked


def test_with_time_enough_all_is_asked_and_nothing_was_stopped() -> None:
    slow = Slow(0.1, 0.5, load_s=1.0)
    assert slow.within(200.0) is None
    assert slow.asked == Counter(math_words=400, logic=400, formats=100)


def test_before_the_start_the_smallest_loss_that_shows_is_told() -> None:
    short = budgeted.foresight(60.0, 8000, None, None)
    long = budgeted.foresight(3600.0, 8000, None, None)
    assert "1 min" in short
    assert short.count("show a loss of") == long.count("show a loss of") == 1
    loss = [float(text.partition("loss of ")[2].partition("%")[0]) for text in (short, long)]
    assert loss[0] > loss[1]


@pytest.mark.parametrize(
    ("spent_s", "item_s", "count"),
    [
        (10.0, None, 2),  # nothing is known of its pace
        (59.5, None, 0),
        (10.0, 0.1, 15),  # a fortieth of the time
        (10.0, 10.0, 2),
        (40.0, 10.0, 1),
        (55.0, 10.0, 0),
    ],
)
def test_a_subject_of_a_choice_is_asked_no_more_at_once_than_its_time_allows(
    spent_s: float, item_s: float | None, count: int
) -> None:
    assert budgeted.allowed(Budget(60.0, lambda: spent_s), item_s, STREAMS) == count
