"""Within a time: each sample is an answer, and room to think is foreseen to be used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from steelyard.app.evals import budgeted
from steelyard.app.evals.budgeted import Budget
from steelyard.domain.run import Stopped
from steelyard.domain.task import Item, Task
from steelyard.tasks import registry

THRICE = Task("math_words", items=40, samples=3)


class Session:
    """Every answer takes a second on the clock; it counts them."""

    prelude_s = 0.0

    def __init__(self, earlier: int = 0) -> None:
        self.now_s, self.answers = 0.0, 0
        self._earlier = {item.id for item in registry.generate(THRICE)[:earlier]}

    def answered(self, task: Task) -> set[str]:
        return self._earlier if task == THRICE else set()

    def judge(self, task: Task, items: Sequence[Item]) -> None:
        fresh = [item for item in items if item.id not in self._earlier]
        self.answers += len(items) * task.samples
        self.now_s += len(fresh) * task.samples

    def end_in(self, seconds: float) -> None:
        """Nothing here lasts longer than it was to."""

    def within(self, seconds: float) -> Stopped | None:
        drawn = {THRICE: registry.generate(THRICE)}
        budget = Budget(seconds, lambda: self.now_s)
        return budgeted.ask(self, drawn, 1, budget, lambda _: None, lambda: None)


def test_samples_are_planned_asked_and_counted_each() -> None:
    session = Session()
    stopped = session.within(70.0)
    assert stopped is not None
    assert (stopped.planned, stopped.asked) == (120, session.answers)
    assert 50 <= session.answers <= 70
    assert Session().within(1000.0) is None


def test_samples_that_an_earlier_session_left_are_counted_as_well() -> None:
    session = Session(earlier=20)
    stopped = session.within(30.0)
    assert stopped is not None
    assert stopped.asked == session.answers == 60 + session.now_s


def test_room_to_think_leaves_time_for_fewer_items() -> None:
    bare, thinking = (
        budgeted.foresight(600.0, 8000, None, None, thinking=tokens) for tokens in (0, 4096)
    )
    assert "with 4,096 tokens of thinking in every answer" in thinking
    fits = [
        int(found[1].replace(",", ""))
        for text in (bare, thinking)
        if (found := re.search(r"allow about ([\d,]+) of 8,000 items", text))
    ]
    assert fits[0] > 5 * fits[1] > 0
