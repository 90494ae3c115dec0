"""An evaluation within a time, on a clock that is told how long each item takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random

import pytest

from steelyard.app.evals import budgeted
from steelyard.app.evals.budgeted import Budget
from steelyard.domain.errors import BadInput, TimeOver
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
        self._to_learn_s, self._end_s = prelude_s, math.inf
        self.ending_s: Callable[[int], float] = lambda _: 0.0
        self.stalls_at_s = math.inf

    def answered(self, task: Task) -> set[str]:
        return self.earlier.get(task.family, set())

    def judge(self, task: Task, items: Sequence[Item]) -> None:
        if task.family not in self.asked:  # tools are tried, a tokenizer is learned: once
            self.prelude_s += self._to_learn_s
            self.now_s += self._to_learn_s
        fresh = [item for item in items if item.id not in self.answered(task)]
        self.parts.append((task.family, len(fresh)))
        each = self._item_s if isinstance(self._item_s, float) else self._item_s[task.family]
        for _ in range(0, len(fresh), STREAMS):
            self.now_s += each * (1 + self._spread * self._source.uniform(-1, 1))
        if self.now_s > min(self._end_s, self.stalls_at_s):
            self.now_s = self._end_s
            raise TimeOver("the time was over with requests under way")
        self.asked[task.family] += len(items)

    def end_in(self, seconds: float) -> None:
        self._end_s = self.now_s + seconds

    def end(self) -> None:
        """Do what comes after the last answer, for real or in advance."""
        self.now_s += self.ending_s(self.asked.total())

    def within(
        self,
        seconds: float,
        told: list[Progress] | None = None,
        before: budgeted.Before | None = None,
    ) -> Stopped | None:
        """Ask all tasks within so many seconds."""
        emit = (lambda _: None) if told is None else told.append
        drawn = {task: registry.generate(task) for task in TASKS}
        budget = Budget(seconds, lambda: self.now_s)
        return budgeted.ask(self, drawn, STREAMS, budget, emit, self.end, before)


@pytest.mark.parametrize("item_s", [0.02, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_time_is_never_overrun_and_not_much_is_left(item_s: float, spread: float) -> None:
    slow, told, seconds = Slow(item_s, spread), list[Progress](), 150 * item_s + 4.0
    stopped = slow.within(seconds, told)
    assert stopped is not None
    assert (stopped.planned, stopped.looked) == (900, False)
    assert stopped.asked == slow.asked.total()
    assert slow.now_s <= seconds
    assert stopped.asked >= 0.8 * STREAMS * (150 - 1.7 / item_s)
    assert abs(slow.asked["math_words"] - slow.asked["logic"]) <= 5
    (first,) = told
    assert isinstance(first, Noted)
    assert "allow about" in first.text
    assert "show a loss of" in first.text


def test_of_a_slow_engine_no_more_is_begun_than_one_answer_for_each_stream() -> None:
    slow = Slow(40.0)
    stopped = slow.within(60.0)
    assert stopped is not None
    assert slow.parts == [("math_words", STREAMS)]
    assert (stopped.asked, stopped.cut) == (STREAMS, 0)
    untouched = budgeted.unreached(stopped, TASKS, {"math_words/l1"})
    assert untouched.keys() == {"logic/l1", "formats/l1"}
    assert set(untouched.values()) == {"the budget of 1 min 00 s was spent before its turn"}
    assert slow.now_s == 44.0


def test_the_first_answers_are_broken_off_too_where_they_take_longer_than_all_the_time() -> None:
    slow = Slow(300.0)
    stopped = slow.within(60.0)
    assert stopped is not None
    assert (stopped.asked, stopped.cut) == (0, STREAMS)
    assert 58.0 < slow.now_s <= 60.0
    told = str(budgeted.too_small(Budget(60.0, lambda: 0.0), begun=stopped.cut))
    assert told == "the budget of 1 min 00 s was spent before the first 2 questions were answered"


def test_a_part_that_the_end_breaks_off_counts_as_not_asked_whole_and_is_asked_first_again() -> (
    None
):
    first, second = Slow(1.0), Slow(1.0)
    first.stalls_at_s = 30.0  # one answer never comes
    stopped = first.within(60.0)
    assert stopped is not None
    assert stopped.cut > 0
    assert stopped.asked == first.asked.total()
    assert 58.0 < first.now_s <= 60.0
    family, size = first.parts[-1]
    assert stopped.cut == size
    items = registry.generate(next(task for task in TASKS if task.family == family))
    done = first.asked[family]
    # All of that part but its first item were answered before the time was over.
    second.earlier[family] = {item.id for item in (*items[:done], *items[done + 1 : done + size])}
    again = second.within(8.0)
    assert again is not None
    assert (family, 1) in second.parts
    assert second.asked[family] >= done + size


@pytest.mark.parametrize(("gap", "seconds"), [((22, 23, 24), 12.0), ((22,), 11.0)])
def test_quick_answers_of_a_cut_part_do_not_count_until_its_slow_ones_are_there(
    gap: tuple[int, ...], seconds: float
) -> None:
    ids = {task: [item.id for item in registry.generate(task)] for task in TASKS}
    counted = {task.section: set(ids[task][:20]) for task in TASKS}
    before = budgeted.Before(counted, cut=5)
    slow = Slow({"math_words": 300.0, "logic": 0.1, "formats": 0.1})
    slow.earlier = {task.family: set(ids[task][:20]) for task in TASKS}
    answered = [id_ for n, id_ in enumerate(ids[TASKS[0]][:25]) if n not in gap]
    slow.earlier["math_words"] = set(answered)
    stopped = slow.within(seconds, before=before)
    assert stopped is not None
    assert (slow.asked["math_words"], stopped.cut) == (20, 5)
    ended = Slow(0.1)
    ended.earlier = slow.earlier
    ended.within(20.0, before=before)
    assert ("math_words", len(gap)) in ended.parts
    assert ended.asked["math_words"] >= 25


def test_of_a_first_part_that_was_cut_the_quick_answer_does_not_count_alone() -> None:
    slow = Slow(300.0)
    slow.earlier["math_words"] = {registry.generate(TASKS[0])[0].id}
    stopped = slow.within(60.0)
    assert stopped is not None
    assert (stopped.asked, stopped.cut, slow.parts) == (0, STREAMS, [("math_words", 1)])


def test_where_the_time_ends_in_taking_over_nothing_more_is_asked() -> None:
    slow = Slow(0.1)
    slow.earlier = {task.family: {i.id for i in registry.generate(task)[:9]} for task in TASKS}
    slow.stalls_at_s, slow.ending_s = 4.5, lambda asked: 1.0 if asked else 0.3
    slow.now_s = 4.6
    slow.end_in(0.0)
    stopped = slow.within(60.0)
    assert stopped is not None
    assert (stopped.asked, slow.parts) == (0, [("math_words", 0)])


@pytest.mark.parametrize("pace_s", [0.3, 1.5])
def test_what_comes_after_the_last_answer_is_in_the_time_however_long_it_takes(
    pace_s: float,
) -> None:
    slow = Slow(pace_s)
    slow.ending_s = lambda asked: 1.0 + 0.01 * asked
    stopped = slow.within(120.0)
    assert stopped is not None
    slow.end()
    assert 105.0 < slow.now_s <= 120.0


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


def test_a_long_way_to_the_first_question_leaves_the_rest_of_the_time_to_ask_in() -> None:
    assert Budget(60.0, lambda: 50.0).ready().left_s == 60.0 - 50.0 - 6.0
    assert Budget(60.0, lambda: 8.0).ready().left_s == 60.0 - 8.0 - 2.0
    slow = Slow(0.5, load_s=50.0)
    stopped = slow.within(60.0)
    assert stopped is not None
    assert stopped.asked > 0
    assert slow.now_s <= 60.0


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
    assert all(abs(learned.asked[name] - bare.asked[name]) <= 2 for name in bare.asked)


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
