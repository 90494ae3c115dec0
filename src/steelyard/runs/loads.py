"""Sending a load: every shape becomes moments, streams and a last call that the client keeps.

Requests are made and prepared before the clock starts, as far as can be known how many there will
be. While it runs, this process only reads announcements; the answers are looked into afterwards,
except where the next request depends on one. Not aware of metrics or engines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.domain.ids import content_id
from steelyard.domain.load import Closed, Conversations, Load, Open, Ramp, Relayed, Steps, Trace
from steelyard.domain.progress import Emit, Gauges
from steelyard.domain.reading import Measured
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.workload import Workload
from steelyard.loadgen import schedule
from steelyard.loadgen.jobs import Answer, Done
from steelyard.platform import clock
from steelyard.runs.bench import SILENT, Bench, Key
from steelyard.stats.saturation import oversaturated
from steelyard.workloads.conversation import Conversation, conversations
from steelyard.workloads.prompts import Prompt

_NS_PER_S: Final = 1_000_000_000
_OK: Final = 200
_SHOW_NS: Final = 250_000_000
_RECENT: Final = 64
# From here to the first send: time in which the driver reads the jobs, about 40 µs each.
_LEAD_NS: Final = 30_000_000
_LEAD_NS_PER_JOB: Final = 60_000
_MOST_STREAMS: Final = 100_000
# Requests made ahead for each stream of a load that ends by time, and the most that wait.
_AHEAD: Final = 4
_MADE_MOST: Final = 20_000
_HOPELESS_LOOK_NS: Final = 1_000_000_000
# So many requests for each stream, and at least that many, that met nobody: then it is looked
# whether the server is still there. Else a closed loop would fail thousands of times a second.
_UNMET: Final = 2
_UNMET_LEAST: Final = 16


@final
@dataclass(slots=True)
class Driven:
    """What came of a load: attempts in the order of their numbers, and what never was sent."""

    attempts: list[Attempt] = field(default_factory=list)
    planned: int = 0
    dropped: int = 0
    began_ns: int = 0
    reason: str = ""


def drive(
    bench: Bench, workload: Workload, go: int, prompts: Iterator[Prompt], *, pace_s: float
) -> Driven:
    """Send one load and return what came. `pace_s` is about how long one request takes."""
    load = workload.load or Closed(workload.streams)
    match load:
        case Conversations():
            return _Talk(bench, workload, go, load, prompts).run()
        case Open() | Trace() | Ramp(of="rate") | Steps(of="rate"):
            return _Timed(bench, workload, go, load, prompts).run()
        case Relayed():
            raise BadInput("what came through a proxy was recorded: it is not sent again")
        case Closed() | Ramp() | Steps():
            return _Loop(bench, workload, go, load, prompts, pace_s).run()


def schedule_seed(campaign_seed: int, section: str, go: int) -> int:
    """Return the seed of a load's moments: no two loads of a run, nor two goes, have the same."""
    return int(content_id([campaign_seed, section, go]), 16)


@final
class _Show:
    """Tells four times a second how the load goes."""

    def __init__(self, emit: Emit, name: str, began_ns: int, planned: int | None) -> None:
        self._emit, self._name, self._began_ns, self._planned = emit, name, began_ns, planned
        self._next_ns = 0
        self._ends: deque[int] = deque(maxlen=_RECENT)
        self._firsts: deque[int] = deque(maxlen=_RECENT)
        self._gaps: deque[float] = deque(maxlen=_RECENT)
        self._late_ns = self._behind_ns = 0
        self.ended = self.done = self.failed = 0

    def take(self, answer: Answer, in_flight: Callable[[], int]) -> None:
        """Count one announcement; `in_flight` is asked when there is something to tell."""
        self.ended += 1
        if not isinstance(answer, Done):
            return
        self.done += 1
        self.failed += answer.failure is not None or answer.status != _OK
        now = clock.monotonic_ns()
        self._ends.append(now)
        if answer.first_ns >= 0:
            self._firsts.append(answer.first_ns)
        if answer.reads > 1:
            self._gaps.append(answer.span_ns / (answer.reads - 1))
        self._late_ns = max(self._late_ns, answer.late_ns)
        self._behind_ns = max(self._behind_ns, answer.behind_ns)
        if now >= self._next_ns:
            self._next_ns = now + _SHOW_NS
            self._emit(self._gauges(now, in_flight()))

    def _gauges(self, now: int, in_flight: int) -> Gauges:
        span = (self._ends[-1] - self._ends[0]) / _NS_PER_S
        return Gauges(
            name=self._name,
            elapsed_s=max(0.0, (now - self._began_ns) / _NS_PER_S),
            sent=self.done + in_flight,
            done=self.done,
            failed=self.failed,
            in_flight=in_flight,
            per_s=(len(self._ends) - 1) / span if span > 0 else 0.0,
            first_ms=median(self._firsts) / 1e6 if self._firsts else None,
            gap_ms=median(self._gaps) / 1e6 if self._gaps else None,
            late_ms=self._late_ns / 1e6,
            behind_ms=self._behind_ns / 1e6,
            planned=self._planned,
        )


