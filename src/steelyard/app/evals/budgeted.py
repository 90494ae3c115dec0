"""An evaluation within a time: all tasks a part at a time, until the next part would be too much.

Every part holds as many items of each task, so that wherever the time ends all of them are as far.
When to stop is decided by the clock alone and never by the answers, so intervals and p-values hold
for what was asked. Not aware of terminals or stores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

from steelyard.app.sweeps.plan import rates_of
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import Stopped
from steelyard.domain.subject import Variant
from steelyard.domain.task import Item, Task
from steelyard.reports.figures import duration
from steelyard.stats.power import smallest_visible_loss
from steelyard.tasks import registry

_PART: Final = 5  # items of each task, or as many as there are requests at a time
_USUAL_FLIPS: Final = 0.1
_LATE_S: Final = 1.0  # to end the engine and write the record


class Asks(Protocol):
    """Whatever asks some items of a task: a session."""

    def judge(self, task: Task, items: Sequence[Item]) -> object:
        """Ask them."""


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """So many seconds from when `spent_s` was 0."""

    seconds: float
    spent_s: Callable[[], float]


def foresight(budget_s: float, items: int, variant: Variant | None, threads: int | None) -> str:
    """Say before the start how many items the time should allow, and what those can show."""
    rates = rates_of(variant.file if variant is not None else None, threads or 1)
    each_s = (
        rates.task_prompt_tokens / rates.prompt_tps + rates.task_output_tokens / rates.output_tps
    )
    fits = min(items, max(1, int((budget_s - rates.load_s) / each_s)))
    return f"guessed for this machine: {_allowed(fits, items, budget_s)}"


def ask(
    session: Asks, tasks: Sequence[Task], streams: int, budget: Budget, emit: Emit
) -> Stopped | None:
    """Ask part after part; return how far it came where the time ended it."""
    drawn = [(task, registry.generate(task)) for task in tasks]
    planned = sum(len(items) * task.samples for task, items in drawn)
    step, asked, slowest_s = max(_PART, streams), 0, 0.0
    for start in range(0, max(len(items) for _, items in drawn), step):
        part = [(task, items[start : start + step]) for task, items in drawn]
        count = sum(len(items) * task.samples for task, items in part)
        ahead_s = slowest_s * count + _LATE_S
        if asked and budget.spent_s() + ahead_s > budget.seconds:
            why = f"the budget of {duration(budget.seconds)} was spent"
            return Stopped(asked, planned, why, looked=False)
        began_s = budget.spent_s()
        _part(session, part)
        asked += count
        each_s = (budget.spent_s() - began_s) / count
        slowest_s = max(each_s, 0.7 * slowest_s)
        if start == 0:
            left_s = budget.seconds - budget.spent_s() - _LATE_S
            fits = min(planned, asked + max(0, int(left_s / each_s)))
            emit(Noted(f"by its first answers: {_allowed(fits, planned, budget.seconds)}"))
    return None


def _part(session: Asks, part: Sequence[tuple[Task, Sequence[Item]]]) -> None:
    for task, items in part:
        if items:
            session.judge(task, items)


def _allowed(fits: int, items: int, budget_s: float) -> str:
    least = smallest_visible_loss(fits, _USUAL_FLIPS)
    return (
        f"{duration(budget_s)} allow about {fits:,} of {items:,} items; they show a loss of "
        f"{least:.1%} or more (power 80 %, if {_USUAL_FLIPS:.0%} flip)"
    )
