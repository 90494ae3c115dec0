"""How far the measuring client is from the truth and what it costs, beside a C client and others.

`python benchmarks/instrument.py [--quick] [--streams 1,32,128,512] [--turns 3] [--hog] [--peers]
[--peer-path FOLDER] [--many 10000] [--json FILE]`

A server of known truth (`steelyard.scripted.pacer`) has one core, the client the other. Each answer
is 64 tokens, the first after 50 ms, the others 10 ms apart. The clients take turns in an order that
is reversed from turn to turn, each with a fresh server; printed is the median over the turns.

TTFT error: (first token's arrival − send) by the client, minus (first token's send − request's
arrival) by the server. Gap error: the absolute difference of two gaps. Ours and the C clients'
answers are matched with the truth one by one; a peer's result file names no answers, so that its
figures are held against the medians of the truth, whose own p99 − p50 is the column `truth`.
`shared` is the percentage of tokens that one read brought together with a later one, because the
client or the server was late: when they came is then known to an interval only. Tokens per
CPU-second are those of the client's process, without what it takes to start. `late` is the 99th
percentile of the server's own lateness, which is in no error: what counts is when it sent.

`--hog` puts a busy loop beside the client on its core. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Final

import psutil

import peers
from peers import Load, Peer, Reported
from steelyard.domain.stream import Exchange
from steelyard.loadgen.client import Client
from steelyard.platform import process
from steelyard.scripted import paced, truth
from steelyard.scripted.paced import Paced
from steelyard.scripted.truth import Truth

HOST: Final = "127.0.0.1"
TOKENS: Final = 64
GAP_P99_MS: Final = 0.02
TTFT_P50_MS: Final = 0.05
TOKENS_PER_CPU_S: Final = 140_000
HELP_S: Final = 0.2
TEN_S: Final = 0.6
STREAM_KB: Final = 40
C_HEAD: Final = Struct("<qqqq")
BUSY_SHARE: Final = 5.0
PEER_LIMIT_S: Final = 300
OURS, C, C_KERNEL = "steelyard", "C", "C, kernel stamps"


@dataclass(frozen=True)
class Turn:
    """One turn's figures; times in milliseconds, `shared` in percent."""

    ttft_p50: float
    ttft_p99: float
    gap_p99: float
    shared: float
    tokens_per_cpu_s: float
    late_p99: float
    truth_spread: float


@dataclass(frozen=True)
class Rig:
    """What all clients work with."""

    folder: Path
    server_core: list[int]
    client_core: list[int]
    program: Path | None
    tokenizer: Path

    @contextlib.contextmanager
    def server(self, *flags: str) -> Iterator[Server]:
        """Run a pacer with an empty log."""
        log, said = self.folder / "truth", self.folder / "pacer.out"
        for file in (log, said):
            file.unlink(missing_ok=True)
        words = [sys.executable, "-m", "steelyard.scripted.pacer", "--port", "0"]
        words += ["--truth", str(log), *flags]
        with process.start(words, log=said, affinity=self.server_core) as child:
            while not said.exists() or b"\n" not in said.read_bytes():
                assert child.returncode() is None, said.read_text()
                time.sleep(0.01)
            yield Server(int(said.read_text().split("\n")[0].rpartition(":")[2]), log)


@dataclass(frozen=True)
class Server:
    """A running pacer."""

    port: int
    log: Path

    def answers(self) -> dict[int, Paced]:
        """Return the truth of all answers that have ended."""
        import http.client

        line = http.client.HTTPConnection(HOST, self.port)
        line.request("GET", "/health")  # which writes it
        line.getresponse().read()
        line.close()
        return {answer.number: answer for answer in paced.records(self.log)}


@dataclass
class Report:
    """All that was measured, by concurrency and client; and the goals that were missed."""

    rows: dict[int, dict[str, Turn]] = field(default_factory=dict)
    other: dict[str, float] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    def hold(self, name: str, value: float, limit: float, *, least: bool = False) -> None:
        """Compare one figure with its goal."""
        if value < limit if least else value > limit:
            self.missed.append(f"{name}: {value:.3f}, goal {'≥' if least else '≤'} {limit:.3f}")


