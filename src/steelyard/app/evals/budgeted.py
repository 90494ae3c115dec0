"""An evaluation within a time: all tasks a part at a time, until the next part would be too much.

Every part holds as many items of each task, so that wherever the time ends all of them are about as
far. Nothing is known of a pace before its first answers: the first part is one request for each
stream, and no part of a task is foreseen to take more than a small share of the time. It is begun
only if it should end in time, and is brought to its end, for answers that take long are not like
others. One that does not end in time is broken off and left out whole: it counts as not asked. When
to stop is decided by the clock alone and never by the answers, so intervals and p-values hold for
what was asked. What comes after the last answer is done in advance, to keep as much time back for
it as it takes here and now. Not aware of terminals or stores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final, Protocol, final

from steelyard.analysis.sizing import USUAL_FLIPS, assumed
from steelyard.app.evals.distinct import Distinct, distinct
from steelyard.app.rates import rates_of
from steelyard.domain.errors import BadInput, TimeOver
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import RunRecord, Stopped
from steelyard.domain.subject import Variant
from steelyard.domain.task import Item, Task, item_of
from steelyard.platform import clock
from steelyard.reports.figures import duration
from steelyard.stats.power import smallest_visible_loss

_NS_PER_S: Final = 1e9
_PART: Final = 5  # items of each task, or as many as there are requests at a time
_SHARE: Final = 0.025  # of the time one part of a task is to take: no more is lost with it
_SCATTER: Final = 1.3  # times what is foreseen a part may take and still be brought to its end
_FADE: Final = 0.7  # by what a slow part is forgotten with each that follows
_LATE_S: Final = 1.0  # to end the engine and write the record, before it is known
_SLOW: Final = 0.25  # of what getting ready took, before it is known
_SLOW_MOST: Final = 0.1  # of the budget: to hash and to load is not slow again at the end
_LATE_LEAST_S: Final = 0.5
_SPARE: Final = 0.01  # of the budget
_ENDING: Final = 1.5  # times what it took last: other programs do not stand still
_CLOSING: Final = 5.0  # times what it takes with nothing asked: to end engine, client and Python
_AGAIN: Final = 0.5  # of the time that was left when it was done last
_DEAR: Final = 0.1  # of the time that is left: what takes more is not done in advance


class Asks(Protocol):
    """Whatever asks some items of a task: a session."""

    @property
    def prelude_s(self) -> float:
        """How long it took so far to learn, once, how the engine is asked."""

    def answered(self, task: Task) -> Collection[str]:
        """Return the items whose answers an earlier session left."""

    def judge(self, task: Task, items: Sequence[Item]) -> object:
        """Ask them; raise `TimeOver` where that has not ended when the time has."""

    def end_in(self, seconds: float) -> None:
        """End the time in so many seconds."""


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """So many seconds from when `spent_s` was 0; `late_s` of them are kept for ending.

    A second of work has taken `slow` seconds so far: other programs want the processor too.
    """

    seconds: float
    spent_s: Callable[[], float]
    late_s: float = _LATE_S
    slow: float = 1.0

    @property
    def left_s(self) -> float:
        """What is left to ask in, in seconds."""
        return self.seconds - self.spent_s() - self.late_s

    def ready(self) -> Budget:
        """Return it as all is ready: what was slow to get up is slow to end, too."""
        return replace(
            self, late_s=max(_LATE_S, min(self.spent_s() * _SLOW, self.seconds * _SLOW_MOST))
        )

    def ends_ns(self, now_ns: int) -> int:
        """Return the moment at which asking ends."""
        return now_ns + round(self.left_s * _NS_PER_S)

    def require(self) -> None:
        """Raise `BadInput` where it is over before anything was asked."""
        if self.ready().left_s <= 0:
            raise too_small(self)


@final
@dataclass(slots=True)
class _Course:
    """A task under way: what is left of it, and how long its answers take, a full set of streams.

    `wave_s` is None until any of its items was asked. `known` were answered in an earlier session,
    which others of their part were not; `held` items at the front were or may have been that part,
    and are asked in one.
    """

    task: Task
    left: list[Item]
    known: Collection[str] = ()
    held: int = 0
    wave_s: float | None = None

    def part(self, size: int) -> list[Item]:
        """Return its next items, so many or as many as belong together."""
        return self.left[: max(size, self.held)]

    def fresh(self, size: int) -> int:
        """Return how many answers of its next items are still to come."""
        return sum(item.id not in self.known for item in self.part(size)) * self.task.samples


@final
@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier session counted of each task, by section, and how many answers it cut off."""

    counted: Mapping[str, Collection[str]]
    cut: int

    @classmethod
    def of(cls, record: RunRecord) -> Before:
        """Read it from the record that the session left."""
        counted = {each.name: set(map(item_of, each.marks)) for each in record.sections}
        return cls(counted, 0 if record.stopped is None else record.stopped.cut)


