"""The search of a fit frontier on simulated engines: the best that meets the limits is found."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.campaigns.cells import Cell, Kv
from steelyard.campaigns.fit_limits import Limits, Seen, miss, shortfall
from steelyard.campaigns.fit_search import (
    Broke,
    Candidate,
    Finished,
    Ran,
    Search,
    Try,
)
from steelyard.domain.reading import Measured, Missing

F16 = Kv("f16", "f16")
LIMITS = Limits(memory_bytes=1000, output_tps=10.0)


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a simulated cell is: how good, how large, how fast, and how long its filling takes."""

    memory: int
    tps: float
    seconds: float = 1.0
    breaks: bool = False
    later: float = 0.0  # what is added to its speed from the second run on
    cost: float | None = None  # what a token is expected to take


class Machine:
    """Runs cells as planted."""

    def __init__(self, truths: list[Truth]) -> None:
        self.truths = {f"q{number}": truth for number, truth in enumerate(truths)}
        self.now_s = 0.0
        self.asked: list[tuple[str, str]] = []

    def candidates(self) -> list[Candidate]:
        return [
            Candidate(Cell(name, F16), (float(number),), cost=truth.cost)
            for number, (name, truth) in enumerate(self.truths.items())
        ]

    def run(self, search: Search, most: int = 10**6) -> Finished:
        step = search.start()
        while isinstance(step, Try) and len(self.asked) < most:
            step = search.handle(self._ran(step))
        return search.stop() if isinstance(step, Try) else step

    def _ran(self, step: Try) -> Ran | Broke:
        name = step.candidate.cell.quant
        truth, before = self.truths[name], [each for each, _ in self.asked]
        self.asked.append((name, step.stage))
        if truth.breaks:
            self.now_s += 0.1
            return Broke("it died", self.now_s)
        if truth.seconds > step.limit_s:
            self.now_s += 0.1
            return Broke("too long", self.now_s, no_time=True)
        self.now_s += truth.seconds
        tps = truth.tps + (truth.later if name in before else 0.0)
        return Ran(seen(truth.memory, tps, truth.seconds), self.now_s)


def seen(memory: int, tps: float, seconds: float = 1.0, tokens: int = 4096) -> Seen:
    nothing, speed = Measured(0, "derived"), Measured(tps, "client")
    return Seen(Measured(memory, "derived"), nothing, speed, speed, tokens, seconds)


TRUTHS = st.lists(
    st.builds(
        Truth,
        memory=st.integers(100, 2000),
        tps=st.floats(1, 50),
        seconds=st.floats(0.5, 20),
        breaks=st.booleans(),
        later=st.sampled_from([0.0, -5.0]),
        cost=st.none() | st.floats(0.01, 2.0),
    ),
    min_size=1,
    max_size=12,
)


def meets(truth: Truth) -> bool:
    slowest = truth.tps + min(0.0, truth.later)
    return not truth.breaks and truth.memory <= 1000 and slowest >= 10.0


@given(TRUTHS)
@settings(max_examples=200, deadline=None)
def test_with_time_enough_the_winner_is_the_best_that_meets_the_limits(truths: list[Truth]) -> None:
    machine = Machine(truths)
    shuffled = machine.candidates()[::-1]  # the rank decides, not the order in which they come
    found = machine.run(Search(shuffled, LIMITS, budget_s=10_000))
    right = next((name for name, truth in machine.truths.items() if meets(truth)), None)
    assert (found.winner and found.winner.candidate.cell.quant) == right
    if found.winner is not None:
        assert found.confirmed
        assert len(found.winner.seen) == 2
    assert not any(one.state in ("waiting", "no_time") for one in found.standings)


@given(TRUTHS, st.floats(0, 60))
@settings(max_examples=300, deadline=None)
def test_in_any_budget_no_winner_is_one_that_was_not_seen_to_fit(
    truths: list[Truth], budget_s: float
) -> None:
    machine = Machine(truths)
    found = machine.run(Search(machine.candidates(), LIMITS, budget_s=budget_s))
    assert machine.now_s <= budget_s + 0.1 * len(truths) + max(t.seconds for t in truths)
    assert len(found.standings) == len(truths)
    assert all(one.why for one in found.standings if one.state != "meets")
    if found.winner is not None:
        assert not any(shortfall(each, LIMITS) for each in found.winner.seen)
        assert found.confirmed == (len(found.winner.seen) == 2)
        better = found.standings[: found.standings.index(found.winner)]
        assert all(one.state != "meets" for one in better)


@given(TRUTHS, st.integers(0, 6))
@settings(max_examples=100, deadline=None)
def test_an_interrupt_at_any_moment_keeps_what_was_run(truths: list[Truth], most: int) -> None:
    machine = Machine(truths)
    found = machine.run(Search(machine.candidates(), LIMITS, budget_s=10_000), most)
    ran = {name for name, _ in machine.asked if not machine.truths[name].breaks}
    assert {one.candidate.cell.quant for one in found.standings if one.seen} == ran


def test_cells_are_run_from_the_best_down_and_the_winner_at_once_a_second_time() -> None:
    machine = Machine([Truth(2000, 50), Truth(500, 20), Truth(400, 30)])
    machine.run(Search(machine.candidates(), LIMITS, budget_s=100))
    assert machine.asked == [("q0", "search"), ("q1", "search"), ("q1", "proof"), ("q2", "below")]


