"""One start of an engine and the first requests after it; or one loading by a server that was up.

The first request and the later ones are of one length and begin differently, so that no prefix
cache shortens any. Nothing is generated before the first. Not aware of page caches, statistics or
how often it is done.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis import timing
from steelyard.domain.errors import EngineError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing, Reading, derived, value_of
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Forgets
from steelyard.engines.attached import AttachedEngine
from steelyard.engines.host import RunningEngine
from steelyard.platform import disk_reads
from steelyard.runs.bench import Key
from steelyard.runs.execute import Session
from steelyard.runs.texts import passage

FIRST: Final = "cold/first"
LATER: Final = "cold/later"
BEFORE: Final = Missing(
    "loaded_before", "this server loads its model before it can be reached: nobody sees it load"
)
_LATER: Final = 3
_UNLOADED_S: Final = 60.0
_PAUSE_S: Final = 0.05
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """The words of a request's prompt, and the tokens of its answer."""

    words: int
    tokens: int
    seed: int


@final
@dataclass(frozen=True, slots=True)
class Answered:
    """Times to first token of the first request and, in the middle, of those after it."""

    first_s: Reading[float]
    later_s: Reading[float]
    engine_load_s: Reading[float]
    fetched_bytes: Reading[int]


def ask(session: Session, asked: Asked, number: int) -> Answered:
    """Send the first request of a fresh engine and a few more; their sections are kept."""
    texts = [_text(asked, number, each) for each in range(1 + _LATER)]
    (first,) = _sent(session, FIRST, texts[:1], asked.tokens)
    engine = session.opened.engine
    fetched: Reading[int] = BEFORE
    if isinstance(engine, RunningEngine):
        fetched = disk_reads.read_bytes(engine.pid)
    later = _sent(session, LATER, texts[1:], asked.tokens)
    return Answered(timing.ttft_s(first), _median(later), _load_s(first), fetched)


def require_forgetful(engine: AttachedEngine) -> Forgets:
    """Return the dialect of a server that unloads its model when told to; else raise the reason."""
    dialect = engine.dialect
    if isinstance(dialect, Forgets):
        told = dialect.read_loaded(engine.ask(dialect.loaded_call()))
        if isinstance(told, Measured):
            return dialect
        raise UnsupportedSubject(f"{BEFORE} ({told})", hint=_HINT)
    raise UnsupportedSubject(str(BEFORE), hint=_HINT)


_HINT: Final = (
    "give the model's file and it is started here; a server at an address can be Ollama, "
    "or llama-server as a router (started without a model)"
)


def forget(engine: AttachedEngine, dialect: Forgets) -> None:
    """Have the model unloaded, and wait until the server says that it is."""
    if not _is_loaded(engine, dialect):
        return
    engine.ask(dialect.unload_call())
    end = time.monotonic() + _UNLOADED_S
    while _is_loaded(engine, dialect):
        if time.monotonic() > end:
            raise EngineError(
                f"the server still has {engine.model} loaded {_UNLOADED_S:.0f} s after it was told "
                "to unload it",
                hint="somebody else may be using it",
            )
        time.sleep(_PAUSE_S)


def _is_loaded(engine: AttachedEngine, dialect: Forgets) -> bool:
    told = dialect.read_loaded(engine.ask(dialect.loaded_call()))
    if isinstance(told, Missing):
        raise EngineError(f"the server does not say any more what it has loaded: {told}")
    return told.value


def _sent(session: Session, name: str, texts: Sequence[str], tokens: int) -> list[Attempt]:
    bench = session.opened
    bench.client.set_streams(1)
    for number, text in enumerate(texts):
        request = GenerationRequest(
            (Message("user", text),), max_tokens=tokens, seed=session.spec.controls.seed
        )
        bench.submit(Key(name, 0, str(number)), request)
    attempts = sorted(
        (bench.read(exchange) for exchange in bench.results()), key=lambda one: int(one.sample)
    )
    session.found.sections.append(
        Section(
            name=name,
            kind="workload",
            outcome="completed",
            started_ns=min(attempt.sent_ns for attempt in attempts),
            ended_ns=max(attempt.done_ns for attempt in attempts),
            attempts=tuple(attempts),
        )
    )
    return attempts


def _text(asked: Asked, number: int, each: int) -> str:
    """Return the same prose with another beginning."""
    draw = random.Random(asked.seed)
    words: list[str] = []
    while len(words) < asked.words:
        words += passage(draw).split()
    beginning = random.Random(f"{asked.seed}/{number}/{each}").randrange(100_000, 1_000_000)
    return f"{beginning}. {' '.join(words[: asked.words])}"


def _median(attempts: Sequence[Attempt]) -> Reading[float]:
    readings = [timing.ttft_s(attempt) for attempt in attempts]
    values = [reading.value for reading in readings if isinstance(reading, Measured)]
    if values:
        return Measured(statistics.median(values), "derived")
    return next(reading for reading in readings if isinstance(reading, Missing))


def _load_s(first: Attempt) -> Reading[float]:
    timings = value_of(first.timings)
    if timings is None:
        return Missing("not_reported", "the engine told no times of its own")
    return derived(timings.load_ns, lambda taken: taken / _NS_PER_S)