def main(words: list[str]) -> int:
    options = _parser().parse_args(words)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cores = sorted(os.sched_getaffinity(0))
    _say_how_quiet(cores)
    # What this process does in between may delay the server, which stamps what it sends.
    os.sched_setaffinity(0, cores[-1:])
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = peers.write_tokenizer(folder / "tokenizer")
        rig = Rig(folder, cores[-1:], cores[:1], _compile(folder), tokenizer)
        found = _found_peers(options) if options.peers else []
        with _hog(rig) if options.hog else contextlib.nullcontext():
            for streams in map(int, options.streams.split(",")):
                _compare(rig, report, streams, options, found)
        busiest = max(report.rows)
        cost = report.rows[busiest][OURS].tokens_per_cpu_s
        report.hold(f"tokens per CPU-second at {busiest}", cost, TOKENS_PER_CPU_S, least=True)
        _start_up(rig, report)
        for peer, program in found:
            _ten_by_peer(rig, report, peer, program)
        _many(rig, report, 1_000 if options.quick else options.many)
    if options.json:
        options.json.write_text(json.dumps(_plain(asdict(report)), indent=1))
    print("\nall goals kept" if not report.missed else "\nmissed:")
    for line in report.missed:
        print(f"  {line}")
    return 1 if report.missed else 0


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description="The measuring client beside the truth.")
    flags.add_argument("--quick", action="store_true", help="one short turn, 1,000 open streams")
    flags.add_argument("--streams", default="1,32,128,512")
    flags.add_argument("--turns", type=int, default=3)
    flags.add_argument("--hog", action="store_true", help="a busy loop on the client's core")
    flags.add_argument("--peers", action="store_true", help="other clients, where installed")
    flags.add_argument("--peer-path", type=Path, action="append", help="folder of their programs")
    flags.add_argument("--many", type=int, default=10_000, help="streams of the memory figure")
    flags.add_argument("--json", type=Path, help="write all figures there")
    return flags


# ── accuracy and cost ───────────────────────────────────────────────────────────────────────────


def _compare(
    rig: Rig,
    report: Report,
    streams: int,
    options: argparse.Namespace,
    found: Sequence[tuple[Peer, str]],
) -> None:
    """Let every client take its turns at one concurrency, and print their rows."""
    count = max(2 if options.quick else 8, 2 * streams)
    turns: dict[str, list[Turn]] = {}
    names = [OURS, *((C, C_KERNEL) if rig.program else ()), *(peer.name for peer, _ in found)]
    known = {peer.name: (peer, program) for peer, program in found}
    for turn in range(1 if options.quick else options.turns):
        for name in names if turn % 2 == 0 else reversed(names):
            took = _turn(rig, name, streams, count, known.get(name))
            turns.setdefault(name, []).append(took)
    if not report.rows:
        print(f"\n{'':25}errors in ms\n{'n':>5}  {'client':18}{'TTFT p50':>10}{'p99':>9}", end="")
        print(f"{'gap p99':>9}{'shared %':>9}{'tokens/CPU-s':>14}{'late':>9}{'truth':>9}")
    report.rows[streams] = {name: _median(taken) for name, taken in turns.items()}
    for name, row in report.rows[streams].items():
        print(f"{streams:5d}  {name:18}{row.ttft_p50:10.3f}{row.ttft_p99:9.3f}", end="")
        print(f"{row.gap_p99:9.3f}{row.shared:9.2f}{row.tokens_per_cpu_s:14,.0f}", end="")
        print(f"{row.late_p99:9.3f}{row.truth_spread:9.3f}")
    _judge(report, streams, hog=options.hog)


def _judge(report: Report, streams: int, *, hog: bool) -> None:
    rows = report.rows[streams]
    ours, where = rows[OURS], f"at {streams} streams{' beside a hog' if hog else ''}"
    report.hold(f"gap p99 {where} (ms)", ours.gap_p99, GAP_P99_MS)
    report.hold(f"TTFT p50 {where} (ms)", ours.ttft_p50, TTFT_P50_MS)
    if C in rows:
        report.hold(f"TTFT p99 {where} (ms), the C client's", ours.ttft_p99, rows[C].ttft_p99)


def _median(turns: Sequence[Turn]) -> Turn:
    columns = zip(*(asdict(turn).values() for turn in turns), strict=True)
    return Turn(*map(statistics.median, columns))