@final
class _Presence:
    """Watches whether anybody still answers there: if not, the load is ended early."""

    def __init__(self, bench: Bench, streams: int) -> None:
        self._bench = bench
        self._most = max(_UNMET_LEAST, _UNMET * streams)
        self._unmet = self._silent = 0

    def gone(self, failure: str | None) -> str:
        """Return why the load is to be ended, or nothing; `failure` is that of the last request."""
        self._silent = self._silent + 1 if failure == "stalled" else 0
        if self._silent == SILENT:
            return "ended early: the server fell silent"
        self._unmet = self._unmet + 1 if failure == "connection_refused" else 0
        if self._unmet < self._most:
            return ""
        self._unmet = 0
        return "" if self._bench.engine.alive() else "ended early: the server is gone"


@final
@dataclass(slots=True)
class _Loop:
    """A closed loop: so many in flight, whose number may change at set moments."""

    bench: Bench
    workload: Workload
    go: int
    load: Closed | Ramp | Steps
    prompts: Iterator[Prompt]
    pace_s: float
    wanted: dict[str, int | None] = field(default_factory=dict)

    def run(self) -> Driven:
        levels = schedule.streams_ns(self.load)
        length = schedule.duration_of(self.load)
        own_s = length.value if isinstance(length, Measured) else None
        lasts_s = self.workload.duration_s or own_s
        most = max(streams for _, streams in levels)
        first = self.workload.requests or self._ahead(lasts_s or 0.0, most)
        made = [self._made() for _ in range(first)]
        client = self.bench.client
        client.set_streams(0)
        for key, request in made:
            client.submit(str(key), request, stall_ns=self.bench.stall_ns)
        began_ns = clock.monotonic_ns() + _LEAD_NS + _LEAD_NS_PER_JOB * len(made)
        waves = isinstance(self.load, Closed) and self.load.batching == "static"
        for offset_ns, streams in levels:
            client.set_streams(streams, at_ns=began_ns + offset_ns, waves=waves)
        end_ns = None if lasts_s is None else began_ns + round(lasts_s * _NS_PER_S)
        if end_ns is not None:
            client.last_call(end_ns)
        show = _Show(self.bench.emit, self.workload.name, began_ns, None if end_ns else len(made))
        limited, reason = lasts_s is None or self.workload.requests > 0, ""
        presence = _Presence(self.bench, most)
        for answer in client.answers():
            going = end_ns is None or clock.monotonic_ns() < end_ns
            if going and not reason:
                if reason := self.bench.too_hot() or presence.gone(_failure(answer)):
                    client.last_call(clock.monotonic_ns())
                elif not limited:
                    key, request = self._made()
                    client.submit(str(key), request, stall_ns=self.bench.stall_ns)
            show.take(
                answer,
                lambda: min(
                    _level_now(levels, began_ns) - (show.ended % most if waves else 0),
                    len(self.wanted) - show.ended,
                ),
            )
            self.bench.advance(self.workload.name)
        attempts = _attempts(self.bench, self.wanted)
        planned = first if limited else len(attempts)
        return Driven(attempts, planned, planned - len(attempts), began_ns, reason)

    def _ahead(self, lasts_s: float, streams: int) -> int:
        """Return how many requests are made before the clock starts."""
        likely = streams * lasts_s / max(self.pace_s, 1e-4) / 2
        return round(min(_MADE_MOST, max(_AHEAD * streams, likely)))

    def _made(self) -> tuple[Key, bytes]:
        prompt = next(self.prompts)
        key = Key(self.workload.name, self.go, str(len(self.wanted)))
        self.wanted[key.sample] = prompt.prompt_tokens_wanted
        return key, self.bench.prepared(prompt.request)