def test_after_one_that_was_too_slow_the_next_is_the_best_that_should_be_fast_enough() -> None:
    speeds = (4.0, 5.0, 6.0, 11.0, 12.0)
    # Expected to be twice as fast as they are: one run shows it of all.
    machine = Machine([Truth(500, tps, seconds=10, cost=0.5 / tps) for tps in speeds])
    found = machine.run(Search(machine.candidates(), LIMITS, budget_s=1000))
    assert machine.asked[:3] == [("q0", "search"), ("q3", "search"), ("q3", "proof")]
    # Those above it that were passed over have their turn, then those below it.
    assert machine.asked[3:] == [("q1", "search"), ("q2", "search"), ("q4", "below")]
    assert found.winner is not None
    assert found.winner.candidate.cell.quant == "q3"
    short = Machine([Truth(500, tps, seconds=10, cost=0.5 / tps) for tps in speeds])
    end = short.run(Search(short.candidates(), LIMITS, budget_s=31))
    assert end.winner is not None
    assert (end.winner.candidate.cell.quant, end.confirmed) == ("q3", True)
    assert [one.state for one in end.standings] == [
        "short",
        "no_time",
        "no_time",
        "meets",
        "no_time",
    ]


def test_one_that_was_passed_over_and_meets_the_limits_wins_after_all() -> None:
    truths = [Truth(500, 4, cost=1.0), Truth(500, 12, cost=0.9), Truth(500, 20, cost=0.1)]
    machine = Machine(truths)
    found = machine.run(Search(machine.candidates(), LIMITS, budget_s=100))
    order = [("q0", "search"), ("q2", "search"), ("q2", "proof"), ("q1", "search"), ("q1", "proof")]
    assert machine.asked == order
    assert found.winner is not None
    assert (found.winner.candidate.cell.quant, found.confirmed) == ("q1", True)


def test_one_that_does_not_hold_when_run_again_is_passed_over_with_the_reason() -> None:
    machine = Machine([Truth(500, 12, later=-4), Truth(400, 30)])
    found = machine.run(Search(machine.candidates(), LIMITS, budget_s=100))
    assert found.winner is not None
    assert found.winner.candidate.cell.quant == "q1"
    first = found.standings[0]
    assert (first.state, first.output_tps) == ("short", 8)
    assert first.why == (
        "not when it was run again: 8.0 tok/s with its context full, and 10 are wanted"
    )


def test_without_time_for_a_second_run_it_says_once() -> None:
    machine = Machine([Truth(500, 20, seconds=8)])
    found = machine.run(Search(machine.candidates(), LIMITS, budget_s=10))
    assert found.winner is not None
    assert not found.confirmed


def test_what_is_ruled_out_is_never_run_and_what_is_late_says_so() -> None:
    machine = Machine([Truth(500, 20), Truth(500, 20), Truth(500, 20)])
    first, second, third = machine.candidates()
    out = dataclasses.replace(first, out="too large")
    late = dataclasses.replace(second, out="not made in time", late=True)
    found = machine.run(Search([out, late, third], LIMITS, budget_s=100))
    assert {name for name, _ in machine.asked} == {"q2"}
    assert found.reason == "the budget ended"
    assert [(one.state, one.why) for one in found.standings[:2]] == [
        ("out", "too large"),
        ("no_time", "not made in time"),
    ]


def test_a_draft_is_not_run_beside_a_model_that_took_too_much_without_one() -> None:
    plain, slow = Cell("big", F16), Cell("slow", F16)
    cells = [plain, Cell("big", F16, draft=True), slow, Cell("slow", F16, draft=True)]
    rank = {"big": (0.0,), "slow": (1.0,)}
    search = Search([Candidate(cell, rank[cell.quant]) for cell in cells], LIMITS, budget_s=100)
    asked, now_s, step = [], 0.0, search.start()
    while isinstance(step, Try):
        cell, now_s = step.candidate.cell, now_s + 1
        asked.append(cell.name)
        memory, tps = (2000, 50.0) if cell.quant == "big" else (500, 20.0 if cell.draft else 5.0)
        step = search.handle(Ran(seen(memory, tps), now_s))
    assert asked == ["big, kv f16", "slow, kv f16", "slow, kv f16, draft", "slow, kv f16, draft"]
    assert step.winner is not None
    assert step.winner.candidate.cell.draft
    assert "without the draft" in step.standings[1].why


def test_an_early_look_that_refuses_is_no_filled_run() -> None:
    search = Search([Candidate(Cell("q", F16), (0.0,))], LIMITS, budget_s=100)
    assert isinstance(search.start(), Try)
    end = search.handle(Ran(seen(500, 8.0, tokens=0), 1.0, "8.0 tok/s with an empty context"))
    assert isinstance(end, Finished)
    (one,) = end.standings
    assert (one.state, one.filled, one.memory_bytes) == ("short", (), None)
    assert miss(one.seen, LIMITS) == 10.0 / 8.0


def test_memory_that_was_not_measured_meets_no_limit() -> None:
    blind = dataclasses.replace(seen(1, 50.0), memory_bytes=Missing("not_exposed", "no /proc"))
    assert "what it took of memory is not known" in shortfall(blind, LIMITS)
    on_gpu = Limits(1000, 10.0, gpu_bytes=500)
    heavy = dataclasses.replace(seen(1, 50.0), gpu_bytes=Measured(600, "engine"))
    assert shortfall(heavy, on_gpu) == "600 B of the GPU, and 500 B may be taken"
    assert shortfall(heavy, LIMITS) == ""