def _turn(rig: Rig, name: str, streams: int, count: int, peer: tuple[Peer, str] | None) -> Turn:
    if peer is not None:
        return _by_peer(rig, *peer, streams, count)
    with rig.server() as server:
        if name == OURS:
            exchanges, cpu_s = _by_us(rig, server, streams, count)
        else:
            exchanges, cpu_s = _by_c(rig, server, streams, count, kernel=name == C_KERNEL)
        answers = server.answers()
    return _figures(exchanges, answers, count, cpu_s)


def _figures(
    exchanges: Sequence[Exchange], answers: dict[int, Paced], count: int, cpu_s: float
) -> Turn:
    """Match each exchange with what was sent to it."""
    assert len(exchanges) == len(answers) == count, (len(exchanges), len(answers), count)
    known = {number: answer.truth for number, answer in answers.items()}
    ttft: list[int] = []
    gaps: list[int] = []
    together = 0
    for exchange in exchanges:
        number, error = truth.number_of(exchange), truth.error(exchange, known)
        assert number is not None, exchange
        assert error is not None, exchange
        assert len(error.itl_ns) == TOKENS - 1, exchange
        together += _read_together(exchange, known[number])
        ttft.append(error.ttft_ns + answers[number].received_ns - exchange.sent_ns)
        gaps.extend(map(abs, error.itl_ns))
    return Turn(
        *(_quantile(ttft, 0.5) / 1e6, _quantile(ttft, 0.99) / 1e6, _quantile(gaps, 0.99) / 1e6),
        shared=100 * together / (count * TOKENS),
        tokens_per_cpu_s=count * TOKENS / max(cpu_s, 1e-9),
        late_p99=_late_ms(answers),
        truth_spread=0.0,
    )


def _read_together(exchange: Exchange, sent: Truth) -> int:
    """Count the tokens that one read brought together with a later one."""
    reads = [bisect_left(exchange.ends, end) for end in sent.ends]
    return sum(early == late for early, late in pairwise(reads))


def _by_us(rig: Rig, server: Server, streams: int, count: int) -> tuple[list[Exchange], float]:
    spool = rig.folder / "spool.bin"
    spool.unlink(missing_ok=True)
    with Client(HOST, server.port, spool, streams=streams, affinity=rig.client_core) as client:
        _until_started(client.pid)
        before_s = _cpu_s(client.pid)
        for number in range(count):
            client.submit(str(number), _request(server.port, TOKENS))
        found = client.drain()
        return found, _cpu_s(client.pid) - before_s


def _by_c(
    rig: Rig, server: Server, streams: int, count: int, *, kernel: bool
) -> tuple[list[Exchange], float]:
    request, out, log = (rig.folder / name for name in ("request", "c.out", "c.log"))
    request.write_bytes(_request(server.port, TOKENS))
    log.unlink(missing_ok=True)
    words = [*map(str, (rig.program, HOST, server.port, streams, count, request, out))]
    words += ["kernel"] if kernel else []
    with process.start(words, log=log, affinity=rig.client_core) as child:
        code = child.wait(PEER_LIMIT_S)
    assert code == 0, log.read_text()
    return list(_read_c(out.read_bytes())), float(log.read_text().split()[1])


def _read_c(data: bytes) -> Iterator[Exchange]:
    at = 0
    while at < len(data):
        sent, done, reads, size = C_HEAD.unpack_from(data, at)
        at += C_HEAD.size
        stamps, ends = (array("q", data[at + 8 * n * reads :][: 8 * reads]) for n in (0, 1))
        at += 16 * reads
        body, raw_ends, body_ends = _unchunk(data[at : at + size])
        at += size
        arrived = [body_ends[bisect_right(raw_ends, end) - 1] for end in ends]
        yield Exchange(
            *("c", sent, sent, done, 200),
            arrivals_ns=tuple(stamps),
            ends=tuple(arrived),
            body=body,
        )


def _unchunk(raw: bytes) -> tuple[bytes, list[int], list[int]]:
    """Return the body, and for the end of each chunk in the raw bytes how long it then was."""
    at, body = raw.index(b"\r\n\r\n") + 4, bytearray()
    raw_ends, body_ends = [0], [0]
    while size := int(raw[at : (line := raw.index(b"\r\n", at))], 16):
        body += raw[line + 2 : line + 2 + size]
        at = line + 4 + size
        raw_ends.append(at)
        body_ends.append(len(body))
    return bytes(body), raw_ends, body_ends


