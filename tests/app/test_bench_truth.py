"""What `bench` says of servers whose truth is known: times, counts, exit codes, and what failed."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.app import bench_stage, stage
from tests.app.bench_stage import SHORT, Bench, Ended, Server, pacer
from tests.app.stage import Stage, children_of
from tests.engines.foreign import ONE_MODEL, Reply, serving

from steelyard.analysis import timing
from steelyard.domain.reading import Measured, Reading
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt
from steelyard.loadgen import spool
from steelyard.platform import locks
from steelyard.scripted.plan import Fault
from steelyard.store.records import read_record

MS = 1_000_000
S = 1_000_000_000
FAST = ("--ttft-ms", "5", "--gap-ms", "1", "--tokens", "8")
CHAT = "/v1/chat/completions"
BEFORE_A_LOAD = 20  # what teaches lengths and warms up is fewer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pacer(tmp_path_factory.mktemp("pacer"), *FAST) as up:
        yield up


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return stage.build(tmp_path_factory.mktemp("files"), items=1)


def only_section(ended: Ended) -> Section:
    (section,) = read_record(ended.folder).sections
    return section


def value(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def eventually(said: Callable[[], bool], limit_s: float = 60) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not (so := said()) and time.monotonic() < end:
        time.sleep(0.05)
    return so


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@dataclass
class Trouble:
    """What is done to a server once it is under load, and when that began and ended."""

    done: threading.Event = field(default_factory=threading.Event)
    moments_ns: list[int] = field(default_factory=list)


@contextlib.contextmanager
def under_load(up: Server, act: Callable[[Trouble], None]) -> Iterator[Trouble]:
    """Do something to a server when it has answered more than what comes before a load."""
    trouble = Trouble()

    def run() -> None:
        while not trouble.done.wait(0.02):
            if up.health()["answers"] > BEFORE_A_LOAD:
                act(trouble)
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield trouble
    finally:
        trouble.done.set()
        thread.join()


def standstill(
    up: Server, for_s: float, until: Callable[[], bool] = lambda: False
) -> contextlib.AbstractContextManager[Trouble]:
    """Let a server stand still, so that nothing leaves it, for so long or until something is so."""

    def act(trouble: Trouble) -> None:
        os.kill(up.pid, signal.SIGSTOP)
        trouble.moments_ns.append(time.monotonic_ns())
        eventually(lambda: trouble.done.is_set() or until(), for_s)
        trouble.moments_ns.append(time.monotonic_ns())
        os.kill(up.pid, signal.SIGCONT)

    return under_load(up, act)


def death(up: Server) -> contextlib.AbstractContextManager[Trouble]:
    """Kill a server."""

    def act(trouble: Trouble) -> None:
        trouble.moments_ns.append(time.monotonic_ns())
        os.kill(up.pid, signal.SIGKILL)

    return under_load(up, act)


# ── a server that stands still ──────────────────────────────────────────────────────────────────

TWO_TOKENS = ("--ttft-ms", "5", "--gap-ms", "1", "--tokens", "2")
SCHEDULE = ("--rate", "40", "--arrivals", "constant", "--requests", "160")
TINY = ("--prompts", "synthetic:in=32,out=2")


def intended_s(attempts: Sequence[Attempt]) -> list[float]:
    return [value(timing.ttft_intended_s(attempt)) for attempt in attempts]


def test_two_seconds_of_standstill_show_from_the_intended_time_on(
    bench: Bench, tmp_path: Path
) -> None:
    with pacer(tmp_path / "p", *TWO_TOKENS) as up, standstill(up, 2):
        ended = bench.run(up.url, *SCHEDULE, *TINY)
        answers = up.sent()[-160:]
    section = only_section(ended)
    moments = [section.began_ns + number * 25 * MS for number in range(160)]
    assert [attempt.intended_ns for attempt in section.attempts] == moments
    truth = [(one.sends_ns[0] - at_ns) / S for one, at_ns in zip(answers, moments, strict=True)]
    found = intended_s(section.attempts)
    sent = [value(timing.ttft_s(attempt)) for attempt in section.attempts]
    for share in (0.7, 0.8, 0.9, 0.95, 0.99):
        assert quantile(found, share) == pytest.approx(quantile(truth, share), rel=0.01, abs=0.005)
        # No cap holds anything back, so that both clocks agree but for what was sent late.
        assert quantile(sent, share) == pytest.approx(quantile(found, share), abs=0.1)
    assert max(truth) > 1.9
    assert "TTFT from the moment at which the load wanted" in ended.out


def test_only_a_cap_makes_the_clock_of_sending_look_away(bench: Bench, tmp_path: Path) -> None:
    with pacer(tmp_path / "p", *TWO_TOKENS) as up, standstill(up, 1) as trouble:
        ended = bench.run(up.url, *SCHEDULE[:-1], "100", *TINY, "--cap", "4")
    from_ns, until_ns = trouble.moments_ns
    attempts = only_section(ended).attempts
    late = [value(timing.ttft_s(attempt)) > 0.5 for attempt in attempts]
    assert 1 <= sum(late) <= 4  # those in flight when it stood still
    wanted = [a for a in attempts if from_ns <= a.intended_ns < until_ns - 100 * MS]
    assert len(wanted) > 30
    assert min(intended_s(wanted)) > 0.1
    for attempt in wanted:
        least = (until_ns - attempt.intended_ns) / S
        assert value(timing.ttft_intended_s(attempt)) >= least


# ── rates, throughput, the knee ─────────────────────────────────────────────────────────────────


def test_system_throughput_is_all_output_tokens_over_the_elapsed_time(
    bench: Bench, server: Server
) -> None:
    before = len(server.sent())
    ended = bench.run(server.url, "--concurrency", "3", "--requests", "20", *SHORT, "--warmup", "0")
    attempts = only_section(ended).attempts
    elapsed_s = (max(a.done_ns for a in attempts) - min(a.sent_ns for a in attempts)) / S
    through = ended.level.throughput
    assert through.elapsed_s == pytest.approx(elapsed_s)
    assert value(through.system_tps) == pytest.approx(160 / elapsed_s)
    assert value(through.requests_per_s.value) == pytest.approx(20 / elapsed_s)
    sent = server.sent()[before + 4 :]
    assert sum(len(one.sends_ns) for one in sent) == 160
    true_s = (max(one.sends_ns[-1] for one in sent) - min(one.received_ns for one in sent)) / S
    assert elapsed_s == pytest.approx(true_s, rel=0.05)
    assert through.in_flight_max == 3


@pytest.mark.full
@pytest.mark.alone
def test_two_thousand_a_second_are_sent_on_their_moments(bench: Bench, tmp_path: Path) -> None:
    with pacer(tmp_path / "p", "--ttft-ms", "1", "--gap-ms", "0", "--tokens", "1") as up:
        words = ("--rate", "2000", "--arrivals", "constant", "--duration", "2s")
        ended = bench.run(up.url, *words, "--prompts", "synthetic:in=32,out=1")
    section = only_section(ended)
    moments = [section.began_ns + number * (S // 2000) for number in range(4000)]
    assert [attempt.intended_ns for attempt in section.attempts] == moments
    late = [value(timing.lateness_s(attempt)) for attempt in section.attempts]
    print(f"lateness p50 {quantile(late, 0.5):.6f} s, p99 {quantile(late, 0.99):.6f} s")  # noqa: T201
    drift_s = (quantile(late[-400:], 0.5) - quantile(late[:400], 0.5)) / 2
    assert abs(drift_s) < 0.001


@pytest.mark.full
@pytest.mark.alone
def test_the_knee_of_a_queue_is_its_capacity(bench: Bench, tmp_path: Path) -> None:
    flags = ("--servers", "4", "--service-ms", "20", "--tokens", "4")
    with pacer(tmp_path / "p", *flags) as up:
        ended = bench.run(up.url, "--find-knee", "--prompts", "synthetic:in=32,out=4")
    (measurement,) = ended.summary.measurements
    assert isinstance(measurement.knee, Measured), measurement.knee
    knee = measurement.knee.value
    assert value(knee.rate_per_s.value) == pytest.approx(200, rel=0.03)
    assert knee.probes <= 8
    assert len(ended.levels) == knee.probes


# ── what ends how ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("limit", "code"), [("ttft_p50=500ms", 0), ("ttft_p50=1ms", 1)])
def test_an_objective_decides_the_exit_code(
    bench: Bench, server: Server, limit: str, code: int
) -> None:
    ended = bench.run(server.url, "--requests", "40", *SHORT, "--slo", limit)
    assert ended.code == code, ended.out
    assert isinstance(ended.level.goodput, Measured)
    (gate,) = ended.level.goodput.value.gates
    assert gate.state == ("failed" if code else "met")
    assert (f"1 at a time: {gate.name} failed" in ended.out) == bool(code)


def faulty(made: Stage, first: int, last: int) -> str:
    """Let these requests fail, counted over all that the engine ever gets."""
    faults = [Fault("http_error", requests=tuple(range(first, last)))]
    stage.write_script(made, items=1, faults=faults)
    return f"{made.file('Q8_0')}@scripted"


def test_too_many_failed_requests_fail_the_run_and_say_which(bench: Bench, made: Stage) -> None:
    ended = bench.run(faulty(made, 10, 20), "--requests", "40", *SHORT)
    counts = ended.level.counts
    assert counts.planned == counts.sent == 40
    assert (counts.completed, counts.failed) == (30, 10)
    assert ended.code == 1
    assert "10 of 40 requests failed (http_500 10)" in ended.out


def test_a_limit_on_errors_of_ones_own_takes_the_place_of_ours(bench: Bench, made: Stage) -> None:
    ended = bench.run(faulty(made, 10, 20), "--requests", "40", *SHORT, "--slo", "errors=90%")
    assert ended.level.counts.failed == 10
    assert ended.code == 0, ended.out


def test_a_server_that_fails_at_everything_has_not_been_measured(bench: Bench, made: Stage) -> None:
    ended = bench.run(faulty(made, 0, 1000), "--requests", "10", *SHORT)
    assert ended.code == 3
    assert "http_500 10" in ended.out or "http 500" in ended.out


NOT_ANSWERS = {
    "compressed": (
        Reply(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}),
        "the server compressed its answer: gzip",
    ),
    "elsewhere": (Reply({}, 302, {"Location": "http://x.example/v1"}), "HTTP 302 to x.example"),
    "a key is wanted": (Reply({"error": {"message": "bad key"}}, 401), "HTTP 401: bad key"),
    "broken": (Reply({"error": {"message": "boom"}}, 500), "HTTP 500: boom"),
}


@pytest.mark.parametrize(("reply", "said"), NOT_ANSWERS.values(), ids=NOT_ANSWERS)
def test_an_answer_that_is_none_is_named(bench: Bench, reply: Reply, said: str) -> None:
    with serving({"/v1/models": ONE_MODEL, CHAT: reply}) as foreign:
        ended = bench.run(foreign.url(), "--requests", "5", *SHORT)
    assert ended.code == 3
    assert said in ended.out
    assert read_record(ended.folder).outcome == "failed"


@pytest.mark.parametrize(
    "words",
    [
        "--concurrency 2 --duration 30s",
        pytest.param("--requests 5000", marks=pytest.mark.full),
        pytest.param("--rate 50 --duration 30s", marks=pytest.mark.full),
        pytest.param("--conversations users=2,turns=2 --duration 30s", marks=pytest.mark.full),
    ],
)
def test_a_server_that_dies_ends_the_load_and_is_named(
    bench: Bench, tmp_path: Path, words: str
) -> None:
    with pacer(tmp_path / "p", *FAST) as up, death(up) as trouble:
        ended = bench.run(up.url, *words.split(), *SHORT)
    (died_ns,) = trouble.moments_ns
    assert time.monotonic_ns() - died_ns < 25 * S
    assert ended.code == 3
    assert f"nobody listens at {up.url}" in ended.out
    level = ended.level
    assert level.reason == "ended early: the server is gone"
    assert level.counts.failures["connection_refused"] >= 16
    assert level.counts.completed + level.counts.failed == level.counts.sent


def test_a_load_that_ended_early_fails_and_says_why(bench: Bench, tmp_path: Path) -> None:
    flags = ("--servers", "1", "--service-ms", "50", "--tokens", "4")
    with pacer(tmp_path / "p", *flags) as up:
        words = ("--rate", "80", "--duration", "60s", "--prompts", "synthetic:in=32,out=4")
        ended = bench.run(up.url, *words)
    assert ended.code == 1, ended.out
    assert ended.level.counts.failed == 0
    assert "80/s poisson: ended early: requests in flight rose" in ended.out
    assert f"never sent {ended.level.counts.dropped}" in ended.out


def test_what_an_end_of_ones_own_leaves_unsent_has_not_failed(bench: Bench, server: Server) -> None:
    ended = bench.run(server.url, "--requests", "5000", "--duration", "500ms", *SHORT)
    assert ended.level.counts.dropped > 4000
    assert ended.code == 0, ended.out


def test_a_server_that_falls_silent_costs_three_time_outs_and_not_the_rest(
    bench: Bench, tmp_path: Path
) -> None:
    def given_up() -> bool:
        sent = spool.read(bench.work / "out" / "spool.bin")
        return sum(one.failure == "stalled" for one in sent) >= 3

    with pacer(tmp_path / "p", *FAST) as up, standstill(up, 25, given_up):
        words = ("--duration", "30s", "--timeout", "700ms", *SHORT)
        ended = bench.run(up.url, *words)
    assert ended.code == 1
    assert "ended early: the server fell silent" in ended.out
    # The next one was under way when the third was given up.
    assert set(ended.level.counts.failures) == {"stalled"}
    assert 3 <= ended.level.counts.failed <= 4


# ── the client's own limits ─────────────────────────────────────────────────────────────────────


def drivers_of(pid: int) -> list[int]:
    """Return the processes below `pid` that measure."""
    found = []
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            if b"loadgen" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


@pytest.mark.parametrize(
    ("strict", "code"),
    [(("--strict",), 3), pytest.param((), 0, marks=pytest.mark.full)],
    ids=["strict", "lax"],
)
def test_a_client_that_was_held_up_says_so_and_is_refused_when_that_is_asked(
    bench: Bench, server: Server, strict: tuple[str, ...], code: int
) -> None:
    words = ("--rate", "200", "--arrivals", "constant", "--duration", "4s", *SHORT)
    with subprocess.Popen(
        bench.argv(server.url, *words, *strict),
        env=bench.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        next(line for line in child.stderr if "in flight" in line)
        (driver,) = drivers_of(child.pid)
        os.kill(driver, signal.SIGSTOP)
        time.sleep(1)
        os.kill(driver, signal.SIGCONT)
        out, _ = child.communicate(timeout=60)
    assert "CLIENT_BOTTLENECK" in out
    assert child.returncode == code, out
    assert ("the client is what limits" in out) == bool(code)


# ── stopping in the middle ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hosted", [False, True], ids=["a server of theirs", "a file of ours"])
def test_an_interrupt_leaves_no_process_and_keeps_what_was_measured(
    bench: Bench, server: Server, made: Stage, *, hosted: bool
) -> None:
    stage.write_script(made, items=1)
    subject = f"{made.file('Q8_0')}@scripted" if hosted else server.url
    argv = bench.argv(subject, "--concurrency", "2", "--duration", "60s", *SHORT)
    with subprocess.Popen(
        argv, env=bench.env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stderr is not None
        next(line for line in child.stderr if "in flight" in line)
        spooled = bench.work / "out" / "spool.bin"
        assert eventually(lambda: len(spool.read(spooled)) > 20)
        family = children_of(child.pid)
        os.kill(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert len(family) >= 1 + hosted
    assert child.returncode == 130
    assert "Traceback" not in err
    assert "Interrupted. The loads that had finished (0) are in" in err
    assert read_record(bench.work / "out").outcome == "cancelled"
    assert eventually(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])
    folder = bench.work / "out"
    assert len(spool.read(spooled)) > 20
    with locks.folder_lock(folder):
        pass


def test_an_interrupt_keeps_the_loads_that_had_finished_and_reports_them(
    bench: Bench, server: Server
) -> None:
    steps = ("--concurrency", "1,2", "--duration", "4s", *SHORT)
    argv = bench.argv(server.url, *steps)
    with subprocess.Popen(
        argv, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        spooled = bench.work / "out" / "spool.bin"
        assert eventually(lambda: any("/c2|" in each.id for each in spool.read(spooled)))
        os.kill(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    folder = bench.work / "out"
    assert f"The loads that had finished (1) are in {folder / 'report.html'}" in err
    ended = Ended(130, out, err, folder)
    assert ended.level.load == "1 at a time"
    assert ended.level.counts.completed > 10
    assert "1 at a time" in (folder / "report.html").read_text()
    code, listed, _ = bench.ask("results", "list")
    assert code == 0
    assert "cancelled" in listed


def test_neither_store_nor_reports_are_there_while_it_is_measured() -> None:
    heavy = ("sqlalchemy", "jinja2", "numpy", "steelyard.reports", "steelyard.analysis.benchmark")
    code = "import sys; import steelyard.app.benches.benching; "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