@final
@dataclass(slots=True)
class _Timed:
    """An open load: each request has its moment, whether or not answers come."""

    bench: Bench
    workload: Workload
    go: int
    load: Load
    prompts: Iterator[Prompt]

    def run(self) -> Driven:
        workload, client = self.workload, self.bench.client
        moments = schedule.moments_ns(
            self.load,
            schedule_seed(self.bench.spec.campaign_seed, workload.name, self.go),
            requests=workload.requests or None,
            duration_s=workload.duration_s,
        )
        prompts = list(islice(self.prompts, len(moments)))
        made = [self.bench.prepared(prompt.request) for prompt in prompts]
        levels = schedule.streams_ns(self.load)
        client.set_streams(levels[0][1] if levels else _MOST_STREAMS)
        began_ns = clock.monotonic_ns() + _LEAD_NS + _LEAD_NS_PER_JOB * len(made)
        for number, (offset_ns, request) in enumerate(zip(moments, made, strict=True)):
            key = Key(workload.name, self.go, str(number))
            at_ns = began_ns + offset_ns
            client.submit(str(key), request, at_ns=at_ns, stall_ns=self.bench.stall_ns)
        watch = _Backlog(began_ns, moments)
        cap = levels[0][1] if levels else len(moments)
        show = _Show(self.bench.emit, workload.name, began_ns, len(moments))
        dropped, reason, presence = 0, "", _Presence(self.bench, min(cap, _UNMET_LEAST))
        for answer in client.answers():
            dropped += not isinstance(answer, Done)
            show.take(answer, lambda: min(cap, watch.in_flight(show.ended)))
            self.bench.advance(workload.name)
            if reason:
                continue
            reason = presence.gone(_failure(answer))
            if not reason and self.bench.ends_hopeless:
                reason = watch.hopeless(answer, show.done)
            if reason:
                client.last_call(clock.monotonic_ns())
        wanted = {str(n): prompt.prompt_tokens_wanted for n, prompt in enumerate(prompts)}
        return Driven(_attempts(self.bench, wanted), len(moments), dropped, began_ns, reason)


@final
class _Backlog:
    """Watches whether an open load is more than the server can take: then it is ended early."""

    def __init__(self, began_ns: int, moments: tuple[int, ...]) -> None:
        self._began_ns, self._moments = began_ns, moments
        self._flights: list[tuple[float, float]] = []
        self._firsts: list[tuple[float, float]] = []
        self._due = 0
        self._look_ns = began_ns + _HOPELESS_LOOK_NS

    def in_flight(self, done: int) -> int:
        """Return how many were due and have not ended."""
        passed = clock.monotonic_ns() - self._began_ns
        while self._due < len(self._moments) and self._moments[self._due] <= passed:
            self._due += 1
        return max(0, self._due - done)

    def hopeless(self, answer: Answer, done: int) -> str:
        """Return why the load is to be ended, or nothing."""
        if isinstance(answer, Done) and answer.first_ns >= 0:
            sent_s = (answer.sent_ns - self._began_ns) / _NS_PER_S
            self._firsts.append((sent_s, answer.first_ns / _NS_PER_S))
        now = clock.monotonic_ns()
        self._flights.append(((now - self._began_ns) / _NS_PER_S, float(self.in_flight(done))))
        if now < self._look_ns or self._due == len(self._moments):
            return ""
        self._look_ns = now + _HOPELESS_LOOK_NS
        found = oversaturated(self._flights, sorted(self._firsts))
        return f"ended early: {found.reason}" if found.hopeless else ""


