"""The server's own counters, asked for over HTTP while a run goes on.

A thread of the parent with a connection of its own, never of the timed path. A scrape is stamped
before its request leaves and after its answer begins: the server read its counters in between. A
server without the route is asked once and left in peace. Not aware of requests or campaigns.
Names: the metrics pages of llama.cpp's server, vLLM, SGLang and TGI.
"""

from __future__ import annotations

import http.client
import math
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, final
from urllib.parse import urlsplit

from steelyard.domain.errors import BadInput, DialectError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.serverside import Meaning, ServerColumn, ServerSeries
from steelyard.platform.clock import monotonic_ns
from steelyard.telemetry import exposition
from steelyard.telemetry.exposition import Family, Sample

DEFAULT_INTERVAL_S: Final = 0.5
_TIMEOUT_S: Final = 2.0
_MOST_BYTES: Final = 16 << 20
_MOST_ROWS: Final = 4096
_MOST_OTHERS: Final = 64
_NS_PER_S: Final = 1e9
_OK: Final = 200
_NOT_OFFERED: Final = {
    401: "wants a key for it",
    403: "does not allow it",
    404: "has no such route",
    405: "does not answer it",
    501: "has it switched off",
}
_ACCEPT: Final = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5"

# What engines call by different names, the first of them that is there. Two names for one thing
# are never added up.
_NAMES: Final[Mapping[Meaning, tuple[str, ...]]] = {
    "requests_running": (
        *("llamacpp:requests_processing", "vllm:num_requests_running"),
        *("sglang:num_running_reqs", "tgi_batch_current_size"),
    ),
    "requests_waiting": (
        *("llamacpp:requests_deferred", "vllm:num_requests_waiting"),
        *("sglang:num_queue_reqs", "tgi_queue_size"),
    ),
    "kv_cache_usage": (
        *("llamacpp:kv_cache_usage_ratio", "vllm:kv_cache_usage_perc"),
        *("vllm:gpu_cache_usage_perc", "sglang:token_usage"),
    ),
    "prompt_tokens_total": (
        *("llamacpp:prompt_tokens_total", "vllm:prompt_tokens_total"),
        *("sglang:prompt_tokens_total", "tgi_request_input_length_sum"),
    ),
    "output_tokens_total": (
        *("llamacpp:tokens_predicted_total", "vllm:generation_tokens_total"),
        *("sglang:generation_tokens_total", "tgi_request_generated_tokens_sum"),
    ),
    "preemptions_total": ("vllm:num_preemptions_total",),
}
# Every rank of one replica tells the same story; replicas tell different ones.
_RANKS: Final = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})


@final
@dataclass(slots=True)
class _Column:
    meaning: Meaning
    rows: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@final
