"""Every load shape over the real client and real sockets: what is sent, when, and when it ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.app.bench_stage import Server, pacer
from tests.engines.foreign import ONE_MODEL, Reply, serving

from steelyard.domain.load import Closed, Conversations, Load, Open, Ramp, Steps, Trace
from steelyard.domain.progress import Gauges, Progress
from steelyard.domain.prompts import Prefix, PromptSource, Recorded, Synthetic
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, Place, RunSpec, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.workload import Workload
from steelyard.engines import attached
from steelyard.engines.url import Endpoint
from steelyard.loadgen import schedule, spool
from steelyard.runs.execute import Executor, Session
from steelyard.runs.identity import Verifier
from steelyard.runs.loads import schedule_seed

MS = 1_000_000
S = 1_000_000_000
SHORT = Synthetic(32, 4)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--ttft-ms", "8", "--gap-ms", "1", "--tokens", "4")
    with pacer(tmp_path_factory.mktemp("pacer"), *flags) as up:
        yield up


def workload(
    load: Load,
    requests: int = 0,
    *,
    duration_s: float | None = None,
    prompts: PromptSource = SHORT,
    warmup: int = 1,
) -> Workload:
    return Workload(
        *("bench", 32, 4, requests),
        warmup=warmup,
        load=load,
        duration_s=duration_s,
        prompts=prompts,
    )


@dataclass
class Visit:
    """A session in front of a server, and what it told on the way."""

    session: Session
    told: list[Progress] = field(default_factory=list)


@contextmanager
def visiting(url: str, folder: Path, *work: Workload) -> Iterator[Visit]:
    endpoint = Endpoint.read(url)
    engine = attached.attach(endpoint)
    spec = RunSpec(engine.subject, Controls(warmup=1), workloads=work, campaign_seed=7)
    place = Place((), {}, folder / "run", endpoint.host, endpoint.port)
    told: list[Progress] = []
    with Executor(Verifier(), told.append).visit(spec, engine, place) as session:
        yield Visit(session, told)
    assert session.found.outcome == "completed", session.found.reason


def measured(url: str, folder: Path, work: Workload) -> Section:
    with visiting(url, folder, work) as visit:
        return visit.session.measure(work)


def most_in_flight(attempts: Sequence[Attempt]) -> int:
    turns = [(a.sent_ns, 1) for a in attempts] + [(a.done_ns, -1) for a in attempts]
    return max(itertools.accumulate(step for _, step in sorted(turns)))


def offsets(section: Section) -> list[int]:
    return [attempt.intended_ns - section.began_ns for attempt in section.attempts]


def test_a_closed_loop_keeps_its_streams_full_and_no_more(server: Server, tmp_path: Path) -> None:
    section = measured(server.url, tmp_path, workload(Closed(3), 30))
    assert [attempt.sample for attempt in section.attempts] == [str(n) for n in range(30)]
    assert most_in_flight(section.attempts) == 3
    one_stream_ns = sum(attempt.done_ns - attempt.sent_ns for attempt in section.attempts)
    assert section.ended_ns - section.started_ns < one_stream_ns
    assert (section.planned, section.dropped) == (30, 0)


def test_a_load_that_ends_by_time_begins_nothing_afterwards(server: Server, tmp_path: Path) -> None:
    section = measured(server.url, tmp_path, workload(Closed(2), duration_s=0.4))
    sent = [attempt.sent_ns - section.began_ns for attempt in section.attempts]
    assert len(sent) > 8
    assert min(sent) >= 0
    assert max(sent) < 0.4 * S
    assert section.planned == len(sent)


def test_what_two_ends_leave_unsent_is_counted(server: Server, tmp_path: Path) -> None:
    section = measured(server.url, tmp_path, workload(Closed(1), 500, duration_s=0.3))
    assert 5 < len(section.attempts) < 40
    assert section.planned == 500
    assert section.dropped == 500 - len(section.attempts)


@pytest.mark.parametrize(
    "load",
    [
        Open(60.0, "constant", 0.0),
        Open(60.0),
        Open(60.0, "gamma", 2.0),
        Ramp("rate", 20.0, 80.0, 0.5),
        Steps("rate", (20.0, 80.0), 0.25),
        Trace((0.0, 0.01, 0.2, 0.3), "ab" * 32, speed=2.0),
    ],
    ids=["constant", "poisson", "gamma", "ramp", "steps", "trace"],
)
def test_an_open_load_wants_each_request_at_its_moment(
    server: Server, tmp_path: Path, load: Load
) -> None:
    ends = None if not isinstance(load, Open) else 0.5
    work = workload(load, duration_s=ends)
    section = measured(server.url, tmp_path, work)
    seed = schedule_seed(7, work.name, 0)
    wanted = schedule.moments_ns(load, seed, requests=None, duration_s=ends)
    assert offsets(section) == list(wanted)
    assert len(wanted) >= 4
    assert all(attempt.sent_ns >= attempt.intended_ns for attempt in section.attempts)


def test_a_cap_holds_requests_back_and_their_moments_stay(server: Server, tmp_path: Path) -> None:
    section = measured(server.url, tmp_path, workload(Open(300.0, "constant", 0.0, cap=2), 30))
    assert most_in_flight(section.attempts) == 2
    assert offsets(section) == [round(n * S / 300) for n in range(30)]
    behind = [attempt.sent_ns - attempt.intended_ns for attempt in section.attempts]
    assert behind[-1] > 20 * MS


@pytest.mark.parametrize(
    "load", [Steps("streams", (1, 4), 0.3), Ramp("streams", 1, 4, 0.6)], ids=["steps", "ramp"]
)
def test_streams_that_change_do_so_at_their_moments(
    server: Server, tmp_path: Path, load: Load
) -> None:
    section = measured(server.url, tmp_path, workload(load))
    levels = schedule.streams_ns(load)
    for (from_ns, streams), (until_ns, _) in itertools.pairwise([*levels, (600 * MS, 0)]):
        inside = [
            attempt
            for attempt in section.attempts
            if from_ns <= attempt.sent_ns - section.began_ns < until_ns
        ]
        assert inside
        assert most_in_flight(inside) <= streams
    assert most_in_flight(section.attempts) == 4
    assert max(attempt.sent_ns for attempt in section.attempts) < section.began_ns + 600 * MS


def test_a_turn_follows_the_answer_before_it_and_a_time_of_thought(
    server: Server, tmp_path: Path
) -> None:
    load = Conversations(users=2, turns=3, think_s=0.02)
    section = measured(server.url, tmp_path, workload(load, 12))
    assert len(section.attempts) == 12
    by_user: dict[str, list[Attempt]] = {}
    for attempt in section.attempts:
        by_user.setdefault(attempt.sample.partition("/")[0], []).append(attempt)
    assert sorted(by_user) == ["0", "1"]
    for turns in by_user.values():
        for before, after in itertools.pairwise(turns):
            assert after.intended_ns == before.done_ns + 20 * MS
    lengths = [a.usage.value.prompt_tokens for a in by_user["0"] if isinstance(a.usage, Measured)]
    assert lengths[0] < lengths[1] < lengths[2] > lengths[3]


def test_conversations_end_with_what_comes_first(server: Server, tmp_path: Path) -> None:
    load = Conversations(users=2, turns=2)
    few = measured(server.url, tmp_path / "few", workload(load, 5, duration_s=20))
    short = measured(server.url, tmp_path / "short", workload(load, 100_000, duration_s=0.3))
    assert len(few.attempts) == 5
    assert 10 < len(short.attempts) < 100
    assert max(a.intended_ns for a in short.attempts) < short.began_ns + 0.3 * S


def test_a_recorded_request_keeps_the_lengths_of_its_moment_however_much_was_warmed_up(
    server: Server, tmp_path: Path
) -> None:
    lengths, answers = (40, 80, 60, 120), (2, 3, 1, 4)
    load = Trace((0.0, 0.01, 0.02, 0.03), "ab" * 32, lengths, answers)
    work = workload(load, prompts=Recorded(lengths, answers), warmup=3)
    section = measured(server.url, tmp_path, work)
    assert [attempt.prompt_tokens_wanted for attempt in section.attempts] == [*lengths]
    came = [a.usage.value for a in section.attempts if isinstance(a.usage, Measured)]
    assert [usage.output_tokens for usage in came] == [*answers]
    assert [usage.prompt_tokens for usage in came] == [*lengths]


# ── prompts as the server sees them ─────────────────────────────────────────────────────────────


def stream(tokens: int) -> Reply:
    usage = {"prompt_tokens": 32, "completion_tokens": tokens, "total_tokens": 32 + tokens}
    pieces: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": " word"}}]}
    ] * tokens
    pieces += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}]
    pieces += [{"choices": [], "usage": usage}]
    lines = [f"data: {json.dumps(piece)}\n\n".encode() for piece in pieces]
    body = b"".join([*lines, b"data: [DONE]\n\n"])
    return Reply(body, headers={"Content-Type": "text/event-stream"})


def said(url_asked: Sequence[tuple[str, str, dict[str, str], Any]]) -> list[str]:
    """Return the last message of every request for a chat, in the order in which they came."""
    return [
        body["messages"][-1]["content"]
        for _, path, _, body in url_asked
        if path == "/v1/chat/completions"
    ]


def test_no_two_prompts_begin_alike_over_all_loads_and_warm_ups(tmp_path: Path) -> None:
    routes = {"/v1/models": ONE_MODEL, "/v1/chat/completions": lambda _: stream(4)}
    work = (workload(Closed(1), 10, warmup=2), workload(Closed(2), 10, warmup=2))
    with serving(routes) as foreign, visiting(foreign.url(), tmp_path, *work) as visit:
        for each in work:
            visit.session.measure(each)
        prompts = said(foreign.asked)
    assert len(prompts) == 4 + 2 * (2 + 10)
    beginnings = {prompt[:24] for prompt in prompts}
    assert len(beginnings) == len(prompts)


def test_prefix_sets_share_their_beginnings_and_only_these(tmp_path: Path) -> None:
    routes = {"/v1/models": ONE_MODEL, "/v1/chat/completions": lambda _: stream(4)}
    prefix = Prefix(prefix_tokens=64, input_tokens=32, output_tokens=4, groups=3)
    work = workload(Closed(1), 12, prompts=prefix, warmup=0)
    with serving(routes) as foreign, visiting(foreign.url(), tmp_path, work) as visit:
        visit.session.measure(work)
        prompts = said(foreign.asked)[-12:]
    assert len({prompt[:60] for prompt in prompts}) == 3
    assert len(set(prompts)) == 12


# ── loads that are ended early ──────────────────────────────────────────────────────────────────


def test_a_processor_that_is_too_hot_ends_the_load(server: Server, tmp_path: Path) -> None:
    work = workload(Closed(1), 5000)
    with visiting(server.url, tmp_path, work) as visit:
        assert visit.session.bench is not None
        visit.session.bench.temperature_c = lambda: Measured(300.0, "client")
        section = visit.session.measure(work)
    assert section.reason.startswith("ended early: the processor is at 300")
    assert section.planned == 5000
    assert 0 < len(section.attempts) < 100
    assert section.dropped == 5000 - len(section.attempts)


@pytest.mark.full
def test_an_open_load_that_cannot_be_served_is_ended_early(tmp_path: Path) -> None:
    flags = ("--servers", "1", "--service-ms", "50", "--tokens", "4")
    with pacer(tmp_path / "p", *flags) as up:
        section = measured(up.url, tmp_path, workload(Open(60.0), duration_s=60))
    assert section.reason.startswith("ended early: requests in flight rose from")
    assert section.planned > 3000
    assert len(section.attempts) + section.dropped == section.planned


def test_a_server_that_is_gone_ends_the_load(tmp_path: Path) -> None:
    work = workload(Open(100.0, "constant", 0.0), duration_s=30)
    with pacer(tmp_path / "p", "--ttft-ms", "5", "--gap-ms", "1") as up:

        def kill(event: Progress) -> None:
            if isinstance(event, Gauges):  # the load has begun
                os.kill(up.pid, signal.SIGKILL)

        endpoint = Endpoint.read(up.url)
        engine = attached.attach(endpoint)
        spec = RunSpec(engine.subject, Controls(warmup=1), workloads=(work,))
        place = Place((), {}, tmp_path / "run", endpoint.host, endpoint.port)
        executor = Executor(Verifier(), kill)
        with executor.visit(spec, engine, place) as session:
            section = session.measure(work)
    assert section.reason == "ended early: the server is gone"
    assert section.dropped > 2000
    assert session.found.outcome == "failed"
    assert f"nobody listens at {up.url}" in session.found.reason


def test_a_load_tells_how_it_goes(tmp_path: Path) -> None:
    work = workload(Closed(2), duration_s=0.8)
    flags = ("--ttft-ms", "40", "--gap-ms", "5", "--tokens", "4")
    with pacer(tmp_path / "p", *flags) as up, visiting(up.url, tmp_path, work) as visit:
        section = visit.session.measure(work)
    told = [event for event in visit.told if isinstance(event, Gauges)]
    assert 2 <= len(told) <= 5  # four times a second
    assert [event.done for event in told] == sorted({event.done for event in told})
    last = told[-1]
    assert last.name == section.name
    assert (last.failed, last.planned) == (0, None)
    assert last.first_ms == pytest.approx(40, rel=0.5)
    assert last.gap_ms == pytest.approx(5, rel=0.5)
    assert last.per_s == pytest.approx(2000 / 55, rel=0.5)


def in_flight(url: str, folder: Path, work: Workload) -> list[tuple[float, int]]:
    """Return when how many were said to be in flight."""
    with visiting(url, folder, work) as visit:
        visit.session.measure(work)
    return [(event.elapsed_s, event.in_flight) for event in visit.told if isinstance(event, Gauges)]


def test_in_flight_follows_the_streams_of_a_ramp(server: Server, tmp_path: Path) -> None:
    told = in_flight(server.url, tmp_path, workload(Ramp("streams", 1, 4, 1.6)))
    seen = [count for at_s, count in told if at_s < 1.6]  # from then on they only end
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (1, 4)


def test_in_flight_falls_when_no_more_is_to_be_sent(tmp_path: Path) -> None:
    with pacer(tmp_path / "p", "--ttft-ms", "400", "--gap-ms", "0", "--tokens", "1") as up:
        work = workload(Closed(4), 5, warmup=0, prompts=Synthetic(32, 1))
        told = in_flight(up.url, tmp_path, work)
    assert told[-1][1] == 0  # the fifth came alone, and was the last


def test_who_thinks_is_not_in_flight(server: Server, tmp_path: Path) -> None:
    work = workload(Conversations(users=3, turns=2, think_s=0.3), 12)
    assert max(count for _, count in in_flight(server.url, tmp_path, work)) < 3


def test_an_answer_that_is_an_error_counts_as_one_in_the_live_view(tmp_path: Path) -> None:
    count = itertools.count()
    refused = Reply({"error": {"message": "too much"}}, 503)
    answer = lambda _: stream(1) if next(count) < 5 else refused  # noqa: E731
    routes = {"/v1/models": ONE_MODEL, "/v1/chat/completions": answer}
    work = workload(Closed(1), duration_s=0.6, prompts=Synthetic(32, 1))
    with serving(routes) as foreign, visiting(foreign.url(), tmp_path, work) as visit:
        visit.session.measure(work)
    last = [event for event in visit.told if isinstance(event, Gauges)][-1]
    assert last.done > 0
    assert last.failed == last.done


# ── who does not answer ─────────────────────────────────────────────────────────────────────────


@contextmanager
def mute(routes: dict[str, Any], after: int) -> Iterator[str]:
    """A server that answers so many chats and holds every later one open."""
    count, held = itertools.count(), threading.Event()

    def answer(_: Any) -> Reply:
        if next(count) >= after:
            held.wait(20)
        return stream(1)

    with serving({**routes, "/v1/chat/completions": answer}) as foreign:
        yield foreign.url()
        held.set()


@pytest.mark.parametrize(
    "load",
    [Closed(2), Open(20.0, "constant", 0.0), Conversations(users=2, turns=2)],
    ids=["closed", "open", "conversations"],
)
def test_a_server_that_falls_silent_ends_the_load(tmp_path: Path, load: Load) -> None:
    work = workload(load, 400, prompts=Synthetic(32, 1))
    with (
        mute({"/v1/models": ONE_MODEL}, after=8) as url,
        visiting(url, tmp_path, work) as visit,
    ):
        assert visit.session.bench is not None
        visit.session.bench.stall_ns = 300 * MS
        section = visit.session.measure(work)
    assert section.reason == "ended early: the server fell silent"
    assert len(section.attempts) < 60


def test_a_server_that_never_answers_is_asked_once(tmp_path: Path) -> None:
    work = workload(Closed(1), 10, prompts=Synthetic(32, 1))
    with mute({"/v1/models": ONE_MODEL}, after=0) as url:
        endpoint = Endpoint.read(url)
        engine = attached.attach(endpoint)
        spec = RunSpec(engine.subject, Controls(warmup=1), workloads=(work,))
        place = Place((), {}, tmp_path / "run", endpoint.host, endpoint.port)
        with Executor(Verifier(), lambda _: None).visit(spec, engine, place) as session:
            assert session.bench is not None
            session.bench.stall_ns = 300 * MS
            session.measure(work)
    assert "short request 1 was not answered within the time-out" in session.found.reason
    assert len(spool.read(tmp_path / "run" / "spool.bin")) == 1


# ── moments and warm-ups ────────────────────────────────────────────────────────────────────────


def test_a_load_that_is_sent_again_has_other_moments(server: Server, tmp_path: Path) -> None:
    work = workload(Open(100.0), 12)
    with visiting(server.url, tmp_path, work) as visit:
        first, second = (offsets(visit.session.measure(work)) for _ in range(2))
    assert first != second


@pytest.mark.full
def test_a_probe_above_capacity_is_not_ended_early(tmp_path: Path) -> None:
    flags = ("--servers", "1", "--service-ms", "50", "--tokens", "4")
    work = workload(Open(60.0), 600)
    with pacer(tmp_path / "p", *flags) as up, visiting(up.url, tmp_path, work) as visit:
        assert visit.session.bench is not None
        visit.session.bench.ends_hopeless = False
        section = visit.session.measure(work)
    assert section.reason == ""
    assert len(section.attempts) == 600


def test_a_refused_warm_up_has_warmed_nothing_up_and_sets_no_pace(tmp_path: Path) -> None:
    count = itertools.count()
    refused = Reply({"error": {"message": "loading"}}, 500)
    # Four short requests teach lengths, then two warm up.
    answer = lambda _: refused if next(count) in (4, 5) else stream(1)  # noqa: E731
    routes = {"/v1/models": ONE_MODEL, "/v1/chat/completions": answer}
    work = workload(Closed(1), 3, warmup=2, prompts=Synthetic(32, 1))
    with serving(routes) as foreign, visiting(foreign.url(), tmp_path, work) as visit:
        visit.session.measure(work)
        assert visit.session.bench is not None
        warmed = dict(visit.session.bench.warmed)
    assert warmed == {work.name: 0}


def test_a_load_that_is_not_to_be_warmed_up_is_not(tmp_path: Path) -> None:
    routes = {"/v1/models": ONE_MODEL, "/v1/chat/completions": lambda _: stream(1)}
    work = workload(Closed(1), 3, warmup=0, prompts=Synthetic(32, 1))
    with serving(routes) as foreign, visiting(foreign.url(), tmp_path, work) as visit:
        visit.session.measure(work)
        asked = len(said(foreign.asked))
    assert asked == 4 + 3
