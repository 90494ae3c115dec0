"""`bench` as a user runs it: every load over real sockets, into folder, store and reports."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app import bench_stage, stage
from tests.app.bench_stage import SHORT, Bench, Ended, Server, pacer
from tests.app.stage import Stage
from tests.engines.foreign import ONE_MODEL, Reply, certificate, serving

from steelyard.app.benches import benching
from steelyard.app.benches.request import BenchRequest
from steelyard.domain.bench import Level
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.reading import Measured
from steelyard.engines import api, host
from steelyard.runs.places import place_for
from steelyard.store.records import read_record

__all__ = ["certificate"]

FAST = ("--ttft-ms", "5", "--gap-ms", "1", "--tokens", "8")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pacer(tmp_path_factory.mktemp("pacer"), *FAST) as up:
        yield up


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of prompts and traces."""
    (tmp_path / "three.txt").write_text("one fine day\n\nanother word or two\nand so on\n")
    row = {"prompt": "say it", "max_tokens": 3}
    (tmp_path / "rows.jsonl").write_text("\n".join([json.dumps(row)] * 2))
    talk = [{"from": "human", "value": "how are you on this fine day, my friend"}]
    talk += [{"from": "gpt", "value": "well enough, and you, if I may ask so early in the day"}]
    (tmp_path / "gpt.json").write_text(json.dumps([{"conversations": talk}] * 2))
    (tmp_path / "moments.json").write_text("[0, 0.1, 0.2, 0.35, 0.5]")
    lengths = [(0, 32, 8), (50, 40, 5), (125, 50, 3)]
    keys = ("timestamp", "input_length", "output_length")
    lines = [json.dumps(dict(zip(keys, each, strict=True))) for each in lengths]
    (tmp_path / "lengths.jsonl").write_text("\n".join(lines))
    return tmp_path


COUNTED = {
    "closed": ("--concurrency 3 --requests 12", 12),
    "constant": ("--rate 20 --arrivals constant --duration 1s", 20),
    "poisson": ("--rate 60 --requests 15", 15),
    "gamma under a cap": ("--rate 60 --arrivals gamma:2 --cap 2 --requests 15", 15),
    "trace": ("--trace FILES/moments.json --trace-speed 2", 5),
    "part of a trace": ("--trace FILES/moments.json --trace-speed 2 --requests 3", 3),
    "conversations": ("--conversations users=2,turns=3,think=10ms --requests 12", 12),
    "conversations by time": ("--conversations users=2,turns=2 --requests 6 --duration 20s", 6),
    "two ends": ("--concurrency 2 --requests 6 --duration 20s", 6),
}
ENDING: dict[str, str] = {
    "closed by time": "--concurrency 2 --duration 1s",
    "ramp of rates": "--ramp rate:20..60/500ms",
    "ramp of streams": "--ramp streams:1..3/500ms",
    "steps of rates": "--steps rate:20,60/300ms",
    "steps of streams": "--steps streams:1,3/250ms",
}


def whole_answer(cached: int = 0) -> Reply:
    """Return the answer to any chat: one token."""
    piece = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}]}
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 1,
        "total_tokens": 33,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    told = f"data: {json.dumps({**piece, 'usage': usage})}\n\ndata: [DONE]\n\n".encode()
    return Reply(told, headers={"Content-Type": "text/event-stream"})


def whole(ended: Ended) -> None:
    """Every file of a bench is there and says the same."""
    assert ended.code == 0, ended.err
    record = read_record(ended.folder)
    (measurement,) = ended.summary.measurements
    assert record.id == measurement.run_id
    assert record.outcome == measurement.outcome == "completed"
    assert [s.name for s in record.sections] == [level.name for level in measurement.levels]
    rows = list(csv.DictReader((ended.folder / "summary.csv").read_text().splitlines()))
    assert {row["level"] for row in rows} >= {level.name for level in measurement.levels}
    page = (ended.folder / "report.html").read_text()
    for level in measurement.levels:
        assert level.load in page
        assert level.load in (ended.folder / "summary.md").read_text()
    assert str(ended.folder / "report.html") in ended.out


