"""A task section of answers with known tokens, times, thinking and bills."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt, Completed, Failed, Usage
from steelyard.domain.task import Invalid, Mark, NotRun, Outcome, Right, Wrong

NS = 1_000_000_000
OUTCOMES: dict[str, Outcome] = {
    "r": Right(),
    "w": Wrong(),
    "t": Invalid("truncated"),
    "-": NotRun("stalled"),
}
LOCAL: Reading[float] = Missing("not_priced", "a local engine bills nothing")


@dataclass(frozen=True)
class Said:
    """One answer: its mark by a letter, tokens, seconds, thinking, how it ended, its bill."""

    mark: str = "r"
    tokens: int = 10
    seconds: float = 1.0
    text: str = "7"
    reasoning: str = ""
    reasoning_tokens: int | None = None
    finish: str = "stop"
    cost: float | None = None


def section(answers: list[Said], name: str = "task/l1") -> Section:
    """Return the answers one after the other, each an item and a cluster of its own."""
    attempts, at = [], 0
    for number, said in enumerate(answers):
        until = at + int(said.seconds * NS)
        attempts.append(_attempt(f"i{number:03d}", said, at, until))
        at = until
    return Section(
        name=name,
        kind="task",
        outcome="completed",
        started_ns=0,
        ended_ns=at,
        attempts=tuple(attempts),
        marks={f"i{n:03d}": Mark(OUTCOMES[said.mark]) for n, said in enumerate(answers)},
        clusters={f"i{n:03d}": f"i{n:03d}" for n in range(len(answers))},
    )


def _attempt(item: str, said: Said, start: int, end: int) -> Attempt:
    thought: Reading[int] = Missing("not_reported")
    if said.reasoning_tokens is not None:
        thought = Measured(said.reasoning_tokens, "engine")
    return Attempt(
        sample=item,
        intended_ns=start,
        sent_ns=start,
        done_ns=end,
        arrivals=(),
        text=said.text,
        reasoning=said.reasoning,
        finish_reason=said.finish,
        usage=Measured(Usage(5, said.tokens, reasoning_tokens=thought), "engine"),
        timings=Missing("not_reported"),
        outcome=Failed("stalled") if said.mark == "-" else Completed(),
        cost=LOCAL if said.cost is None else Measured(said.cost, "engine"),
    )