def of_a_choice(seconds: float, spent_s: Callable[[], float]) -> Budget:
    """Return the time of several subjects: what is kept back is a share of it."""
    return Budget(seconds, spent_s, max(_LATE_S, _SHARE * seconds))


def command_began_ns(since: tuple[int, int] | None) -> int | None:
    """Return the moment from which the one who typed the command counts: before any of it ran.

    `since` is when its process was up and had worked for how long, in ns; None where that is there
    for more than this command.
    """
    return None if since is None else clock.began_ns(clock.Worked(*since), clock.Worked.now())


def require_enough(seconds: float) -> None:
    """Raise `BadInput` for a time in which nothing at all can be asked."""
    if seconds <= _LATE_S:
        raise BadInput(
            f"nothing can be asked within {duration(seconds)}: to end and to write the record down "
            f"takes {duration(_LATE_S)}",
            hint="a longer --budget, e.g. 10m",
        )


def too_small(budget: Budget, goes_on: str = "", *, begun: int = 0) -> BadInput:
    """Return what to raise where the time was over before the first questions were answered.

    So many items were `begun`, and perhaps none.
    """
    what = f"the budget of {duration(budget.seconds)} was spent before"
    told = (
        f"{what} the first question was answered"
        if begun == 1
        else f"{what} the first {begun} questions were answered"
        if begun
        else f"{what} anything could be asked: getting ready took {duration(budget.spent_s())}"
    )
    return BadInput(told, hint=f"a longer --budget; {goes_on}" if goes_on else "a longer --budget")


def not_taken_over(stopped: Stopped, goes_on: str) -> BadInput:
    """Return what to raise where a session came less far than the one before: that one's stays."""
    return BadInput(
        f"{stopped.why} before all was taken over that the record holds already; it is left as it "
        "was",
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
    rehearse: Callable[[], object] = lambda: None,
    before: Before | None = None,
) -> Stopped | None:
    """Ask the items of all tasks part after part; return how far it came if the time ended it.

    `rehearse` does all that comes after the last answer and can be done more than once.
    """
    why = f"the budget of {duration(budget.seconds)} was spent"
    planned = sum(len(items) * task.samples for task, items in drawn.items())
    if budget.ready().left_s <= 0:
        return Stopped(0, planned, why, looked=False)
    rehearse()  # what is done at its first time only is not counted
    asking = _Asking(session, streams, _Ending(budget, rehearse), distinct(drawn))
    try:
        for task, items in drawn.items():
            asking.take_over(task, items, before)
    except TimeOver:  # what was begun is under way: nothing can be asked beside it
        return Stopped(asking.asked, planned, why, looked=False)
    first = True
    while asking.open:
        if not asking.part():
            return Stopped(asking.asked, asking.planned, why, looked=False, cut=asking.cut)
        if first:
            emit(Noted(f"by its first answers: {asking.outlook()}"))
            first = False
    return None


@final
class _Ending:
    """How much of the time is kept back for what comes after the last answer.

    That is measured by doing it, first with nothing asked, and again whenever half of the time has
    passed that was left. In between it is taken to grow as what was asked does. Who wants little of
    a busy processor gets it at once, and who wants more does not: so the rest, which is to end
    processes, is reckoned by how slow the start was, where that is more.
    """

    def __init__(self, budget: Budget, rehearse: Callable[[], object]) -> None:
        self.budget, self._rehearse = budget, rehearse
        began_s = time.process_time()
        self._took_s = self._bare_s = self._timed()
        work_s = time.process_time() - began_s
        self._closing_s = _CLOSING * max(self._bare_s, budget.slow * work_s)
        self._asked = 0
        self._keep_back(0)
        self._again_s = self.left_s

    @property
    def left_s(self) -> float:
        """What is left to ask in, in seconds."""
        return self.budget.left_s

    def look(self, asked: int) -> None:
        """Do once more what comes last, where it is time to."""
        left_s = self.left_s
        due = asked and left_s <= _AGAIN * self._again_s
        if due and self._foreseen_s(asked) <= _DEAR * left_s:
            self._took_s, self._asked, self._again_s = self._timed(), asked, left_s
        self._keep_back(asked)

    def _keep_back(self, asked: int) -> None:
        late_s = _ENDING * self._foreseen_s(asked) + self._closing_s
        late_s += _SPARE * self.budget.seconds
        self.budget = replace(self.budget, late_s=max(_LATE_LEAST_S, late_s))

    def _foreseen_s(self, asked: int) -> float:
        """Return what it takes for so many: as long as last time, and more for each since."""
        if not self._asked:
            return self._took_s
        each_s = max(0.0, self._took_s - self._bare_s) / self._asked
        return self._took_s + each_s * (asked - self._asked)

    def _timed(self) -> float:
        began_s = self.budget.spent_s()
        self._rehearse()
        return self.budget.spent_s() - began_s


