"""What a section of a record was asked to do: its workload, its load shape, its moments.

A section and its workload share their name; a section that no workload stands for is a closed loop
of its own streams. Not aware of what its requests were worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never, final

from steelyard.analysis import timing
from steelyard.domain.load import Closed, Conversations, Load, Open, Ramp, Relayed, Steps, Trace
from steelyard.domain.prompts import FromFile, Images, Prefix, Recorded, ShareGpt, Synthetic
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.workload import Workload


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One section: its requests in the order they were sent, and when its load began."""

    section: Section
    attempts: tuple[Attempt, ...]
    began_ns: int

    @property
    def span_ns(self) -> tuple[int, int]:
        """From the first request sent to the last response ended; nothing without requests."""
        if not self.attempts:
            return self.began_ns, self.began_ns
        return self.attempts[0].sent_ns, max(attempt.done_ns for attempt in self.attempts)

    @property
    def elapsed_s(self) -> float:
        """That span in seconds."""
        start_ns, end_ns = self.span_ns
        return (end_ns - start_ns) / timing.NS_PER_S

    def at_s(self, moment_ns: int) -> float:
        """Return a moment as seconds since the load began."""
        return (moment_ns - self.began_ns) / timing.NS_PER_S


def block_of(section: Section) -> Block:
    """Return a section with its requests in order; a load that kept no beginning has its first."""
    attempts = tuple(sorted(section.attempts, key=lambda attempt: attempt.sent_ns))
    first_ns = attempts[0].sent_ns if attempts else section.started_ns
    return Block(section, attempts, section.began_ns or first_ns)


def workload_of(record: RunRecord, section: Section) -> Workload | None:
    """Return the workload that a section carried out; None for a task, or one of another name."""
    return next((each for each in record.spec.workloads if each.name == section.name), None)


def load_of(record: RunRecord, section: Section) -> Load:
    """Return the shape in which a section's requests were to be sent."""
    workload = workload_of(record, section)
    if workload is None or workload.load is None:
        return Closed(section.streams)
    return workload.load


def scheduled(load: Load) -> bool:
    """Say whether the load has moments of its own: it sends whether or not answers come."""
    match load:
        case Open() | Trace():
            return True
        case Ramp(of=of) | Steps(of=of):
            return of == "rate"
        case Closed() | Conversations() | Relayed():
            return False
        case _:
            assert_never(load)


def busy(load: Load) -> bool:
    """Say whether the load means to keep the server at work all along.

    A schedule pauses where it says so, a user thinks before the next turn: such idle time is asked
    for, and nobody's overhead.
    """
    match load:
        case Closed():
            return True
        case Ramp(of=of) | Steps(of=of):
            return of == "streams"
        case Conversations(think_s=think_s):
            return think_s == 0
        case Open() | Trace() | Relayed():
            return False
        case _:
            assert_never(load)


def prompts_in_words(workload: Workload | None) -> str:
    """Say where the prompts came from, and how long they were to be."""
    if workload is None:
        return "not stated"
    if isinstance(workload.load, Relayed):
        return "as the callers wrote them"
    match workload.prompts:
        case None:
            longest = workload.prompt_tokens_max
            span = f" to {longest:,}" if longest else ""
            return f"{workload.prompt_tokens:,}{span} tokens in, {workload.output_tokens:,} out"
        case Synthetic() as made:
            return (
                f"synthetic, {_spread(made.input_tokens, made.input_sd)} tokens in, "
                f"{_spread(made.output_tokens, made.output_sd)} out"
            )
        case Prefix() as made:
            return (
                f"{made.groups} shared beginnings of {made.prefix_tokens:,} tokens, "
                f"{made.input_tokens:,} fresh ones behind, {made.output_tokens:,} out"
            )
        case FromFile(rows=rows, sha256=sha256):
            return f"{rows:,} prompts of a file ({sha256[:12]})"
        case ShareGpt(rows=rows, sha256=sha256):
            return f"{rows:,} recorded conversations ({sha256[:12]})"
        case Recorded(prompt_tokens=lengths):
            return f"synthetic, the lengths of a trace of {len(lengths):,} requests"
        case Images() as made:
            return (
                f"{made.images} fresh pictures of {made.width} × {made.height} pixels before "
                f"{made.input_tokens:,} tokens of prose, {made.output_tokens:,} out"
            )
        case _:
            assert_never(workload.prompts)


def _spread(tokens: int, sd: float) -> str:
    return f"{tokens:,} ± {sd:g}" if sd else f"{tokens:,}"