class Scraper:
    """Scrapes from entering to leaving, the last time while leaving; `series()` tells what came.

    `url` is the server's, with or without /v1. `headers` may carry a key. `context` says whose
    certificates are believed; the system's, where none is given.
    """

    def __init__(
        self,
        url: str,
        *,
        interval_s: float = DEFAULT_INTERVAL_S,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        most_rows: int = _MOST_ROWS,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadInput(f"{url} is no address of a server", hint="write http://HOST:PORT")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = parts.path.rstrip("/").removesuffix("/v1") + "/metrics"
        self._context = context
        self._headers = {"Accept": _ACCEPT, **(headers or {})}
        self._interval_ns, self._most_rows = int(interval_s * _NS_PER_S), most_rows
        self._connection: http.client.HTTPConnection | None = None
        self._asked: list[int] = []
        self._answered: list[int] = []
        self._columns: dict[str, _Column] = {}
        self._left_out: set[str] = set()
        self._failed, self._last_failure, self._thinned = 0, "", 0
        self._refused: Missing | None = None
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="scraper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def series(self) -> Reading[ServerSeries]:
        """Return what was scraped so far, or why nothing was."""
        with self._lock:
            if self._asked:
                columns = tuple(
                    ServerColumn(name, c.meaning, tuple(c.rows), tuple(c.values))
                    for name, c in sorted(self._columns.items())
                )
                found = ServerSeries(
                    asked_ns=tuple(self._asked),
                    answered_ns=tuple(self._answered),
                    columns=columns,
                    failed=self._failed,
                    last_failure=self._last_failure,
                    left_out=len(self._left_out),
                    thinned=self._thinned,
                )
                return Measured(found, "engine")
            if self._refused is not None:
                return self._refused
            return Missing("no_scrape", self._last_failure or "the server was not asked yet")

    def _run(self) -> None:
        due_ns, last = monotonic_ns(), False
        # A stop while the server is asked asks once more: what it says then counts everything.
        while self._scrape() and not last:
            # Scrapes that came too late are left out, not caught up with.
            due_ns = max(due_ns + self._interval_ns, monotonic_ns())
            last = self._stop.wait((due_ns - monotonic_ns()) / _NS_PER_S)
        self._hang_up()

    def _scrape(self) -> bool:
        """Ask once; False when there is no use in asking again."""
        try:
            asked_ns, answered_ns, status, text, openmetrics = self._get()
            if status != _OK:
                return self._not_ok(status)
            families = exposition.parse(text, openmetrics=openmetrics)
        except (OSError, http.client.HTTPException, UnicodeDecodeError, DialectError) as error:
            self._hang_up()
            return self._fail(f"{error}" or type(error).__name__)
        with self._lock:
            self._keep(asked_ns, answered_ns, families)
        return True

    def _get(self) -> tuple[int, int, int, str, bool]:
        connection = self._connection or self._connect()
        asked_ns = monotonic_ns()
        connection.request("GET", self._path, headers=self._headers)
        answer = connection.getresponse()
        answered_ns = monotonic_ns()
        raw = answer.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise DialectError(f"the server's metrics are over {_MOST_BYTES >> 20} MiB")
        kind = answer.headers.get_content_type()
        openmetrics = kind == "application/openmetrics-text"
        return asked_ns, answered_ns, answer.status, raw.decode(), openmetrics

    def _connect(self) -> http.client.HTTPConnection:
        """Connect beforehand: the handshake is no part of what the stamps bound."""
        if self._secure:
            context = self._context or ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(
                self._host, self._port, timeout=_TIMEOUT_S
            )
        self._connection.connect()
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _not_ok(self, status: int) -> bool:
        reason = _NOT_OFFERED.get(status)
        if reason is None:
            return self._fail(f"{self._path} answered {status}")
        with self._lock:
            self._refused = Missing(
                "no_metrics_route", f"the server {reason}: {self._path} answered {status}"
            )
            self._failed, self._last_failure = self._failed + 1, self._refused.detail
        return False

    def _fail(self, why: str) -> bool:
        with self._lock:
            self._failed, self._last_failure = self._failed + 1, why
        return True

    def _keep(self, asked_ns: int, answered_ns: int, families: Iterable[Family]) -> None:
        row = len(self._asked)
        self._asked.append(asked_ns)
        self._answered.append(answered_ns)
        samples = [sample for family in families for sample in family.samples]
        found = _meant(samples)
        others = sum(column.meaning == "other" for column in self._columns.values())
        for name, value in _others(samples):
            if name in found:
                continue
            if name not in self._columns:
                if others == _MOST_OTHERS:
                    self._left_out.add(name)
                    continue
                others += 1
            found[name] = ("other", value)
        for name, (meaning, value) in found.items():
            # JSON has no NaN: a server that cannot tell has not told.
            if math.isfinite(value):
                column = self._columns.setdefault(name, _Column(meaning))
                column.rows.append(row)
                column.values.append(value)
        if len(self._asked) > self._most_rows:
            self._thin()

    def _thin(self) -> None:
        """Keep every second scrape and ask half as often from now on."""
        self._asked, self._answered = self._asked[::2], self._answered[::2]
        for column in self._columns.values():
            kept = [
                (row // 2, value)
                for row, value in zip(column.rows, column.values, strict=True)
                if row % 2 == 0
            ]
            column.rows = [row for row, _ in kept]
            column.values = [value for _, value in kept]
        self._interval_ns *= 2
        self._thinned += 1


def _meant(samples: Iterable[Sample]) -> dict[str, tuple[Meaning, float]]:
    """Return the series whose meaning is known, replicas put together.

    Counts of replicas add up; of shares the fullest counts, since it is the one that hurts.
    """
    by_name: dict[str, list[float]] = {}
    for sample in samples:
        if all(value == "0" for label, value in sample.labels if label in _RANKS):
            by_name.setdefault(sample.name, []).append(sample.value)
    found: dict[str, tuple[Meaning, float]] = {}
    for meaning, names in _NAMES.items():
        name = next((name for name in names if name in by_name), None)
        if name is not None:
            values = by_name[name]
            found[name] = (meaning, max(values) if meaning == "kv_cache_usage" else sum(values))
    return found


def _others(samples: Iterable[Sample]) -> Iterable[tuple[str, float]]:
    """Return the series without labels, whatever they mean; when they began is no measure."""
    return (
        (sample.name, sample.value)
        for sample in samples
        if not sample.labels and not sample.name.endswith("_created")
    )
