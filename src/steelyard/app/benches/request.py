"""What a bench is asked to do: the options as typed.

Not aware of what they mean: `benches.asked` reads them, and `benches.refused` names those that say
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, final

from steelyard.app.benches import both_ways
from steelyard.platform import clock, containers
from steelyard.workloads.shapes import Typed

_BLOCKS: Final = 6
_SEED_MOST: Final = (1 << 31) - 1  # what servers take for a seed


def _fresh_seed() -> int:
    return clock.uuid7().int & _SEED_MOST


@final
@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What was typed, checked for type and range only; None for what was not.

    `timeout` is the longest silence of one request, in seconds. A seed that was not typed is a
    fresh one: a server must not find in its cache what an earlier bench asked.
    """

    subject: str
    compare: str | None = None
    engine: str | None = None
    model: str | None = None
    concurrency: str | None = None
    batching: str | None = None
    rate: str | None = None
    arrivals: str | None = None
    cap: int | None = None
    ramp: str | None = None
    steps: str | None = None
    trace: Path | None = None
    trace_speed: float | None = None
    conversations: str | None = None
    load: str | None = None
    requests: int | None = None
    duration: float | None = None
    prompts: str | None = None
    slo: str | None = None
    find_knee: bool = False
    blocks: int | None = None
    warmup: int = 1
    timeout: float = 120.0
    seed: int = field(default_factory=_fresh_seed)
    processes: int = 1
    threads: int | None = None
    runtime: str | None = None
    image: str | None = None
    device: str | None = None
    api_key_env: str | None = None
    send_key_anywhere: bool = False
    cacert: Path | None = None
    insecure: bool = False
    strict: bool = False
    probe: bool = False
    sidecar: bool = False
    out: Path | None = None
    shorter: str = "shorter --prompts synthetic:in=…,out=…"  # how less context would do

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Take the options of a door; an unknown one is a programming error."""
        typed = dict(options)
        if typed.get("seed") is None:
            typed.pop("seed", None)
        return cls(**typed)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What is measured: one, or two that take turns."""
        return (self.subject, *([self.compare] if self.compare is not None else []))

    @property
    def contained(self) -> bool:
        """Whether an engine of ours is to be started from a published image."""
        return self.runtime in containers.NAMES

    @property
    def both_ways(self) -> bool:
        """Whether each level is measured with places refilled at once and in waves, in turns."""
        return self.batching == both_ways.BOTH

    @property
    def turns(self) -> int:
        """Blocks of a comparison."""
        return _BLOCKS if self.blocks is None else self.blocks

    @property
    def shape_options(self) -> Typed:
        """The options that say when requests are sent."""
        return Typed(
            concurrency=self.concurrency,
            rate=self.rate,
            arrivals=self.arrivals,
            cap=self.cap,
            ramp=self.ramp,
            steps=self.steps,
            trace=self.trace,
            trace_speed=self.trace_speed,
            conversations=self.conversations,
            batching=self.batching,
        )


def is_address(subject: str) -> bool:
    """Say whether a subject is the address of a server, also one without its scheme."""
    if "://" in subject:
        return True
    host, colon, rest = subject.partition(":")
    port = rest.partition("/")[0]
    return bool(colon and host) and port.isdigit() and "/" not in host


def with_engine(subject: str, request: BenchRequest) -> str:
    """Return a file with --engine behind an @; beside an address that option is the server's."""
    if request.engine is None or any(map(is_address, request.subjects)):
        return subject
    from steelyard.app import subjects

    return subjects.on(subject, request.engine)