def _by_peer(rig: Rig, peer: Peer, program: str, streams: int, count: int) -> Turn:
    with rig.server() as server:
        start_cpu_s = _run_peer(rig, peer, program, server, (1, 2, 8))[2]
    with rig.server() as server:
        said, _, cpu_s = _run_peer(rig, peer, program, server, (streams, count, TOKENS))
        answers = server.answers()
    ttft = [(answer.sends_ns[0] - answer.received_ns) / 1e6 for answer in answers.values()]
    gaps = [
        (late - early) / 1e6
        for answer in answers.values()
        for early, late in pairwise(answer.sends_ns)
    ]
    true_ttft, true_gap = statistics.median(ttft), statistics.median(gaps)
    wrong = [one - true_ttft for one in said.ttft_ms]
    wrong_gaps = [abs(one - true_gap) for one in said.gap_ms]
    tokens = sum(answer.tokens for answer in answers.values())
    return Turn(
        *(_quantile(wrong, 0.5), _quantile(wrong, 0.99)),
        gap_p99=_quantile(wrong_gaps, 0.99) if wrong_gaps else float("nan"),
        shared=float("nan"),
        tokens_per_cpu_s=tokens / max(cpu_s - start_cpu_s, 1e-9),
        late_p99=_late_ms(answers),
        truth_spread=_quantile(ttft, 0.99) - true_ttft,
    )


