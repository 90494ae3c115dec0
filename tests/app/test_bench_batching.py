"""`bench --batching`: waves against places refilled at once, where answer lengths are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app import bench_stage
from tests.app.bench_stage import Bench, Server, pacer

from steelyard.domain.reading import Measured, Reading
from steelyard.store.records import read_record

S = 1_000_000_000
# 40 ms to the first token, then one every 8 ms: three answers of 5 tokens for one of 45.
TOKENS = (5, 5, 5, 45)
LASTS_S = [0.040 + 0.008 * (tokens - 1) for tokens in TOKENS]
MEAN_S, LONGEST_S = sum(LASTS_S) / 4, max(LASTS_S)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pacer(tmp_path_factory.mktemp("pacer"), "--ttft-ms", "40", "--gap-ms", "8") as up:
        yield up


@pytest.fixture
def prompts(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": f"Count to {number} in words.", "max_tokens": tokens}
        for number, tokens in enumerate(TOKENS)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return "--prompts", str(path)


def value(reading: Reading[float]) -> float:
    assert isinstance(reading, Measured), reading
    return reading.value


def test_a_wave_begins_together_and_only_when_all_before_it_have_ended(
    bench: Bench, server: Server, prompts: tuple[str, str]
) -> None:
    words = ("--concurrency", "4", "--batching", "static", "--requests", "14", "--warmup", "0")
    ended = bench.run(server.url, *words, *prompts)
    (section,) = read_record(ended.folder).sections
    sent = sorted(section.attempts, key=lambda attempt: attempt.sent_ns)
    assert len(sent) == 14
    for first in range(0, 14, 4):
        wave, before = sent[first : first + 4], sent[:first]
        assert max(a.sent_ns for a in wave) < min(a.done_ns for a in wave)  # none waits for another
        assert all(a.done_ns <= wave[0].sent_ns for a in before)
    assert ended.level.load == "4 at a time, in waves"
    idle = ended.level.throughput.idle_share
    assert value(idle.value) == pytest.approx(1 - MEAN_S / LONGEST_S, abs=0.03)
    assert idle.n == 3


@pytest.mark.alone  # what a busy machine adds to each answer is none of its planted length
def test_both_ways_find_the_ratio_that_the_planted_lengths_have(
    bench: Bench, server: Server, prompts: tuple[str, str]
) -> None:
    words = ("--concurrency", "4", "--batching", "both", "--blocks", "2", "--requests", "32")
    ended = bench.run(server.url, *words, *prompts, "--warmup", "0")
    assert ended.code == 0, ended.err
    (found,) = ended.summary.measurements[0].batching
    assert value(found.ratio.value) == pytest.approx(LONGEST_S / MEAN_S, rel=0.06)
    assert value(found.continuous_tps.value) == pytest.approx(sum(TOKENS) / MEAN_S, rel=0.06)
    assert value(found.static_tps.value) == pytest.approx(sum(TOKENS) / LONGEST_S, rel=0.06)
    assert value(found.idle_share.value) == pytest.approx(1 - MEAN_S / LONGEST_S, abs=0.03)
    assert value(found.ratio.low) <= value(found.ratio.value) <= value(found.ratio.high)
    names = [section.name.rpartition("/")[2] for section in read_record(ended.folder).sections]
    assert sorted(names) == ["c4"] * 4 + ["c4-static"] * 4
    assert {names[0] == names[3], names[1] == names[2]} == {True}
    assert [level.counts.planned for level in ended.levels] == [32, 32]
    for name in ("report.html", "summary.md"):
        text = (ended.folder / name).read_text(encoding="utf-8")
        assert "Continuous against static batching" in text
        assert f"{value(found.ratio.value):.3f} " in text
    rows = (ended.folder / "summary.csv").read_text(encoding="utf-8").splitlines()
    (row,) = [row for row in rows if ",continuous_over_static," in row]
    assert str(value(found.ratio.value)) in row
    assert "Continuous against static batching" in ended.out


def test_a_load_in_waves_that_ends_by_time_begins_no_wave_afterwards(
    bench: Bench, server: Server, prompts: tuple[str, str]
) -> None:
    words = ("--concurrency", "4", "--batching", "static", "--duration", "1s", "--warmup", "0")
    ended = bench.run(server.url, *words, *prompts)
    (section,) = read_record(ended.folder).sections
    assert len(section.attempts) % 4 == 0
    assert 8 <= len(section.attempts) <= 16
    assert max(a.sent_ns for a in section.attempts) - section.began_ns < S