@final
class _Asking:
    """All tasks on their way through the time. What an earlier session was answered costs none."""

    def __init__(self, session: Asks, streams: int, ending: _Ending, different: Distinct) -> None:
        self._session, self._streams, self._ending = session, streams, ending
        self._different = different
        self._courses: list[_Course] = []
        self.asked = self.planned = self.cut = 0

    def take_over(self, task: Task, drawn: Sequence[Item], before: Before | None) -> None:
        """Add a task, and take over what an earlier session counted of it.

        What it was answered beyond that is of a part that was cut off: none of it is taken without
        those that took too long. A session that left no record counted nothing or was killed, which
        chooses nobody: all before the first gap is taken, unless it is no more than a first part.
        """
        known = self._session.answered(task)
        whole = list(takewhile(lambda item: item.id in known, drawn))
        if before is not None:
            counted = before.counted.get(task.section, ())
            whole, cut = list(takewhile(lambda item: item.id in counted, whole)), before.cut
        else:
            cut = _full(self._streams, task.samples) * task.samples
            whole = whole if len(whole) * task.samples >= cut else []
        left = list(drawn[len(whole) :])
        held = cut // task.samples if any(item.id in known for item in left) else 0
        self._courses.append(_Course(task, left, known, held))
        self.planned += len(drawn) * task.samples
        if whole:
            self._session.judge(task, whole)
            self.asked += len(whole) * task.samples

    @property
    def open(self) -> list[_Course]:
        """The tasks of which something is left."""
        return [course for course in self._courses if course.left]

    @property
    def _left_s(self) -> float:
        return self._ending.left_s

    def part(self) -> bool:
        """Ask as many items of each task as there is time for; False where it is over."""
        size, whole_s = self._size()
        if whole_s is not None and whole_s > self._left_s:
            return False
        for course in self.open:
            self._ending.look(self.asked)
            if self._foreseen_s(course, size) >= self._left_s:
                return False
            try:
                self._ask(course, size)
            except TimeOver:
                self.cut = len(course.part(size)) * course.task.samples
                return False
        return True

    def outlook(self) -> str:
        """Say what the time allows at the pace that was seen."""
        each_s = [
            course.wave_s / self._streams for course in self.open if course.wave_s is not None
        ]
        more = int(max(0.0, self._left_s) * len(each_s) / max(sum(each_s), 1e-9))
        fits = min(self.planned, self.asked + more)
        return _allowed(fits, self.planned, self._ending.budget.seconds, self._different)

    def _size(self) -> tuple[int, float | None]:
        """Return the items of each task of the next part, and its seconds, None where not known."""
        paces = [course.wave_s for course in self.open]
        known = [wave_s for wave_s in paces if wave_s is not None]
        if len(known) < len(paces):
            return self._items(1), None
        waves = int(_SHARE * self._ending.budget.seconds / max(*known, 1e-9))
        size = min(max(_PART, self._streams), self._items(max(1, waves)))
        while size > 1 and self._whole_s(size) > self._left_s:
            size -= 1
        return size, self._whole_s(size)

    def _whole_s(self, size: int) -> float:
        return sum(self._foreseen_s(course, size) for course in self.open)

    def _items(self, waves: int) -> int:
        """Return how many items make so many full sets of requests, one at the least."""
        return _full(waves * self._streams, max(course.task.samples for course in self._courses))

    def _waves(self, course: _Course, size: int) -> int:
        """Return how many sets of requests so many of its items are."""
        return -(-course.fresh(size) // self._streams)

    def _foreseen_s(self, course: _Course, size: int) -> float:
        """Return what they should take; of a task that was not asked yet, as the slowest other."""
        others = (other.wave_s for other in self._courses)
        slowest_s = max((wave_s for wave_s in others if wave_s is not None), default=0.0)
        wave_s = slowest_s if course.wave_s is None else course.wave_s
        return _SCATTER * wave_s * self._waves(course, size)

    def _ask(self, course: _Course, size: int) -> None:
        began_s = self._ending.budget.spent_s() - self._session.prelude_s
        waves, items = self._waves(course, size), course.part(size)
        self._session.end_in(self._left_s)
        self._session.judge(course.task, items)
        ended_s = self._ending.budget.spent_s() - self._session.prelude_s
        if waves:
            course.wave_s = max((ended_s - began_s) / waves, _FADE * (course.wave_s or 0.0))
        del course.left[: len(items)]
        course.held = 0
        self.asked += len(items) * course.task.samples


def _full(answers: int, samples: int) -> int:
    """Return how many items have so many answers, one at the least."""
    return max(1, answers // samples)


def _allowed(fits: int, planned: int, budget_s: float, different: Distinct | None) -> str:
    asked = (different or Distinct(planned, 1)).share(fits, planned)
    told = f"{duration(budget_s)} allow about {fits:,} of {planned:,} "
    if asked.items == fits:
        told += "items"
    else:
        told += f"answers, those of about {asked.items:,} different items"
    least = smallest_visible_loss(max(1, asked.items), USUAL_FLIPS, design_effect=asked.effect)
    return f"{told}; they show a loss of {least:.1%} or more ({assumed(asked.effect)})"