def _run_peer(
    rig: Rig, peer: Peer, program: str, server: Server, wanted: tuple[int, int, int]
) -> tuple[Reported, float, float]:
    """Run it on the client's core; return what it says, and its wall and CPU seconds."""
    folder = rig.folder / "peer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    streams, count, tokens = wanted
    url = f"http://{HOST}:{server.port}"
    load = Load(url, streams, count, tokens, folder, rig.tokenizer)
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "peer.log").open("wb") as log:
        os.sched_setaffinity(0, rig.client_core)  # which the peer inherits
        popen = subprocess.Popen(
            [program, *peer.command(load)], stdout=log, stderr=log, start_new_session=True
        )
        os.sched_setaffinity(0, rig.server_core)
        try:
            code = popen.wait(PEER_LIMIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
    wall_s, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if code != 0:
        sys.exit(f"{peer.name} failed:\n{(folder / 'peer.log').read_text()[-2000:]}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return peer.read(folder), wall_s, cpu_s


# ── start and size ──────────────────────────────────────────────────────────────────────────────


def _start_up(rig: Rig, report: Report) -> None:
    """Time `--help`, and ten requests of eight tokens a millisecond apart, as a person would."""
    program = Path(sys.executable).with_name("steelyard")
    report.other["help_s"] = _wall_s([str(program), "--help"], 5)
    print(f"\nsteelyard --help: {report.other['help_s']:.3f} s")
    report.hold("--help (s)", report.other["help_s"], HELP_S)
    bench = [str(program), "bench"]
    if subprocess.run([*bench, "--help"], capture_output=True, check=False).returncode != 0:
        print("10 requests: this version has no `steelyard bench`")
        return
    with rig.server("--ttft-ms", "1", "--gap-ms", "1") as server:
        words = [*bench, f"http://{HOST}:{server.port}", "--model", peers.MODEL]
        words += ["--requests", "10", "--concurrency", "1", "--prompts", "synthetic:in=16,out=8"]
        outs = [str(rig.folder / f"bench-{turn}") for turn in range(3)]
        wall_s = statistics.median(_wall_s([*words, "--out", out], 1) for out in outs)
    report.other["ten_s"] = wall_s
    print(f"10 requests of 8 tokens, 1 ms: {wall_s:.3f} s")
    report.hold("10 requests (s)", wall_s, TEN_S)


def _ten_by_peer(rig: Rig, report: Report, peer: Peer, program: str) -> None:
    with rig.server("--ttft-ms", "1", "--gap-ms", "1") as server:
        wall_s = _run_peer(rig, peer, program, server, (1, 10, 8))[1]
    report.other[f"ten_s, {peer.name}"] = wall_s
    print(f"10 requests of 8 tokens, 1 ms: {wall_s:.3f} s ({peer.name})")


def _many(rig: Rig, report: Report, streams: int) -> None:
    """Hold that many answers open at once; print what one costs the client's process."""
    spool = rig.folder / "many.bin"
    with (
        rig.server("--ttft-ms", "5000", "--gap-ms", "1000", "--tokens", "4") as server,
        Client(HOST, server.port, spool, streams=streams, affinity=rig.client_core) as client,
    ):
        _until_started(client.pid)
        driver = psutil.Process(client.pid)
        before = driver.memory_info().rss
        for number in range(streams):
            client.submit(str(number), _request(server.port, 4))
        found = client.drain()
        status = Path(f"/proc/{client.pid}/status").read_text()
        peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
        answers = server.answers()
    failed = [exchange.failure for exchange in found if exchange.failure is not None]
    at_once = _most_at_once(answers)
    kilobytes = (peak - before) / streams / 1024
    report.other |= {"many": streams, "many_failed": len(failed), "stream_kb": kilobytes}
    print(f"{streams:,} streams, {at_once:,} of them at once: {kilobytes:.1f} KB each,", end=" ")
    print(f"{len(failed)} failed{f' ({failed[0]})' if failed else ''}")
    report.hold(f"KB a stream at {streams:,}", kilobytes, STREAM_KB)
    report.hold(f"failures at {streams:,} streams", len(failed), 0)
    report.hold("streams open at once", at_once, streams, least=True)


def _most_at_once(answers: dict[int, Paced]) -> int:
    moments = [(answer.received_ns, 1) for answer in answers.values()]
    moments += [(answer.sends_ns[-1], -1) for answer in answers.values()]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


# ── the machine ─────────────────────────────────────────────────────────────────────────────────


def _say_how_quiet(cores: Sequence[int]) -> None:
    if len(cores) < 2:
        sys.exit("client and server need a core each; this process may use one only")
    busy = psutil.cpu_percent(2.0)
    word = "quiet" if busy <= BUSY_SHARE else "NOT QUIET: figures are not comparable"
    print(f"server on core {cores[-1]}, client on core {cores[0]}, nice {os.nice(0)};", end=" ")
    print(f"load average {os.getloadavg()[0]:.1f}, {busy:.0f} % busy before the start: {word}")


@contextlib.contextmanager
def _hog(rig: Rig) -> Iterator[None]:
    words = [sys.executable, "-c", "while True: pass"]
    with process.start(words, log=rig.folder / "hog.log", affinity=rig.client_core):
        yield


def _found_peers(options: argparse.Namespace) -> list[tuple[Peer, str]]:
    found = []
    for peer in peers.PEERS:
        program = peer.find(options.peer_path or ())
        if program is None:
            print(f"{peer.name}: not installed")
        else:
            found.append((peer, program))
    return found


def _compile(folder: Path) -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        print("C client: no compiler (cc)")
        return None
    source, program = Path(__file__).with_name("client.c"), folder / "client"
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


def _request(port: int, tokens: int) -> bytes:
    words = [{"role": "user", "content": "hi"}]
    body = json.dumps(
        {"model": peers.MODEL, "messages": words, "stream": True, "max_tokens": tokens}
    )
    head = f"POST {peers.ROUTE} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def _until_started(pid: int) -> None:
    """Wait until the driver has begun to wait for something to do."""
    driver = psutil.Process(pid)
    used, deadline = -1.0, time.monotonic() + 10
    while time.monotonic() < deadline and (now := _cpu_s(driver.pid)) > used:
        used = now
        time.sleep(0.2)


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and those it started: by the scheduler, to the nanosecond."""
    own = psutil.Process(pid)
    total = 0
    for one in (own, *own.children(recursive=True)):
        for thread in Path(f"/proc/{one.pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def _wall_s(words: Sequence[str], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.monotonic()
        subprocess.run(words, check=True, capture_output=True)
        took.append(time.monotonic() - begun)
    return statistics.median(took)


def _plain(value: object) -> object:
    """Put null where a peer keeps no such figure: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _late_ms(answers: dict[int, Paced]) -> float:
    late = [one for answer in answers.values() for one in answer.lateness_ns]
    return _quantile(late, 0.99) / 1e6


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
