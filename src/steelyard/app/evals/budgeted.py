"""An evaluation within a time: all tasks a part at a time, until the next part would be too much.

Every part holds as many items of each task, so that wherever the time ends all of them are about as
far. Nothing is known of a pace before its first answers: the first part is one request for each
stream, and no part of a task is foreseen to take more than a small share of the time. What was
begun is brought to its end, for answers that take long are not like others. When to stop is decided
by the clock alone and never by the answers, so intervals and p-values hold for what was asked. Not
aware of terminals or stores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, final

from steelyard.app.evals.distinct import Distinct, distinct
from steelyard.app.evals.texts import alike
from steelyard.app.sweeps.rates import rates_of
from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import Stopped
from steelyard.domain.subject import Variant
from steelyard.domain.task import Item, Task
from steelyard.reports.figures import duration
from steelyard.stats.power import smallest_visible_loss

_PART: Final = 5  # items of each task, or as many as there are requests at a time
_SHARE: Final = (
    0.025  # of the time one part of a task is to take: three times that is a twentieth over
)
_FADE: Final = 0.7  # by what a slow part is forgotten with each that follows
_USUAL_FLIPS: Final = 0.1
_LATE_S: Final = 1.0  # to end the engine and write the record, on a machine that is quick
_ENDING_ITEM_S: Final = 0.004  # more for each item
_ENDING: Final = 0.25  # of what getting ready took, elsewhere
_ENDING_MOST: Final = 0.1  # of the budget


class Asks(Protocol):
    """Whatever asks some items of a task: a session."""

    @property
    def prelude_s(self) -> float:
        """How long it took so far to learn, once, how the engine is asked."""

    def answered(self, task: Task) -> Collection[str]:
        """Return the items whose answers an earlier session left."""

    def judge(self, task: Task, items: Sequence[Item]) -> object:
        """Ask them."""


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """So many seconds from when `spent_s` was 0; `late_s` of them are kept for ending."""

    seconds: float
    spent_s: Callable[[], float]
    late_s: float = _LATE_S

    @property
    def left_s(self) -> float:
        """What is left to ask in, in seconds."""
        return self.seconds - self.spent_s() - self.late_s

    def ready(self) -> Budget:
        """Return it at the first question: what was slow to get up is slow to end, too."""
        slow_s = min(self.spent_s() * _ENDING, self.seconds * _ENDING_MOST)
        return replace(self, late_s=max(_LATE_S, slow_s))


@final
@dataclass(slots=True)
class _Course:
    """A task under way: what is left of it, and how long its answers take, a full set of streams.

    `wave_s` is None until any of its items was asked.
    """

    task: Task
    left: list[Item]
    wave_s: float | None = None


def require_enough(seconds: float) -> None:
    """Raise `BadInput` for a time in which nothing at all can be asked."""
    if seconds <= _LATE_S:
        raise BadInput(
            f"nothing can be asked within {duration(seconds)}: to end and to write the record down "
            f"takes {duration(_LATE_S)}",
            hint="a longer --budget, e.g. 10m",
        )


def too_small(budget: Budget, goes_on: str) -> SteelyardError:
    """Return what to raise where the time was over before anything was asked."""
    return SteelyardError(
        f"the budget of {duration(budget.seconds)} was spent before anything could be asked: "
        f"getting ready took {duration(budget.spent_s())}",
        hint=f"a longer --budget; {goes_on}",
    )


def unreached(stopped: Stopped, tasks: Sequence[Task], begun: Collection[str]) -> dict[str, str]:
    """Return the tasks of which nothing was asked, and why, by the names of their sections."""
    names = (task.section for task in tasks)
    return {name: f"{stopped.why} before its turn" for name in names if name not in begun}


def foresight(
    budget_s: float,
    items: int,
    variant: Variant | None,
    threads: int | None,
    *,
    thinking: int = 0,
    different: Distinct | None = None,
) -> str:
    """Say before the start how many of the answers the time should allow, and what those can show.

    Every answer is taken to use its whole room to think; `different` says of how many items they
    are, by default each of its own.
    """
    rates = rates_of(variant.file if variant is not None else None, threads or 1)
    each_s = (
        rates.task_prompt_tokens / rates.prompt_tps
        + (rates.task_output_tokens + thinking) / rates.output_tps
    )
    fits = min(items, max(1, int((budget_s - rates.load_s) / each_s)))
    told = f", with {thinking:,} tokens of thinking in every answer" if thinking else ""
    return f"guessed for this machine{told}: {_allowed(fits, items, budget_s, different)}"


def allowed(budget: Budget, item_s: float | None, streams: int) -> int:
    """Return how many items of a subject there is time for before the clock is looked at again.

    Before its pace is known that is one for each stream.
    """
    if item_s is None:
        return streams if budget.left_s > 0 else 0
    small = max(streams, int(_SHARE * budget.seconds / item_s))
    return max(0, min(small, int(budget.left_s / item_s)))


def ask(
    session: Asks,
    drawn: Mapping[Task, Sequence[Item]],
    streams: int,
    budget: Budget,
    emit: Emit,
) -> Stopped | None:
    """Ask the items of all tasks part after part; return how far it came if the time ended it."""
    asking = _Asking(session, streams, budget.ready(), distinct(drawn))
    for task, items in drawn.items():
        asking.take_over(task, items)
    first = True
    while asking.open:
        if not asking.part():
            why = f"the budget of {duration(budget.seconds)} was spent"
            return Stopped(asking.asked, asking.planned, why, looked=False)
        if first:
            emit(Noted(f"by its first answers: {asking.outlook()}"))
            first = False
    return None


@final
class _Asking:
    """All tasks on their way through the time. What an earlier session was answered costs none."""

    def __init__(self, session: Asks, streams: int, budget: Budget, different: Distinct) -> None:
        self._session, self._streams, self._budget = session, streams, budget
        self._different = different
        self._courses: list[_Course] = []
        self.asked = self.planned = 0

    def take_over(self, task: Task, drawn: Sequence[Item]) -> None:
        """Add a task, and take over what is answered of it."""
        known = self._session.answered(task)
        course = _Course(task, [item for item in drawn if item.id not in known])
        self._courses.append(course)
        self.planned += len(drawn) * task.samples
        if len(course.left) < len(drawn):
            self._session.judge(task, [item for item in drawn if item.id in known])
            self.asked += (len(drawn) - len(course.left)) * task.samples

    @property
    def open(self) -> list[_Course]:
        """The tasks of which something is left."""
        return [course for course in self._courses if course.left]

    @property
    def _left_s(self) -> float:
        """What is left to ask in: what was asked takes its time to be counted and written down."""
        return self._budget.left_s - _ENDING_ITEM_S * self.asked

    def part(self) -> bool:
        """Ask as many items of each task as there is time for; False where it is over."""
        size, whole_s = self._size()
        if whole_s is not None and whole_s > self._left_s:
            return False
        for course in self.open:
            if self._foreseen_s(course, size) > self._left_s:
                return False
            self._ask(course, size)
        return True

    def outlook(self) -> str:
        """Say what the time allows at the pace that was seen."""
        each_s = [
            course.wave_s / self._streams for course in self.open if course.wave_s is not None
        ]
        more = int(max(0.0, self._left_s) * len(each_s) / max(sum(each_s), 1e-9))
        fits = min(self.planned, self.asked + more)
        return _allowed(fits, self.planned, self._budget.seconds, self._different)

    def _size(self) -> tuple[int, float | None]:
        """Return the items of each task of the next part, and its seconds, None where not known."""
        paces = [course.wave_s for course in self.open]
        known = [wave_s for wave_s in paces if wave_s is not None]
        if len(known) < len(paces):
            return self._items(1), None
        waves = int(_SHARE * self._budget.seconds / max(*known, 1e-9))
        size = min(max(_PART, self._streams), self._items(max(1, waves)))
        while size > 1 and self._whole_s(size) > self._left_s:
            size -= 1
        return size, self._whole_s(size)

    def _whole_s(self, size: int) -> float:
        return sum(self._foreseen_s(course, size) for course in self.open)

    def _items(self, waves: int) -> int:
        """Return how many items make so many full sets of requests, one at the least."""
        samples = max(course.task.samples for course in self._courses)
        return max(1, waves * self._streams // samples)

    def _waves(self, course: _Course, size: int) -> int:
        """Return how many sets of requests so many of its items are."""
        return -(-min(size, len(course.left)) * course.task.samples // self._streams)

    def _foreseen_s(self, course: _Course, size: int) -> float:
        """Return what they should take; of a task that was not asked yet, as the slowest other."""
        others = (other.wave_s for other in self._courses)
        slowest_s = max((wave_s for wave_s in others if wave_s is not None), default=0.0)
        wave_s = slowest_s if course.wave_s is None else course.wave_s
        return wave_s * self._waves(course, size)

    def _ask(self, course: _Course, size: int) -> None:
        began_s = self._budget.spent_s() - self._session.prelude_s
        waves, items = self._waves(course, size), course.left[:size]
        self._session.judge(course.task, items)
        ended_s = self._budget.spent_s() - self._session.prelude_s
        course.wave_s = max((ended_s - began_s) / waves, _FADE * (course.wave_s or 0.0))
        del course.left[:size]
        self.asked += len(items) * course.task.samples


def _allowed(fits: int, planned: int, budget_s: float, different: Distinct | None) -> str:
    asked = (different or Distinct(planned, 1)).share(fits, planned)
    told = f"{duration(budget_s)} allow about {fits:,} of {planned:,} "
    if asked.items == fits:
        told += "items"
    else:
        told += f"answers, those of about {asked.items:,} different items"
    least = smallest_visible_loss(max(1, asked.items), _USUAL_FLIPS, design_effect=asked.effect)
    return (
        f"{told}; they show a loss of {least:.1%} or more "
        f"(power 80 %, if {_USUAL_FLIPS:.0%} flip{alike(asked)})"
    )
