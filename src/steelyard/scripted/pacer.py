"""A server of known truth that is fast enough not to be the limit: one process, prebuilt bytes.

`python -m steelyard.scripted.pacer --port P --truth FILE [--ttft-ms T] [--gap-ms G] [--tokens N]`

Speaks OpenAI's chat route over HTTP/1.1, with `--cert` and `--key` over TLS. An answer is one
event a token, each with a `send` of its own on an absolute schedule: the first `ttft` after the
request arrived, the others a `gap` apart. A request says `max_tokens` and may say
`steelyard_ttft_ms` and `steelyard_gap_ms`; the flags hold for those that do not. A request's
arrival is the kernel's stamp of its last byte (over TLS: the moment it was read); the stamp of a
send is taken right before it (over TLS: before it is encrypted). `scripted.paced` reads the log.
`--port 0` takes a free one; the first line of the output says which.

`--servers C --service-ms M` makes it a queue: C servers, first read first served, a service time of
M on the average, which the tokens of an answer share evenly. Its capacity is C / M. A start is
max(arrival, moment at which the first server becomes free), kept as times, so that it is exact.
`--freeze-at S --freeze-for D` stops everything for D seconds, S seconds after the first request
arrived. What was due in between leaves at once when it is over; what came in between begins then.
`GET /health` says from when until when it was (`frozen_ns`).

Any control call (`GET /health`, `GET /v1/models`) writes the log of all answers that have ended.
Not aware of models, prompts, faults or llama-server's ways: that is `scripted.server`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from steelyard.scripted.pace import Pace, Queue
from steelyard.scripted.pacing import Pacer

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
_BACKLOG: Final = 65_535  # the kernel cuts it to net.core.somaxconn


def parser() -> argparse.ArgumentParser:
    """Return the flags; see the module's docstring."""
    flags = argparse.ArgumentParser(prog="steelyard.scripted.pacer", allow_abbrev=False)
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, required=True)
    flags.add_argument("--truth", type=Path, required=True)
    flags.add_argument("--ttft-ms", type=float, default=50.0)
    flags.add_argument("--gap-ms", type=float, default=10.0)
    flags.add_argument("--tokens", type=int, default=64)
    flags.add_argument("--servers", type=int)
    flags.add_argument("--service-ms", type=float)
    flags.add_argument("--service-law", choices=("constant", "exponential"), default="constant")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--freeze-at", type=float)
    flags.add_argument("--freeze-for", type=float)
    flags.add_argument("--cert", type=Path)
    flags.add_argument("--key", type=Path)
    return flags


def _pace(flags: argparse.ArgumentParser, options: argparse.Namespace) -> Pace:
    for one, other in (("servers", "service_ms"), ("freeze_at", "freeze_for"), ("cert", "key")):
        if (getattr(options, one) is None) != (getattr(options, other) is None):
            names = (f"--{name.replace('_', '-')}" for name in (one, other))
            flags.error(" and ".join(names) + " go together")
    for name in ("ttft_ms", "gap_ms", "freeze_at", "freeze_for"):
        if (getattr(options, name) or 0) < 0:
            flags.error(f"--{name.replace('_', '-')} is not below zero")
    if options.tokens < 1:
        flags.error("--tokens is at least 1")
    queue = None
    if options.servers is not None:
        if options.servers < 1 or options.service_ms <= 0:
            flags.error("--servers is at least 1 and --service-ms above 0")
        service_ns = int(options.service_ms * _MS)
        queue = Queue(options.servers, service_ns, options.service_law, options.seed)
    return Pace(
        ttft_ns=int(options.ttft_ms * _MS),
        gap_ns=int(options.gap_ms * _MS),
        tokens=options.tokens,
        queue=queue,
        freeze_at_ns=None if options.freeze_at is None else int(options.freeze_at * _S),
        freeze_for_ns=int((options.freeze_for or 0.0) * _S),
    )


def _ready_this_process() -> None:
    """Allow many sockets and short sleeps; collect no garbage."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.suppress(OSError):  # Linux: a sleep is otherwise up to 50 µs too long
        Path("/proc/self/timerslack_ns").write_text("1")
    gc.collect()
    gc.freeze()
    gc.disable()


def main(words: list[str]) -> int:
    """Serve until SIGTERM."""
    flags = parser()
    options = flags.parse_args(words)
    pace, tls = _pace(flags, options), None
    if options.cert is not None:
        import ssl

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
    log = os.open(options.truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    over, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: None)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(_BACKLOG)
        sys.stdout.write(f"listening on {options.host}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        _ready_this_process()
        Pacer(listener, pace, log, tls).run(over)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
