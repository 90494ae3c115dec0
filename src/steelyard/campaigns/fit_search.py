"""The search of a fit frontier, as a machine: what was measured in, which cell to run next out.

Cells are run from the best quality down. After those that were too slow, what they showed says of
the others whether they can be fast enough, and the next is the best of which that is expected. The
first that meets every limit as measured is run once more, by a fresh engine with another prompt;
then those above it that were passed over have their turn, for the winner is the best that meets
the limits both times. With what is left of the budget the cells below are run, to show what they
would give. A cell with a draft is not run where its twin without one already took too much memory.

Pure: no clock and no engine; times come with the events.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, final

from steelyard.campaigns.cells import Cell
from steelyard.campaigns.fit_limits import Limits, Seen, shortfall, takes_more
from steelyard.domain.reading import Measured

Stage: TypeAlias = Literal["search", "proof", "below"]
# `out` foreseen to fail; `short` measured to fail; `broke` could not be measured.
State: TypeAlias = Literal["waiting", "out", "meets", "short", "broke", "no_time"]
NO_TIME: Final = "the budget ended before it"
INTERRUPTED: Final = "interrupted before it"
# What is left must be at least so much of what such a run took before, or it is not begun. A cell
# that is searched is looked at first, and the look says whether there is time.
_WORTH_BEGINNING: Final = 0.8
_WORTH_A_LOOK: Final = 0.15
# Expected speeds are taken to be off by so much: what is nearly fast enough is worth a run.
_EXPECTED: Final = 0.85


@final
@dataclass(frozen=True, slots=True)
class Candidate:
    """A cell and its place: a lower `rank` is better quality. `out` says why it is never run.

    `cost` is what a token is expected to take with the context full, in a unit that all cells of a
    search share; None where nothing is expected.
    `late`: it is not run since something was not known in time, and not because it fails.
    """

    cell: Cell
    rank: tuple[float, ...]
    out: str = ""
    late: bool = False
    cost: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Try:
    """Run this cell; it may take so long."""

    candidate: Candidate
    stage: Stage
    limit_s: float


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """A run has ended: `refused` says what an early look found, so that nothing was filled."""

    seen: Seen
    elapsed_s: float
    refused: str = ""


@final
@dataclass(frozen=True, slots=True)
class Broke:
    """The cell could not be measured; `no_time`: filling its context would not end in time."""

    reason: str
    elapsed_s: float
    no_time: bool = False


Event: TypeAlias = Ran | Broke


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one cell in the end; two runs where it was confirmed or failed to be."""

    candidate: Candidate
    state: State
    why: str
    seen: tuple[Seen, ...]

    @property
    def filled(self) -> tuple[Seen, ...]:
        """The runs in which the context was really filled."""
        return tuple(one for one in self.seen if one.tokens)

    @property
    def memory_bytes(self) -> int | None:
        """The most memory of any run, the GPU's included; None where it was not measured."""
        found = [
            one.memory_bytes.value
            + (one.gpu_bytes.value if isinstance(one.gpu_bytes, Measured) else 0)
            for one in self.filled
            if isinstance(one.memory_bytes, Measured)
        ]
        return max(found, default=None)

    @property
    def output_tps(self) -> float | None:
        """The lowest speed of any run with its context filled."""
        speeds = (one.output_tps for one in self.filled)
        return min((one.value for one in speeds if isinstance(one, Measured)), default=None)


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """The end: the winner, whether it was confirmed by a second run, and every cell."""

    winner: Standing | None
    confirmed: bool
    standings: tuple[Standing, ...]
    reason: str


Instruction: TypeAlias = Try | Finished


@final
@dataclass(slots=True)
class _Runner:
    candidate: Candidate
    state: State = "waiting"
    why: str = ""
    seen: list[Seen] = field(default_factory=list)
    confirmed: bool = False
    unproved: bool = False  # there was no time for a second run

    def standing(self) -> Standing:
        """Return it as it is now."""
        return Standing(self.candidate, self.state, self.why, tuple(self.seen))


