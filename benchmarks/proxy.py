"""What the recording proxy adds, and how far its recording is from the truth.

`python benchmarks/proxy.py [--streams 1,32] [--turns 5] [--requests 200]`

The scripted engine sends 64 tokens an answer, the first after 50 ms, the others 10 ms apart, and
keeps a log of what it did. Our measuring client asks it directly and through the proxy, in turns
whose order is reversed each time, so that the machine's state is shared by both. Printed from one
run: the client's TTFT through the proxy beside that without (`added`, the difference of the medians
over all turns, and the ratio), and the TTFT that the proxy recorded against the engine's own log,
request by request (`error`, as a share of the true TTFT). Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from steelyard.domain.stream import Exchange
from steelyard.loadgen import recording
from steelyard.loadgen.client import Client
from steelyard.runs import proxied
from steelyard.runs.relaying import Settings
from steelyard.scripted import plan as plans
from steelyard.scripted import truth
from steelyard.scripted.plan import Plan
from steelyard.scripted.truth import Truth
from steelyard.stats.quantiles import quantile

HOST: Final = "127.0.0.1"
TOKENS: Final = 64
TTFT_S: Final = 0.05
GAP_S: Final = 0.01
ADDED_P50_MS: Final = 0.5
ERROR_P95: Final = 0.05
_NS_PER_MS: Final = 1e6


def request(port: int) -> bytes:
    wish = {"messages": [{"role": "user", "content": "go"}], "max_tokens": TOKENS, "stream": True}
    body = json.dumps(wish).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def asked(port: int, streams: int, requests: int, spool: Path) -> list[Exchange]:
    with Client(HOST, port, spool, streams=streams) as client:
        for number in range(requests):
            client.submit(str(number), request(port))
        done = client.drain()
    assert all(each.failure is None and each.status == 200 for each in done)
    return done


def ttft_ms(exchange: Exchange, known: dict[int, Truth]) -> tuple[float, float]:
    """Return the TTFT that the exchange shows and the engine's own, of the same first token."""
    off, number = truth.error(exchange, known), truth.number_of(exchange)
    assert off is not None
    assert number is not None
    real = known[number]
    first = next(at for at, tokens in zip(real.sends_ns, real.tokens, strict=True) if tokens)
    true_ns = first - real.received_ns
    return (true_ns + off.ttft_ns) / _NS_PER_MS, true_ns / _NS_PER_MS


def turn(folder: Path, streams: int, requests: int, *, backwards: bool) -> dict[str, list[float]]:
    """Ask both ways once, each with the same server."""
    plan = plans.write(Plan(ttft_s=TTFT_S, gap_s=GAP_S), folder / "plan")
    log = folder / "truth"
    port = free_port()
    words = ["--port", str(port), "--parallel", str(streams), "--plan", str(plan)]
    argv = [sys.executable, "-m", "steelyard.scripted", *words, "--truth", str(log)]
    with subprocess.Popen(argv) as server:
        try:
            wait_for(port)
            kept = folder / "kept"
            kept.mkdir()
            settings = Settings(
                HOST, 0, folder=str(kept), server=HOST, server_port=port,
                authority=f"{HOST}:{port}", api_path="/v1",
            )  # fmt: skip
            found: dict[str, list[Exchange]] = {}
            with proxied.opened(settings, folder) as proxy:
                ways = [("direct", port), ("proxy", proxy.port)]
                for way, at in reversed(ways) if backwards else ways:
                    spool = folder / f"{way}.bin"
                    found[way] = asked(at, streams, requests, spool)
            known = truth.read(log)
            seen = {way: [ttft_ms(e, known) for e in done] for way, done in found.items()}
            kept_ms = [ttft_ms(e, known) for e in recording.exchanges(kept)]
            return {
                **{way: [shown for shown, _ in each] for way, each in seen.items()},
                "error": [abs(shown - real) / real for shown, real in kept_ms],
            }
        finally:
            server.kill()


def free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    import socket

    for _ in range(200):
        with socket.socket() as door:
            if door.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the scripted engine did not come up")


def main() -> int:
    flags = argparse.ArgumentParser()
    flags.add_argument("--streams", default="1,32")
    flags.add_argument("--turns", type=int, default=5)
    flags.add_argument("--requests", type=int, default=200)
    options = flags.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    print("streams   direct p50   through p50    added   ratio   error p50   error p95    n")
    missed = False
    for streams in map(int, options.streams.split(",")):
        all_found: dict[str, list[float]] = {"direct": [], "proxy": [], "error": []}
        for number in range(options.turns):
            with tempfile.TemporaryDirectory() as folder:
                count = max(streams, options.requests if streams > 1 else options.requests // 8)
                found = turn(Path(folder), streams, count, backwards=number % 2 == 1)
            for name, values in found.items():
                all_found[name] += values
        direct, through = (quantile(all_found[name], 0.5) for name in ("direct", "proxy"))
        p50, p95 = quantile(all_found["error"], 0.5), quantile(all_found["error"], 0.95)
        added = through - direct
        print(
            f"{streams:7}   {direct:7.3f} ms   {through:8.3f} ms  {added:+.3f}"
            f"   {through / direct:.4f}   {p50:9.3%}   {p95:9.3%}   {len(all_found['error'])}"
        )
        missed = missed or added > ADDED_P50_MS or p95 > ERROR_P95
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
