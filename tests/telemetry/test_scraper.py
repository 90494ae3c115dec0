"""Scraping a real HTTP server, and llama.cpp's own: what is kept, what is bounded, what is said."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.llamalib import tiny
from tests.llamalib.test_server import ask, serving

from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.serverside import ServerColumn, ServerSeries
from steelyard.platform.clock import monotonic_ns
from steelyard.telemetry.scraper import Scraper

Page = Callable[[int], tuple[int, str]]


class Metrics(BaseHTTPRequestHandler):
    """Answers every GET with what the page says for the n-th one."""

    protocol_version = "HTTP/1.1"
    page: Page
    seen: list[tuple[str, str, int]]
    content = "text/plain; version=0.0.4"

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", ""), monotonic_ns()))
        status, text = self.page(len(self.seen) - 1)
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", self.content)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@contextmanager
def answering(page: Page) -> Iterator[tuple[str, list[tuple[str, str, int]]]]:
    seen: list[tuple[str, str, int]] = []
    handler = type("Handler", (Metrics,), {"page": staticmethod(page), "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def scraped(url: str, *, until: Callable[[], bool], **options: object) -> Scraper:
    with Scraper(url, interval_s=0.01, **options) as scraper:  # type: ignore[arg-type]
        end = time.monotonic() + 10
        while not until() and time.monotonic() < end:
            time.sleep(0.005)
    return scraper


def series_of(scraper: Scraper) -> ServerSeries:
    found = scraper.series()
    assert isinstance(found, Measured), found
    return found.value


def vllm(number: int) -> tuple[int, str]:
    return 200, (
        "# TYPE vllm:num_requests_running gauge\n"
        f'vllm:num_requests_running{{engine="0",model_name="m"}} {number}\n'
        f'vllm:num_requests_running{{engine="1",model_name="m"}} 2\n'
        "# TYPE vllm:kv_cache_usage_perc gauge\n"
        'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25\n'
        'vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75\n'
        'vllm:gpu_cache_usage_perc{engine="0",model_name="m"} 0.9\n'
        "# TYPE vllm:generation_tokens_total counter\n"
        f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {100 * number}\n'
        "process_resident_memory_bytes 12345\n"
        f"process_start_created {number}\n"
        f"sometimes {'NaN' if number % 2 else number}\n"
    )


def test_series_are_named_by_meaning_summed_over_replicas_and_stamped_around_the_answer() -> None:
    with answering(vllm) as (url, seen):
        series = series_of(scraped(f"{url}/v1", until=lambda: len(seen) >= 6))
    assert {path for path, _, _ in seen} == {"/metrics"}
    rows = len(series.asked_ns)
    assert rows == len(seen)
    for index, (_, _, answered_ns) in enumerate(seen):
        assert series.asked_ns[index] <= answered_ns <= series.answered_ns[index]
        assert abs(series.at_ns()[index] - answered_ns) <= series.half_width_ns()[index]
    running = series.find("requests_running")
    assert running == Measured(
        ServerColumn(
            "vllm:num_requests_running",
            "requests_running",
            tuple(range(rows)),
            tuple(float(n + 2) for n in range(rows)),
        ),
        "engine",
    )
    usage, tokens = series.find("kv_cache_usage"), series.find("output_tokens_total")
    assert isinstance(usage, Measured)
    assert usage.value.highest() == Measured(0.75, "engine")
    assert isinstance(tokens, Measured)
    assert tokens.value.growth() == Measured(100.0 * (rows - 1), "engine")
    assert isinstance(series.find("preemptions_total"), Missing)
    others = {column.name: column for column in series.columns if column.meaning == "other"}
    assert set(others) == {"process_resident_memory_bytes", "sometimes"}
    assert others["sometimes"].rows == tuple(range(0, rows, 2))  # NaN is not a value


def test_who_leaves_while_the_server_is_asked_has_it_asked_once_more() -> None:
    asked = threading.Event()

    def slow(number: int) -> tuple[int, str]:
        asked.set()
        time.sleep(0 if number else 0.3)  # longer than it takes to leave
        return 200, f"done_total {number}\n"

    with answering(slow) as (url, seen):
        with Scraper(url, interval_s=60.0) as scraper:
            assert asked.wait(10)
            left_ns = monotonic_ns()
        series = series_of(scraper)
    assert len(seen) == 2
    assert series.asked_ns[0] < left_ns <= series.asked_ns[1]
    assert series.columns[0].values == (0.0, 1.0)


def test_every_rank_of_one_replica_counts_once() -> None:
    def page(_: int) -> tuple[int, str]:
        lines = [
            f'sglang:num_running_reqs{{dp_rank="{dp}",pp_rank="0",tp_rank="{tp}"}} 4'
            for dp in (0, 1)
            for tp in (0, 1)
        ]
        return 200, "\n".join(lines) + "\n"

    with answering(page) as (url, seen):
        series = series_of(scraped(url, until=lambda: len(seen) >= 2))
    running = series.find("requests_running")
    assert isinstance(running, Measured)
    assert set(running.value.values) == {8.0}


@pytest.mark.parametrize("status", [401, 403, 404, 501])
def test_a_server_without_the_route_is_asked_once_and_left_in_peace(status: int) -> None:
    with answering(lambda _: (status, "no")) as (url, seen):
        with Scraper(url, interval_s=0.01) as scraper:
            time.sleep(0.15)
        found = scraper.series()
    assert len(seen) == 1
    assert isinstance(found, Missing)
    assert found.code == "no_metrics_route"
    assert str(status) in found.detail


def test_a_bad_answer_is_counted_and_the_next_one_kept() -> None:
    pages = {0: (200, "<html>no</html>"), 1: (503, ""), 2: (200, "a 1\na 2\n")}

    with answering(lambda n: pages.get(n, (200, "a 1\n"))) as (url, seen):
        series = series_of(scraped(url, until=lambda: len(seen) >= 5))
    assert series.failed == 3
    assert "same labels twice" in series.last_failure
    assert len(series.asked_ns) == len(seen) - 3


def test_nobody_there_is_missing_with_the_systems_word() -> None:
    with Scraper("http://127.0.0.1:1") as scraper:
        pass
    found = scraper.series()
    assert isinstance(found, Missing)
    assert found.code == "no_scrape"
    assert "refused" in found.detail


def test_a_key_is_sent_along() -> None:
    with answering(lambda _: (200, "a 1\n")) as (url, seen):
        scraped(url, until=lambda: len(seen) > 0, headers={"Authorization": "Bearer k"})
    assert {key for _, key, _ in seen} == {"Bearer k"}


def test_a_long_run_is_thinned_and_a_page_of_many_series_is_capped() -> None:
    def page(number: int) -> tuple[int, str]:
        return 200, "".join(f"series_{n:03} {number}\n" for n in range(100))

    with answering(page) as (url, seen):
        series = series_of(scraped(url, until=lambda: len(seen) >= 20, most_rows=8))
    assert len(series.asked_ns) <= 8
    assert series.thinned >= 1
    assert (len(series.columns), series.left_out) == (64, 36)
    first = series.columns[0]
    assert first.rows == tuple(range(len(series.asked_ns)))
    assert first.values[0] == 0
    for row, value in zip(first.rows, first.values, strict=True):
        assert series.asked_ns[row] <= seen[int(value)][2] <= series.answered_ns[row]


def test_a_span_keeps_the_scrapes_that_lie_in_it_and_json_keeps_all_of_them() -> None:
    series = ServerSeries(
        (10, 20, 30), (12, 22, 32), (ServerColumn("a_total", "other", (0, 2), (5.0, 1.0)),)
    )
    assert series.columns[0].growth() == Measured(1.0, "engine")  # it was started anew
    inner = series.within(15, 40)
    assert inner.asked_ns == (20, 30)
    assert inner.columns[0] == ServerColumn("a_total", "other", (1,), (1.0,))
    assert isinstance(inner.columns[0].growth(), Missing)
    assert decode(ServerSeries, encode(series), source="here") == series
    json.loads(encode(series), parse_constant=pytest.fail)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(BadInput, match="no address"):
        Scraper("localhost:8000")


def test_llama_cpps_own_server_is_understood(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "tiny.gguf")
    flags = ("--threads", "1", "--ctx-size", "256", "--metrics", "--no-warmup")
    with serving(model, *flags) as (_, port):
        with Scraper(f"http://127.0.0.1:{port}") as scraper:
            while isinstance(scraper.series(), Missing):
                time.sleep(0.01)
            answer = ask(port, "/completion", {"prompt": "ab", "n_predict": 5, "temperature": 0})
        series = series_of(scraper)
    tokens = series.find("output_tokens_total")
    assert isinstance(tokens, Measured)
    assert tokens.value.growth() == Measured(float(answer["timings"]["predicted_n"]), "engine")
    for meaning in ("requests_running", "requests_waiting", "prompt_tokens_total"):
        assert isinstance(series.find(meaning), Measured)


def test_llama_cpps_server_without_the_flag_says_so(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "tiny.gguf")
    flags = ("--threads", "1", "--ctx-size", "256", "--no-warmup")
    with serving(model, *flags) as (_, port), Scraper(f"http://127.0.0.1:{port}") as scraper:
        time.sleep(0.2)
    found = scraper.series()
    assert isinstance(found, Missing)
    assert found.code == "no_metrics_route"