@final
class _Talk:
    """Conversations: a turn's request is made of the answers before it."""

    def __init__(
        self,
        bench: Bench,
        workload: Workload,
        go: int,
        load: Conversations,
        prompts: Iterator[Prompt],
    ) -> None:
        self._bench, self._workload, self._go, self._load = bench, workload, go, load
        self._hands = conversations(load, prompts)
        self._talks: dict[int, Conversation] = {}
        self._attempts: list[Attempt] = []
        self._asked = 0
        self._due_ns: dict[int, int] = {}
        self._end_ns: int | None = None
        self._presence = _Presence(bench, load.users)
        self._reason = ""

    def run(self) -> Driven:
        load, client = self._load, self._bench.client
        client.set_streams(load.users)
        began_ns = clock.monotonic_ns() + _LEAD_NS
        if self._workload.duration_s is not None:
            self._end_ns = began_ns + round(self._workload.duration_s * _NS_PER_S)
        show = _Show(self._bench.emit, self._workload.name, began_ns, None)
        for user in range(load.users):
            self._begin(user, began_ns)
        for exchange in client.results():
            attempt = self._bench.read(exchange)
            self._attempts.append(attempt)
            user = int(attempt.sample.partition("/")[0])
            self._due_ns.pop(user, None)
            show.take(_as_done(attempt), self._in_flight)
            self._bench.advance(self._workload.name)
            after_ns = attempt.done_ns + round(load.think_s * _NS_PER_S)
            talk = self._talks[user]
            whole = isinstance(attempt.outcome, Completed)
            why = attempt.outcome.why if isinstance(attempt.outcome, Failed) else None
            self._reason = self._reason or self._presence.gone(why)
            request = talk.on(attempt.text) if whole else None
            if request is None:
                self._begin(user, after_ns)
            elif self._more(after_ns):
                self._submit(user, talk, self._bench.prepared(request), after_ns)
        return Driven(self._attempts, self._asked, 0, began_ns, self._reason)

    def _in_flight(self) -> int:
        now = clock.monotonic_ns()
        return sum(due_ns <= now for due_ns in self._due_ns.values())

    def _begin(self, user: int, at_ns: int) -> None:
        if self._more(at_ns):
            self._talks[user] = talk = next(self._hands[user])
            self._submit(user, talk, self._bench.prepared(talk.start()), at_ns)

    def _more(self, at_ns: int) -> bool:
        most = self._workload.requests
        if self._reason or (self._end_ns is not None and at_ns >= self._end_ns):
            return False
        return self._asked < most or (self._end_ns is not None and not most)

    def _submit(self, user: int, talk: Conversation, request: bytes, at_ns: int) -> None:
        self._asked += 1
        self._due_ns[user] = at_ns
        key = Key(self._workload.name, self._go, talk.sample)
        self._bench.client.submit(str(key), request, at_ns=at_ns, stall_ns=self._bench.stall_ns)


def _level_now(levels: Sequence[tuple[int, int]], began_ns: int) -> int:
    """Return how many may be in flight at this moment."""
    passed = clock.monotonic_ns() - began_ns
    return next((streams for from_ns, streams in reversed(levels) if from_ns <= passed), 0)


def _failure(answer: Answer) -> str | None:
    return answer.failure if isinstance(answer, Done) else None


def _as_done(attempt: Attempt) -> Done:
    times = [arrival.at_ns for arrival in attempt.arrivals]
    return Done(
        id=attempt.sample,
        failure=None if isinstance(attempt.outcome, Completed) else attempt.outcome.why,
        status=_OK,  # a failed attempt says so by its failure
        sent_ns=attempt.sent_ns,
        first_ns=times[0] - attempt.sent_ns if times else -1,
        span_ns=times[-1] - times[0] if times else 0,
        reads=len(times),
        late_ns=attempt.late_ns,
        behind_ns=attempt.sent_ns - attempt.intended_ns,
    )


def _attempts(bench: Bench, wanted: Mapping[str, int | None]) -> list[Attempt]:
    """Read what the client holds, one exchange at a time."""
    return [
        bench.read(exchange, prompt_tokens_wanted=wanted.get(Key.read(exchange.id).sample))
        for exchange in bench.client.exchanges()
    ]