def sent_all(level: Level) -> int:
    """Return how many were sent: as many as were meant to be, and all were answered."""
    counts = level.counts
    assert counts.planned == counts.sent == counts.completed
    assert (counts.failed, counts.dropped) == (0, 0)
    return counts.sent


@pytest.mark.parametrize(("words", "count"), COUNTED.values(), ids=COUNTED)
def test_each_shape_sends_exactly_what_it_says(
    bench: Bench, server: Server, files: Path, words: str, count: int
) -> None:
    before = len(server.sent())
    typed = words.replace("FILES", str(files)).split()
    ended = bench.run(server.url, *typed, *SHORT, "--warmup", "0")
    whole(ended)
    assert sent_all(ended.level) == count
    learned = 4  # how long prompts come out is learned from four short answers
    assert len(server.sent()) - before == count + learned
    assert ended.level.tokens.output == Measured(8 * count, "engine")


@pytest.mark.parametrize("words", ENDING.values(), ids=ENDING)
def test_a_load_that_ends_by_time_answers_what_it_has_begun(
    bench: Bench, server: Server, words: str
) -> None:
    ended = bench.run(server.url, *words.split(), *SHORT)
    whole(ended)
    assert sent_all(ended.level) > 3
    assert ended.level.throughput.elapsed_s < 20


def test_levels_come_one_after_the_other_and_lie_in_the_store(bench: Bench, server: Server) -> None:
    ended = bench.run(server.url, "--concurrency", "1,4", "--requests", "10", *SHORT)
    whole(ended)
    assert [level.load for level in ended.levels] == ["1 at a time", "4 at a time"]
    assert [sent_all(level) for level in ended.levels] == [10, 10]
    code, listed, _ = bench.ask("results", "list")
    (measurement,) = ended.summary.measurements
    assert code == 0
    assert measurement.run_id[-8:] in listed or measurement.run_id[:8] in listed
    assert "pacer" in listed


def test_the_json_on_the_screen_is_the_file(bench: Bench, server: Server) -> None:
    ended = bench.run(server.url, "--requests", "5", *SHORT, "--json")
    assert ended.code == 0, ended.err
    assert ended.out == (ended.folder / "bench_summary.json").read_text()
    assert ended.err == ""


def test_beside_the_json_it_is_said_why_a_bench_failed(bench: Bench, server: Server) -> None:
    ended = bench.run(server.url, "--requests", "40", *SHORT, "--slo", "ttft_p50=1ms", "--json")
    assert ended.code == 1
    assert ended.out == (ended.folder / "bench_summary.json").read_text()
    assert ended.err.startswith("1 at a time: ")
    assert "failed" in ended.err


def prompts_of(asked: list[tuple[str, str, dict[str, str], Any]]) -> list[str]:
    """Return what every chat ended with; the four that teach lengths come first."""
    return [
        body["messages"][-1]["content"]
        for _, path, _, body in asked
        if path == "/v1/chat/completions"
    ][4:]


def test_no_bench_repeats_the_prompts_of_another_unless_its_seed_is_given(bench: Bench) -> None:
    words = ("--requests", "3", "--warmup", "0", *SHORT)
    with serving({"/v1/models": ONE_MODEL, "/v1/chat/completions": whole_answer()}) as up:
        first = bench.run(up.url(), *words, out="first")
        second = bench.run(up.url(), *words, out="second")
        seed = read_record(second.folder).spec.campaign_seed
        again = bench.run(up.url(), *words, "--seed", seed, out="again")
        prompts = prompts_of(up.asked)
    assert [ended.code for ended in (first, second, again)] == [0, 0, 0]
    said = [prompts[0:3], prompts[7:10], prompts[14:17]]
    assert len(prompts) == 17
    assert not set(said[0]) & set(said[1])
    assert said[1] == said[2]


def test_two_that_are_compared_get_prompts_of_their_own(bench: Bench) -> None:
    words = ("--requests", "32", "--blocks", "2", "--warmup", "0", *SHORT)
    with serving({"/v1/models": ONE_MODEL, "/v1/chat/completions": whole_answer()}) as up:
        ended = bench.run(up.url(), "--compare", up.url(), *words)
        prompts = [prompt for prompt in prompts_of(up.asked) if len(prompt) > 60]
    assert ended.code == 0, ended.err
    asked = 8 * 3 + 2 * 32
    assert len(prompts) >= asked
    assert len({prompt[:40] for prompt in prompts[-asked:]}) == asked


