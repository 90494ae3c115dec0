"""The search for settings on simulated engines: planted gains are found, others not claimed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest

from steelyard.campaigns.tuning import (
    LOOKS,
    Broke,
    Candidate,
    Finished,
    Measure,
    Search,
    Taken,
)
from steelyard.domain.reading import Measured

KNOBS: dict[str, dict[str, object]] = {
    "flash": {"flash_attention": True},
    "micro 128": {"micro_batch_tokens": 128},
    "micro 1024": {"micro_batch_tokens": 1024},
    "batch 512": {"batch_tokens": 512},
    "kv q8_0": {"kv_type": "q8_0"},
    "threads 2": {"threads": 2},
    "slots 1": {"slots": 1},
    "slots 2": {"slots": 2},
}
CANDIDATES = [Candidate(name, changes, (name.split()[0],)) for name, changes in KNOBS.items()]


class Machine:
    """An engine whose settings act as planted; a block takes a second and has noise of its own."""

    def __init__(self, gains: Mapping[str, float], seed: int, noise: float = 0.03) -> None:
        self._gains, self._random, self._noise = gains, random.Random(seed), noise
        self.now_s = 0.0
        self.asked: list[Measure] = []

    def run(self, search: Search, broken: frozenset[str] = frozenset()) -> Finished:
        step = search.start()
        while isinstance(step, Measure):
            self.asked.append(step)
            self.now_s += step.blocks
            if step.candidate.name in broken:
                step = search.handle(Broke("it did not start", self.now_s))
                continue
            step = search.handle(
                Taken(tuple(self._block(step) for _ in range(step.blocks)), self.now_s)
            )
        return step

    def _block(self, step: Measure) -> tuple[float, float]:
        gain = sum(
            math.log1p(self._gains.get(f"{key} {value}", 0.0))
            for key, value in step.candidate.changes.items()
        )
        drift = self._random.uniform(0.5, 2.0)  # falls on both alike
        a, b = (self._random.gauss(0.0, self._noise) for _ in "ab")
        return drift * math.exp(a), drift * math.exp(b - gain)


def search(budget_s: float = 200.0) -> Search:
    return Search(CANDIDATES, budget_s=budget_s, block_s=1.0)


def test_a_gain_that_is_not_there_is_claimed_in_at_most_one_search_of_twenty() -> None:
    claims = sum(Machine({}, seed).run(search()).winner is not None for seed in range(400))
    assert claims <= 0.05 * 400


def test_of_changes_that_only_harm_none_is_claimed() -> None:
    worse = {f"{k} {v}": -0.1 for c in KNOBS.values() for k, v in c.items()}
    assert not any(Machine(worse, seed).run(search()).winner for seed in range(50))


def test_a_planted_gain_is_found_with_its_size_in_the_interval() -> None:
    inside = 0
    for seed in range(60):
        found = Machine({"flash_attention True": 0.15}, seed).run(search())
        assert found.winner is not None, seed
        assert found.winner.changes.get("flash_attention") is True
        ratio = found.proof.ratio
        assert isinstance(ratio.low, Measured)
        assert isinstance(ratio.high, Measured)
        # Other knobs, which do nothing, may come along with the one that does.
        inside += ratio.low.value <= 1 / 1.15 <= ratio.high.value
    assert inside >= 54


def test_gains_of_several_knobs_are_put_together() -> None:
    planted = {"flash_attention True": 0.15, "threads 2": 0.30}
    found = Machine(planted, 1).run(search())
    assert found.winner is not None
    assert {"flash_attention", "threads"} <= found.winner.changes.keys()


def test_the_winner_is_judged_by_fresh_blocks_alone() -> None:
    machine = Machine({"threads 2": 0.2}, 3)
    found = machine.run(search())
    proof = sum(step.blocks for step in machine.asked if step.stage == "proof")
    assert proof in LOOKS
    assert found.proof.ratio.n == proof


def test_the_search_ends_within_its_budget() -> None:
    for budget_s in (12.0, 40.0, 200.0):
        machine = Machine({}, 5)
        machine.run(search(budget_s))
        assert machine.now_s <= budget_s + max(LOOKS[0], 8)


def test_a_budget_too_short_for_a_proof_claims_nothing_and_says_so() -> None:
    found = Machine({"threads 2": 0.5}, 5).run(search(4.0))
    assert found.winner is None
    assert "budget ended" in found.reason
    assert any(standing.left == "no time in this budget" for standing in found.standings)


def test_a_candidate_that_does_not_start_leaves_and_the_others_go_on() -> None:
    found = Machine({"threads 2": 0.4}, 2).run(search(), broken=frozenset({"kv q8_0"}))
    assert found.winner is not None
    left = {standing.candidate.name: standing.left for standing in found.standings}
    assert left["kv q8_0"] == "it did not start"


def test_where_nothing_starts_nothing_is_claimed() -> None:
    found = Machine({}, 2).run(search(), broken=frozenset(KNOBS))
    assert found.winner is None
    assert "could be measured" in found.reason


def test_without_candidates_there_is_nothing_to_do() -> None:
    found = Search([], budget_s=10.0, block_s=1.0).start()
    assert isinstance(found, Finished)
    assert found.winner is None


def test_an_event_that_nobody_asked_for_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="nothing was to be measured"):
        search().handle(Taken((), 0.0))
