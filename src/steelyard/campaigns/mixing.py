"""The search for a mix of tensor types, as a machine: a divergence in, what to measure next out.

Three stages. *Alone*: each group of tensors with each option, all else as in the source; small
losses add up, so these costs and the bytes make a knapsack, which is solved exactly. *Mix*: what
it chose, measured whole, and the same without the types that are slow to decode. *Around*: in the
best mix so far each group one step lighter and heavier; the costs as they are there are solved
again, as long as that helps. Where the budget ends, what was measured until then is what counts:
the nearest options of all groups come first.

A divergence is the mean over the search text. Nothing here is a claim: the winner is proved on
another text. Pure: no clock, no files; times come with the events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.analysis import knapsack

ALONE_SHARE: Final = 0.6  # of the budget; the rest is for whole mixes
ROUNDS: Final = 3
_LATE: Final = 0.9  # of the budget: what follows is the proof's

Stage: TypeAlias = Literal["alone", "mix", "around"]
Choice: TypeAlias = tuple[int | None, ...]


@final
@dataclass(frozen=True, slots=True)
class Option:
    """Types for all tensors of a group, and the bytes that they take in a file.

    `plain` says that no type of it needs a table to be decoded.
    """

    name: str
    size_bytes: int
    plain: bool = True


@final
@dataclass(frozen=True, slots=True)
class Unit:
    """A group of tensors that change together; `stock` is the stock mix's option."""

    name: str
    options: tuple[Option, ...]
    stock: int


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """Measure the divergence of a file: an option for each unit, None for as in the source."""

    stage: Stage
    choice: Choice


@final
@dataclass(frozen=True, slots=True)
class Tried:
    """A whole mix that was measured on the search text, and what the sum of its parts foresaw."""

    choice: tuple[int, ...]
    divergence: float
    foreseen: float


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """The end: `winner` only where its divergence is below the stock mix's on the search text.

    `cut_short` says that the budget ended before any mix could be tried.
    """

    winner: Tried | None
    tried: tuple[Tried, ...]
    alone: int
    around: int
    reason: str
    cut_short: bool = False


Instruction: TypeAlias = Measure | Finished