def test_a_cache_that_held_a_prompt_is_told(bench: Bench) -> None:
    words = ("--requests", "3", *SHORT)
    answer = whole_answer(cached=16)
    with serving({"/v1/models": ONE_MODEL, "/v1/chat/completions": answer}) as up:
        ended = bench.run(up.url(), *words)
    (caution,) = [c for c in read_record(ended.folder).cautions if c.code == "PREFIX_CACHE_HIT"]
    assert caution.seen.startswith("3 of 3 prompts")
    assert "48 tokens" in caution.seen
    assert not caution.pollutes


PROMPTS: dict[str, tuple[str, int, str]] = {
    "a text file": ("FILES/three.txt,out=5", 5, "3 prompts of a file"),
    "rows with lengths": ("FILES/rows.jsonl", 3, "2 prompts of a file"),
    "ShareGPT": ("sharegpt:FILES/gpt.json,out=4", 4, "2 recorded conversations"),
    "prefix sets": ("prefix:prefix=64,in=32,out=6,groups=2", 6, "2 shared beginnings of 64"),
}


@pytest.mark.parametrize(("source", "tokens", "said"), PROMPTS.values(), ids=PROMPTS)
def test_prompts_come_from_where_they_are_said_to(
    bench: Bench, server: Server, files: Path, source: str, tokens: int, said: str
) -> None:
    typed = source.replace("FILES", str(files))
    ended = bench.run(server.url, "--requests", "6", "--prompts", typed)
    whole(ended)
    assert sent_all(ended.level) == 6
    assert ended.level.prompts.startswith(said)
    assert ended.level.tokens.output == Measured(6 * tokens, "engine")


def test_a_trace_brings_its_own_lengths_unless_others_are_asked_for(
    bench: Bench, server: Server, files: Path
) -> None:
    trace = ("--trace", files / "lengths.jsonl")
    own = bench.run(server.url, *trace, out="own")
    other = bench.run(server.url, *trace, "--prompts", "synthetic:in=512,out=128", out="other")
    for ended, tokens in ((own, 8 + 5 + 3), (other, 3 * 128)):
        whole(ended)
        assert ended.level.tokens.output == Measured(tokens, "engine")
    wanted = [
        attempt.prompt_tokens_wanted for attempt in read_record(own.folder).sections[0].attempts
    ]
    assert wanted == [32, 40, 50]


def test_each_turn_of_a_conversation_carries_those_before_it(bench: Bench, server: Server) -> None:
    words = ("--conversations", "users=2,turns=3", "--requests", "36")
    ended = bench.run(server.url, *words, *SHORT)
    turns = ended.level.turns
    assert [(turn.number, turn.requests) for turn in turns] == [(1, 12), (2, 12), (3, 12)]
    lengths = [
        turn.prompt_tokens_mean.value
        for turn in turns
        if isinstance(turn.prompt_tokens_mean, Measured)
    ]
    assert lengths == sorted(lengths)
    assert lengths[1] - lengths[0] > 30
    assert all(isinstance(turn.ttft_p50_s, Measured) for turn in turns)


