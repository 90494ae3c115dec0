"""Load shapes: when requests are to be sent. Closed loops wait for answers, open ones do not.

Rates are requests a second, times are seconds from the beginning of the load. What is sent is the
workload's affair. Not aware of clocks or sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never, final

Process: TypeAlias = Literal["constant", "poisson", "gamma"]
Of: TypeAlias = Literal["rate", "streams"]
Batching: TypeAlias = Literal["continuous", "static"]


@final
@dataclass(frozen=True, slots=True)
class Closed:
    """`streams` requests in flight all the time: each answer makes room for the next request.

    With `static` batching they go out in waves: so many begin together, and the next so many only
    when all of them have ended.
    """

    streams: int = 1
    kind: Literal["closed"] = "closed"
    batching: Batching = "continuous"


@final
@dataclass(frozen=True, slots=True)
class Open:
    """Arrivals at a mean rate, whether or not answers come; at most `cap` in flight where set.

    `cv` is the coefficient of variation of the time between two: 0 for constant, 1 for Poisson,
    free for gamma (above 1 they come in bursts).
    """

    rate: float
    process: Process = "poisson"
    cv: float = 1.0
    cap: int | None = None
    kind: Literal["open"] = "open"


@final
@dataclass(frozen=True, slots=True)
class Ramp:
    """A rate (Poisson arrivals) or a number of streams that goes evenly from `start` to `end`."""

    of: Of
    start: float
    end: float
    over_s: float
    kind: Literal["ramp"] = "ramp"


@final
@dataclass(frozen=True, slots=True)
class Steps:
    """Rates (Poisson arrivals) or numbers of streams, one after the other, `each_s` long."""

    of: Of
    levels: tuple[float, ...]
    each_s: float
    kind: Literal["steps"] = "steps"


@final
@dataclass(frozen=True, slots=True)
class Trace:
    """The moments of a recorded load, from its first request; `speed` 2 plays it in half the time.

    `prompt_tokens` and `output_tokens` are those of each request where the trace knows them;
    `sha256` is that of the file.
    """

    at_s: tuple[float, ...]
    sha256: str
    prompt_tokens: tuple[int, ...] = ()
    output_tokens: tuple[int, ...] = ()
    speed: float = 1.0
    kind: Literal["trace"] = "trace"


@final
@dataclass(frozen=True, slots=True)
class Conversations:
    """`users` who each hold conversations of `turns`, thinking `think_s` before the next turn.

    A turn's request carries all turns before it, answers included.
    """

    users: int
    turns: int = 4
    think_s: float = 0.0
    kind: Literal["conversations"] = "conversations"


@final
@dataclass(frozen=True, slots=True)
class Relayed:
    """What others sent through a proxy of ours, when and as they wished: recorded, not made."""

    kind: Literal["relayed"] = "relayed"


Load: TypeAlias = Closed | Open | Ramp | Steps | Trace | Conversations | Relayed


def label(load: Load) -> str:
    """Return a short key without spaces, unique for a shape's settings."""
    match load:
        case Closed(streams=streams, batching=batching):
            return f"c{streams}" + ("-static" if batching == "static" else "")
        case Open(rate=rate, process=process, cv=cv, cap=cap):
            spread = f"{cv:g}" if process == "gamma" else ""
            return f"r{rate:g}-{process}{spread}" + (f"-cap{cap}" if cap else "")
        case Ramp(of=of, start=start, end=end, over_s=over_s):
            return f"ramp-{of}{start:g}-{end:g}-{over_s:g}s"
        case Steps(of=of, levels=levels, each_s=each_s):
            return f"steps-{of}{'+'.join(f'{level:g}' for level in levels)}-{each_s:g}s"
        case Trace(sha256=sha256, speed=speed):
            return f"trace-{sha256[:8]}" + (f"-x{speed:g}" if speed != 1 else "")
        case Conversations(users=users, turns=turns, think_s=think_s):
            return f"users{users}-turns{turns}-think{think_s:g}s"
        case Relayed():
            return "relayed"
        case _:
            assert_never(load)


def described(load: Load) -> str:
    """Return the shape in a few words, for people."""
    match load:
        case Closed(streams=streams, batching=batching):
            return f"{streams} at a time" + (", in waves" if batching == "static" else "")
        case Open(rate=rate, process=process, cap=cap):
            return f"{rate:g}/s {process}" + (f", at most {cap} at a time" if cap else "")
        case Ramp(of=of, start=start, end=end, over_s=over_s):
            unit = "/s" if of == "rate" else " at a time"
            return f"{start:g} to {end:g}{unit} over {over_s:g} s"
        case Steps(of=of, levels=levels, each_s=each_s):
            unit = "/s" if of == "rate" else " at a time"
            return f"{', '.join(f'{level:g}' for level in levels)}{unit}, {each_s:g} s each"
        case Trace(at_s=at_s, speed=speed):
            return f"a trace of {len(at_s)} requests" + (
                f", {speed:g} times as fast" * (speed != 1)
            )
        case Conversations(users=users, turns=turns, think_s=think_s):
            return f"{users} users, {turns} turns, {think_s:g} s of thought"
        case Relayed():
            return "as it came through the proxy"
        case _:
            assert_never(load)