@final
class MixSearch:
    """One search: units and the room for them, the stock mix's divergence, and seconds."""

    def __init__(
        self, units: Sequence[Unit], room_bytes: int, stock: float, budget_s: float = math.inf
    ) -> None:
        self._units, self._room, self._stock, self._budget_s = units, room_bytes, stock, budget_s
        self._costs: list[dict[int, float]] = [{} for _ in units]
        self._tried: list[Tried] = []
        self._counts = {"alone": 0, "around": 0}
        self._elapsed_s, self._last = 0.0, math.inf
        self._ended, self._cut_short = "", False
        self._steps = self._script()

    @property
    def foreseen(self) -> int:
        """How many measurements the first stage has where no budget ends it."""
        return sum(len(unit.options) for unit in self._units)

    def start(self) -> Instruction:
        """Return the first instruction."""
        return self._next()

    def handle(self, divergence: float, elapsed_s: float) -> Instruction:
        """Take what came of the last instruction and return the next one."""
        self._last, self._elapsed_s = divergence, elapsed_s
        return self._next()

    def _next(self) -> Instruction:
        step = next(self._steps, None)
        return self._finish() if step is None else step

    def _script(self) -> Iterator[Measure]:
        """Yield what is to be measured; `_last` then holds what came of it."""
        yield from self._alone()
        if any(
            unit.stock not in known for unit, known in zip(self._units, self._costs, strict=True)
        ):
            self._ended = "the budget ended before each group was measured as the stock mix has it"
            self._cut_short = True
            return
        for plain in (False, True):
            yield from self._mix(self._solved(self._costs, plain=plain))
        if not self._tried and self._is_late():
            self._ended, self._cut_short = "the budget ended before a mix was measured", True
            return
        if not self._tried:
            self._ended = (
                "no other mix of these types that fits into the bytes is foreseen to lose less"
            )
            return
        for _ in range(ROUNDS):
            best = self._best()
            costs: list[dict[int, float]] = [{} for _ in self._units]
            yield from self._around(best, costs)
            before = len(self._tried)
            yield from self._mix(self._solved(costs, plain=False))
            if len(self._tried) == before or self._best() is best:
                return

    def _alone(self) -> Iterator[Measure]:
        for unit, option in self._queue():
            if self._elapsed_s > self._budget_s * ALONE_SHARE:
                return
            choice: list[int | None] = [None] * len(self._units)
            choice[unit] = option
            yield Measure("alone", tuple(choice))
            self._counts["alone"] += 1
            self._costs[unit][option] = self._last

    def _queue(self) -> list[tuple[int, int]]:
        """Order the options: the stock mix's of all units, then the nearest in bytes, and so on."""
        ranked: list[tuple[int, int, int]] = []
        for number, unit in enumerate(self._units):
            middle = math.log(unit.options[unit.stock].size_bytes)
            nearest = sorted(
                range(len(unit.options)),
                key=lambda at, unit=unit, middle=middle: (  # type: ignore[misc]
                    at != unit.stock,
                    abs(math.log(unit.options[at].size_bytes) - middle),
                    at,
                ),
            )
            ranked += [(rank, number, option) for rank, option in enumerate(nearest)]
        return [(number, option) for _, number, option in sorted(ranked)]

    def _mix(self, choice: tuple[int, ...] | None) -> Iterator[Measure]:
        stock = tuple(unit.stock for unit in self._units)
        known = {tried.choice for tried in self._tried} | {stock}
        if choice is None or choice in known or self._is_late():
            return
        yield Measure("mix", choice)
        parts = [costs.get(at, math.nan) for at, costs in zip(choice, self._costs, strict=True)]
        self._tried.append(Tried(choice, self._last, math.fsum(parts)))

    def _around(self, best: Tried, costs: list[dict[int, float]]) -> Iterator[Measure]:
        """Measure each unit's neighbours in the best mix; `costs` are differences to it."""
        for known, at in zip(costs, best.choice, strict=True):
            known[at] = 0.0
        for number, at in enumerate(best.choice):
            for other in self._neighbours(number, at):
                if self._is_late():
                    return
                choice = (*best.choice[:number], other, *best.choice[number + 1 :])
                yield Measure("around", choice)
                self._counts["around"] += 1
                costs[number][other] = self._last - best.divergence

    def _neighbours(self, number: int, at: int) -> list[int]:
        """Return the best measured option of each size next below and next above."""
        options, costs = self._units[number].options, self._costs[number]
        here = options[at].size_bytes
        below = max(
            (options[o].size_bytes for o in costs if options[o].size_bytes < here), default=0
        )
        above = min(
            (options[o].size_bytes for o in costs if options[o].size_bytes > here), default=0
        )
        return [
            min((o for o in costs if options[o].size_bytes == size), key=lambda o: costs[o])
            for size in (below, above)
            if size
        ]

    def _solved(self, costs: Sequence[dict[int, float]], *, plain: bool) -> tuple[int, ...] | None:
        table = [
            [
                knapsack.Option(at, unit.options[at].size_bytes, cost)
                for at, cost in known.items()
                if unit.options[at].plain or not plain
            ]
            for unit, known in zip(self._units, costs, strict=True)
        ]
        return knapsack.choose(table, self._room)

    def _best(self) -> Tried:
        return min(self._tried, key=lambda tried: tried.divergence)

    def _is_late(self) -> bool:
        return self._elapsed_s > self._budget_s * _LATE

    def _finish(self) -> Finished:
        winner = self._best() if self._tried else None
        reason = self._ended
        if winner is not None and winner.divergence >= self._stock:
            winner, reason = None, "no mix that was tried is below the stock mix on the search text"
        if winner is None and not self._cut_short and self._counts["alone"] < self.foreseen:
            reason += f", with {self._counts['alone']} of {self.foreseen} options measured"
        return Finished(
            winner=winner,
            tried=tuple(self._tried),
            alone=self._counts["alone"],
            around=self._counts["around"],
            reason=reason,
            cut_short=self._cut_short,
        )
