"""Two servers of one model, one of them with a draft, asked the same prompts in turns.

At one request at a time each prompt goes to both, and who comes first changes with each prompt. At
higher levels the same batch of prompts goes to both, and who comes first changes with each batch.
Temperature is 0: a draft may change how fast an answer comes and not what it says. Not aware of
statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.analysis.speculation import Pair, Turn
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import value_of
from steelyard.domain.run import Section
from steelyard.domain.speculation import Domain
from steelyard.domain.stream import Attempt, Completed
from steelyard.domain.task import Message, Task
from steelyard.domain.workload import GenerationRequest
from steelyard.platform import clock
from steelyard.runs.bench import Key
from steelyard.runs.execute import Session
from steelyard.tasks.registry import questions
from steelyard.workloads import domains

TURNS: Final = 4
_PHASE: Final = "speculation"
_PER_STREAM: Final = 3
_WARM: Final = 2
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: so many prompts of each kind, answers of at most so many tokens."""

    domains: tuple[Domain, ...]
    prompts: int
    tokens: int
    levels: tuple[int, ...]
    seed: int = 0


@final
@dataclass(slots=True)
class Found:
    """Pairs at one request at a time, and the turns of the higher levels."""

    pairs: list[Pair] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


def measure(plain: Session, drafted: Session, plan: Plan, emit: Emit) -> Found:
    """Ask everything; both records get their sections as they are done."""
    found = Found()
    sides = (_Side(plain), _Side(drafted))
    higher = [level for level in plan.levels if level > 1]
    total = plan.prompts * len(plan.domains) + TURNS * len(higher)
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(_PHASE, total, plain.spec.subject.artifact.name))
    texts = {domain: prompts_of(domain, plan.prompts, plan.seed) for domain in plan.domains}
    done = 0
    for side in sides:
        side.ask("warm", texts[plan.domains[0]][:1] * _WARM, plan.tokens, streams=1)
    for domain in plan.domains:
        for number, text in enumerate(texts[domain]):
            order = sides if number % 2 == 0 else sides[::-1]
            answers = {id(s): s.ask(f"{_PHASE}/{domain}", [text], plan.tokens, 1) for s in order}
            (without,), (with_draft,) = (answers[id(side)] for side in sides)
            found.pairs.append(Pair(domain, without, with_draft))
            found.turns.append(_as_turn(1, [without], [with_draft]))
            done += 1
            emit(Advanced(_PHASE, done, domain))
    mixed = [text for row in zip(*texts.values(), strict=True) for text in row]
    for level in higher:
        for number in range(TURNS):
            found.turns.append(_turn(sides, level, number, mixed, plan.tokens))
            done += 1
            emit(Advanced(_PHASE, done, f"{level} at a time"))
    for side in sides:
        side.keep()
    emit(PhaseEnded(_PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return found


def prompts_of(domain: Domain, count: int, seed: int) -> list[str]:
    """Return so many prompts that ask for one kind of text."""
    made: Mapping[Domain, Callable[[], Sequence[str]]] = {
        "code": lambda: [domains.code(number) for number in range(count)],
        "prose": lambda: [domains.prose(number) for number in range(count)],
        "json": lambda: [q.prompt for q in questions(Task("formats", items=count, seed=seed))],
        "maths": lambda: [q.prompt for q in questions(Task("math_words", items=count, seed=seed))],
    }
    return list(made[domain]())


def _turn(
    sides: tuple[_Side, _Side], level: int, number: int, texts: Sequence[str], tokens: int
) -> Turn:
    count = level * _PER_STREAM
    batch = [texts[(number * count + each) % len(texts)] for each in range(count)]
    name = f"{_PHASE}/c{level}"
    order = sides if number % 2 == 0 else sides[::-1]
    came = {id(side): side.ask(name, batch, tokens, level) for side in order}
    return _as_turn(level, *(came[id(side)] for side in sides))


def _as_turn(level: int, plain: Sequence[Attempt], drafted: Sequence[Attempt]) -> Turn:
    return Turn(level, _tokens(plain), _span_s(plain), _tokens(drafted), _span_s(drafted))


@final
class _Side:
    """One of the two servers, and what it has answered so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._number = 0
        self._answers: dict[str, tuple[int, list[Attempt]]] = {}

    def ask(self, name: str, texts: Sequence[str], tokens: int, streams: int) -> list[Attempt]:
        """Send these prompts, so many at a time, and return the answers in their order."""
        bench = self._session.opened
        bench.client.set_streams(streams)
        for text in texts:
            request = GenerationRequest((Message("user", text),), max_tokens=tokens)
            bench.submit(Key(name, 0, str(self._number)), request)
            self._number += 1
        read = [bench.read(exchange) for exchange in bench.results()]
        attempts = sorted(read, key=lambda attempt: int(attempt.sample))
        self._answers.setdefault(name, (streams, []))[1].extend(attempts)
        return attempts

    def keep(self) -> None:
        """Put what was answered into the record, a section for each kind of text and level."""
        self._answers.pop("warm", None)
        for name, (streams, attempts) in self._answers.items():
            section = Section(
                name=name,
                kind="workload",
                outcome="completed",
                started_ns=min(attempt.sent_ns for attempt in attempts),
                ended_ns=max(attempt.done_ns for attempt in attempts),
                attempts=tuple(attempts),
                streams=streams,
            )
            self._session.found.sections.append(section)


def _tokens(attempts: Sequence[Attempt]) -> int:
    whole = [value_of(a.usage) for a in attempts if isinstance(a.outcome, Completed)]
    return sum(usage.output_tokens for usage in whole if usage is not None)


def _span_s(attempts: Sequence[Attempt]) -> float:
    return (max(a.done_ns for a in attempts) - min(a.sent_ns for a in attempts)) / _NS_PER_S
