"""The search for better settings, as a machine: what was measured in, what to measure next out.

Two stages. The race: each candidate takes turns with the baseline (A B B A), the worse half leaves
after every round, the rest is measured twice as long (successive halving); what helped one knob at
a time enters together as one candidate more. The proof: the one that is left takes turns with the
baseline anew, and only these fresh blocks decide, since the winner of a race is also the luckiest.
They are looked at three times at most, each time at a third of the error allowed, so that a gain
that is not there is claimed in at most one search of forty, however often the race was run.

Pure: no clock, no engine; times come with the events. A ratio is cost of the candidate over cost
of the baseline: below 1 is better. Sources: K. Jamieson and A. Talwalkar, AISTATS 2016 (successive
halving); Bonferroni's inequality; `stats.interleaved`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, final

from steelyard.domain.reading import Measured
from steelyard.stats.interleaved import Comparison, compare

RACE_SHARE: Final = 0.55  # of the budget; the rest is for the proof
LOOKS: Final = (4, 8, 16)
ERROR: Final = 0.05
CONFIDENCE: Final = 1 - ERROR / len(LOOKS)
_ROUNDS_MOST: Final = 4
_WORTHLESS: Final = 0.01
_NO_TIME: Final = "no time in this budget"


@final
@dataclass(frozen=True, slots=True)
class Candidate:
    """A change to the baseline: the fields of the engine profile that are set otherwise."""

    name: str
    changes: Mapping[str, Any]
    knobs: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """Take so many blocks of turns of the baseline and this candidate."""

    candidate: Candidate
    blocks: int
    stage: Literal["race", "proof"]


@final
@dataclass(frozen=True, slots=True)
class Taken:
    """One (baseline, candidate) cost per block, and how long all has taken so far."""

    blocks: tuple[tuple[float, float], ...]
    elapsed_s: float


@final
@dataclass(frozen=True, slots=True)
class Broke:
    """The candidate could not be measured: it did not start, or it died."""

    reason: str
    elapsed_s: float


Event: TypeAlias = Taken | Broke


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """What the race says of one candidate; its ratio is a hint and no claim."""

    candidate: Candidate
    blocks: int
    ratio: float | None
    left: str = ""


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """The end: `winner` only where its gain is beyond noise; `proof` is what the blocks showed."""

    winner: Candidate | None
    best: Candidate | None
    proof: Comparison
    standings: tuple[Standing, ...]
    reason: str


Instruction: TypeAlias = Measure | Finished


@final
@dataclass(slots=True)
class _Runner:
    candidate: Candidate
    blocks: list[tuple[float, float]] = field(default_factory=list)
    left: str = ""

    @property
    def gain(self) -> float:
        """Mean of the logarithms of baseline over candidate: above 0 is better."""
        return sum(math.log(a / b) for a, b in self.blocks) / len(self.blocks)


@final
class Search:
    """One search. `budget_s` is for all of it, `block_s` what a block takes by the pilot."""

    def __init__(self, candidates: Sequence[Candidate], *, budget_s: float, block_s: float) -> None:
        self._budget_s, self._block_s = budget_s, block_s
        self._runners = [_Runner(each) for each in candidates[: self._room(len(candidates))]]
        # The candidates come with the most promising first: those that there is no time for go.
        self._untried = tuple(candidates[len(self._runners) :])
        self._round, self._queue = 0, list(self._runners)
        self._combined = False
        self._proof: _Runner | None = None
        self._now: _Runner | None = None
        self._measured = 0

    def start(self) -> Instruction:
        """Return the first instruction."""
        if not self._runners:
            return self._finish("no setting of this engine can be changed here")
        return self._next(0.0)

    def handle(self, event: Event) -> Instruction:
        """Take what came of the last instruction and return the next one."""
        runner = self._now
        if runner is None:
            raise ValueError("nothing was to be measured")
        self._now = None
        match event:
            case Broke(reason=reason):
                runner.left = reason
            case Taken(blocks=blocks):
                runner.blocks += blocks
                self._measured += len(blocks)
                if self._measured:
                    self._block_s = event.elapsed_s / self._measured
        if self._proof is not None:
            return self._judge(self._proof, event.elapsed_s)
        return self._next(event.elapsed_s)

    # ── the race ────────────────────────────────────────────────────────────────────────────────

    def _room(self, wanted: int) -> int:
        """Return how many candidates there is time for, so that the better half runs twice."""
        return max(1, min(wanted, int(RACE_SHARE * self._budget_s / (2 * self._block_s))))

    def _next(self, elapsed_s: float) -> Instruction:
        if elapsed_s > RACE_SHARE * self._budget_s and self._standing():
            return self._begin_proof(elapsed_s)
        if self._queue:
            self._now = self._queue.pop(0)
            return Measure(self._now.candidate, 1 << self._round, "race")
        return self._end_round(elapsed_s)

    def _end_round(self, elapsed_s: float) -> Instruction:
        alive = self._standing()
        if not alive:
            return self._finish("none of the candidates could be measured")
        if newcomer := self._together(alive):
            self._runners.append(newcomer)
            self._queue = [newcomer]
            return self._next(elapsed_s)
        keep = max(1, math.ceil(len(alive) / 2))
        for rank, runner in enumerate(alive):
            if rank >= keep:
                runner.left = f"slower half of round {self._round + 1}"
            elif rank and runner.gain <= 0:
                runner.left = f"no better than the baseline in round {self._round + 1}"
        alive = self._standing()
        self._round += 1
        if len(alive) == 1 or self._round == _ROUNDS_MOST:
            return self._begin_proof(elapsed_s)
        self._queue = list(alive)
        return self._next(elapsed_s)

    def _standing(self) -> list[_Runner]:
        """Return who is still in the race, best first."""
        there = [runner for runner in self._runners if runner.blocks and not runner.left]
        return sorted(there, key=lambda runner: -runner.gain)

    def _together(self, alive: Sequence[_Runner]) -> _Runner | None:
        """Put the best value of each knob that helped into one candidate, once."""
        if self._combined:
            return None
        self._combined = True
        changes: dict[str, Any] = {}
        knobs: list[str] = []
        for runner in alive:
            mine = runner.candidate.changes
            fresh = not set(runner.candidate.knobs) & set(knobs)
            if runner.gain > 0 and fresh and all(changes.get(k, v) == v for k, v in mine.items()):
                changes |= mine
                knobs += runner.candidate.knobs
        if len(knobs) <= max(len(runner.candidate.knobs) for runner in alive):
            return None
        return _Runner(Candidate("all that helped", changes, tuple(knobs)))

    # ── the proof ───────────────────────────────────────────────────────────────────────────────

    def _begin_proof(self, elapsed_s: float) -> Instruction:
        best, *others = self._standing()
        for runner in others:
            runner.left = "not the best when the race ended"
        for runner in self._runners:
            if not runner.blocks and not runner.left:
                runner.left = _NO_TIME
        if best.gain <= 0:
            return self._finish("no candidate was better than the baseline in the race")
        self._proof = _Runner(best.candidate)
        return self._ask_for(self._proof, LOOKS[0], elapsed_s)

    def _ask_for(self, proof: _Runner, blocks: int, elapsed_s: float) -> Instruction:
        if elapsed_s + blocks * self._block_s > self._budget_s:
            return self._finish("the budget ended before the gain was beyond noise")
        self._now = proof
        return Measure(proof.candidate, blocks, "proof")

    def _judge(self, proof: _Runner, elapsed_s: float) -> Instruction:
        if proof.left:
            return self._finish(f"the best candidate could not be measured again: {proof.left}")
        ratio = compare(proof.blocks, CONFIDENCE).ratio
        if isinstance(ratio.high, Measured) and ratio.high.value < 1:
            return self._finish("the gain is beyond noise", winner=proof.candidate)
        if isinstance(ratio.low, Measured) and ratio.low.value > 1 - _WORTHLESS:
            return self._finish("if there is a gain, it is below 1 %")
        more = next((look for look in LOOKS if look > len(proof.blocks)), None)
        if more is None:
            return self._finish("the gain is not beyond noise")
        return self._ask_for(proof, more - len(proof.blocks), elapsed_s)

    def _finish(self, reason: str, winner: Candidate | None = None) -> Finished:
        proof = self._proof
        best = proof.candidate if proof else None
        shown = compare(proof.blocks if proof else [], CONFIDENCE)
        return Finished(winner, best, shown, self.standings(), reason)

    def standings(self) -> tuple[Standing, ...]:
        """Return every candidate with what the race says of it, best first, the untried last."""
        raced = sorted(self._runners, key=lambda r: -r.gain if r.blocks else math.inf)
        return (
            *(
                Standing(
                    r.candidate, len(r.blocks), math.exp(-r.gain) if r.blocks else None, r.left
                )
                for r in raced
            ),
            *(Standing(each, 0, None, _NO_TIME) for each in self._untried),
        )