def test_a_server_over_tls_is_measured_and_the_record_says_how_it_was_trusted(
    bench: Bench, certificate: Path, tmp_path: Path
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    text = certificate.read_text()
    middle = text.index("-----BEGIN CERTIFICATE")
    key.write_text(text[:middle])
    cert.write_text(text[middle:])
    with pacer(tmp_path / "tls", *FAST, "--cert", cert, "--key", key) as up:
        url = f"https://localhost:{up.port}"
        words = ("--concurrency", "2", "--requests", "8", *SHORT)
        unknown = bench.run(url, *words, out="unknown")
        trusted = bench.run(url, *words, "--cacert", cert, out="trusted")
        anybody = bench.run(url, *words, "--insecure", out="anybody")
    assert unknown.code == 3
    assert "--cacert" in unknown.err
    assert not unknown.folder.exists()
    for ended, said in ((trusted, "verified"), (anybody, "not verified")):
        whole(ended)
        assert sent_all(ended.level) == 8
        (told,) = [c for c in read_record(ended.folder).controls if c.name == "transport"]
        assert said in str(told.applied), told


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return stage.build(tmp_path_factory.mktemp("files"), items=1)


def test_a_file_and_the_url_of_its_engine_give_the_same_record_and_report(
    bench: Bench, made: Stage, tmp_path: Path
) -> None:
    words = ("--concurrency", "1,2", "--requests", "8", *SHORT)
    file = made.file("Q8_0")
    ours = bench.run(f"{file}@scripted", *words, out="ours")
    record = read_record(ours.folder)
    dialect = api.dialect("scripted")
    place = place_for(
        record.spec.subject, tmp_path / "engine", {record.spec.subject.artifact.sha256: file}
    )
    (tmp_path / "engine").mkdir()
    with host.start(dialect, record.spec.subject, record.spec.controls, place) as engine:
        theirs = bench.run(f"http://{engine.host}:{engine.port}", *words, out="theirs")
    for ended in (ours, theirs):
        whole(ended)
        assert [sent_all(level) for level in ended.levels] == [8, 8]
    assert shape(ours) == shape(theirs)
    assert record.simulated


def shape(ended: Ended) -> object:
    """What a report is made of, without its values."""
    levels = [
        (
            level.load,
            level.prompts,
            sorted({(f.metric, f.statistic, f.unit) for f in level.figures}),
        )
        for level in ended.levels
    ]
    page = (ended.folder / "report.html").read_text()
    headings = [part.split("</h2>")[0] for part in page.split("<h2")[1:]]
    return levels, headings, sorted(path.suffix for path in ended.folder.glob("summary.*"))


def test_two_servers_alike_show_no_difference_and_the_smallest_is_said_before_the_turns(
    bench: Bench, server: Server, tmp_path: Path
) -> None:
    said: list[str] = []
    asked: list[int] = []
    with pacer(tmp_path / "b", *FAST) as other:

        def listen(event: Progress) -> None:
            if isinstance(event, Noted) and "smallest difference" in event.text:
                said.append(event.text)
                asked.append(other.health()["answers"])

        options = {"compare": other.url, "blocks": 4, "concurrency": "2", "requests": 64}
        folder = bench.work / "out"
        request = BenchRequest(server.url, prompts=SHORT[1], out=folder, **options)  # type: ignore[arg-type]
        done = benching.perform(request, listen)
    assert done.exit_code == 0
    assert asked == [0]  # nothing was asked of the second before its first turn
    assert "4 blocks of 4 turns, 8 requests a turn" in said[0]
    assert "time per output token" in said[0]
    assert [m.levels[0].counts.completed for m in done.summary.measurements] == [64, 64]
    assert (folder / "a" / "record.json").exists()
    assert (folder / "b" / "record.json").exists()
    assert {each.metric for each in done.summary.differences} >= {"ttft_s", "tpot_s"}
    for each in done.summary.differences:
        if isinstance(each.ratio.value, Measured) and isinstance(each.p_value, Measured):
            # One in a thousand, and more than a machine with other work on it moves by itself.
            assert each.p_value.value > 0.001 or abs(each.ratio.value.value - 1) < 0.05, each


@pytest.mark.alone  # a pause of the machine in one block hides what four blocks show
def test_a_second_server_that_is_slower_by_a_tenth_for_each_token_is_found(
    bench: Bench, tmp_path: Path
) -> None:
    slow = ("--ttft-ms", "5", "--gap-ms", "4.4", "--tokens", "16")
    words = ("--blocks", "4", "--concurrency", "2", "--requests", "32")
    prompts = ("--prompts", "synthetic:in=32,out=16")
    with (
        pacer(tmp_path / "a", "--ttft-ms", "5", "--gap-ms", "4", "--tokens", "16") as one,
        pacer(tmp_path / "b", *slow) as two,
    ):
        ended = bench.run(one.url, "--compare", two.url, *words, *prompts)
    (found,) = [each for each in ended.summary.differences if each.metric == "tpot_s"]
    assert isinstance(found.ratio.value, Measured)
    assert found.ratio.value.value == pytest.approx(1.1, rel=0.03)
    assert isinstance(found.ratio.low, Measured)
    assert found.ratio.low.value > 1