@final
class Search:
    """One search. Candidates of equal rank are run in the order in which they are given."""

    def __init__(self, candidates: Sequence[Candidate], limits: Limits, *, budget_s: float) -> None:
        self._limits, self._budget_s = limits, budget_s
        ordered = sorted(candidates, key=lambda each: each.rank)
        self._runners = [_Runner(each, _at_first(each), each.out) for each in ordered]
        self._now: tuple[_Runner, Stage] | None = None
        self._took_s: list[float] = []

    def start(self) -> Instruction:
        """Return the first instruction."""
        return self._next(0.0)

    def handle(self, event: Event) -> Instruction:
        """Take what came of the last instruction and return the next one."""
        if self._now is None:
            raise ValueError("nothing was to be run")
        (runner, stage), self._now = self._now, None
        match event:
            case Broke(reason=reason, no_time=no_time):
                self._broke(runner, stage, reason, no_time=no_time)
            case Ran(seen=seen, refused=refused):
                runner.seen.append(seen)
                self._judge(runner, stage, refused or shortfall(seen, self._limits))
                if seen.tokens:
                    self._took_s.append(seen.seconds)
        return self._next(event.elapsed_s)

    def stop(self) -> Finished:
        """End it now: what was run is kept."""
        self._now = None
        return self._finish(INTERRUPTED, "interrupted")

    @property
    def _winner(self) -> _Runner | None:
        """The best that meets the limits as far as is known."""
        return next((runner for runner in self._runners if runner.state == "meets"), None)

    def _judge(self, runner: _Runner, stage: Stage, lacking: str) -> None:
        if stage == "proof" and lacking:
            lacking = f"not when it was run again: {lacking}"
        runner.state, runner.why = ("short", lacking) if lacking else ("meets", "")
        runner.confirmed = stage == "proof" and not lacking

    def _broke(self, runner: _Runner, stage: Stage, reason: str, *, no_time: bool) -> None:
        if stage == "proof" and no_time:
            runner.unproved = True  # it met the limits once, and there is no time to see it again
            return
        if stage == "proof":
            reason = f"it broke when it was run again: {reason}"
        runner.state, runner.why = "no_time" if no_time else "broke", reason

    def _next(self, elapsed_s: float) -> Instruction:
        left_s = self._budget_s - elapsed_s
        self._pass_over()
        winner = self._winner
        if winner is not None and not (winner.confirmed or winner.unproved):
            if left_s > _WORTH_BEGINNING * winner.seen[-1].seconds:
                return self._try(winner, "proof", left_s)
            winner.unproved = True
        waiting = [runner for runner in self._runners if runner.state == "waiting"]
        if not waiting:
            late = any(runner.state == "no_time" for runner in self._runners)
            return self._finish(
                "", "the budget ended" if late else "every cell was run or ruled out"
            )
        place = len(self._runners) if winner is None else self._runners.index(winner)
        above = [runner for runner in self._runners[:place] if runner.state == "waiting"]
        stage: Stage = "search" if above else "below"
        if left_s <= self._least_s(stage):
            return self._finish(NO_TIME, "the budget ended")
        return self._try(self._promising(above) if above else waiting[0], stage, left_s)

    def _promising(self, runners: Sequence[_Runner]) -> _Runner:
        """Return the best that is expected to be fast enough; the best where none is."""
        pairs = [
            (seen.output_tps.value, runner.candidate.cost)
            for runner in self._runners
            for seen in runner.seen
            if seen.tokens and isinstance(seen.output_tps, Measured)
        ]
        known = [tps * cost for tps, cost in pairs if cost is not None]
        if not known:
            return runners[0]
        pace, least = statistics.median(known), _EXPECTED * self._limits.output_tps

        def fast(runner: _Runner) -> bool:
            cost = runner.candidate.cost
            return cost is None or pace / cost >= least

        return next((runner for runner in runners if fast(runner)), runners[0])

    def _least_s(self, stage: Stage) -> float:
        """Return the time without which nothing is begun."""
        if not self._took_s:
            return 0.0
        if stage == "below":  # below the winner nothing is urgent
            return _WORTH_BEGINNING * statistics.median(self._took_s)
        return _WORTH_A_LOOK * min(self._took_s)

    def _try(self, runner: _Runner, stage: Stage, left_s: float) -> Try:
        self._now = runner, stage
        return Try(runner.candidate, stage, left_s)

    def _pass_over(self) -> None:
        """Rule out drafts beside a model that took too much without one."""
        plain = {
            _without_draft(runner.candidate.cell)
            for runner in self._runners
            if not runner.candidate.cell.draft
            and any(takes_more(seen, self._limits) for seen in runner.seen)
        }
        for runner in self._runners:
            cell = runner.candidate.cell
            if runner.state == "waiting" and cell.draft and _without_draft(cell) in plain:
                runner.state = "out"
                runner.why = "without the draft it already takes too much memory"

    def _finish(self, unlooked: str, reason: str) -> Finished:
        for runner in self._runners:
            if runner.state == "waiting":
                runner.state, runner.why = "no_time", unlooked
        winner = self._winner
        standings = tuple(runner.standing() for runner in self._runners)
        if winner is None:
            return Finished(None, False, standings, reason)
        return Finished(winner.standing(), winner.confirmed, standings, reason)


def _at_first(candidate: Candidate) -> State:
    if not candidate.out:
        return "waiting"
    return "no_time" if candidate.late else "out"


def _without_draft(cell: Cell) -> tuple[object, ...]:
    return (cell.quant, cell.kv, cell.placing)
