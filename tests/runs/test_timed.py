"""Timed workloads: warmed up, measured whole, and repeated whole when cut short."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tests.runs import scene

from steelyard.domain.run import RunSpec, Section
from steelyard.domain.stream import Completed, Exchange
from steelyard.domain.task import Invalid, Task
from steelyard.domain.workload import Workload
from steelyard.runs import timed
from steelyard.scripted.plan import Plan

LOAD = Workload("interactive", 64, 8, 6, warmup=2)
PLAN = Plan(ttft_s=0.01, gap_s=0.002)


def measure(
    folder: Path, spec: RunSpec | None = None, known: list[Exchange] | None = None
) -> Section:
    spec = spec or scene.spec_of(LOAD)
    with scene.bench(folder, PLAN, spec, known) as bench:
        return timed.measure(bench, spec.workloads[0])


def test_every_request_is_measured_and_the_warm_up_is_not(tmp_path: Path) -> None:
    section = measure(tmp_path)
    assert [attempt.sample for attempt in section.attempts] == [str(n) for n in range(6)]
    assert all(isinstance(attempt.outcome, Completed) for attempt in section.attempts)
    samples = [key.sample for key in scene.keys(tmp_path)]
    assert samples == ["warm0", "warm1", "0", "1", "2", "3", "4", "5"]
    warm_done = max(e.done_ns for e in scene.sent(tmp_path)[:2])
    assert section.started_ns >= warm_done
    assert section.kind == "workload"
    assert section.name == LOAD.name


def test_one_stream_sends_one_after_the_other(tmp_path: Path) -> None:
    section = measure(tmp_path)
    for one, two in itertools.pairwise(section.attempts):
        assert two.sent_ns >= one.done_ns


def test_two_streams_overlap(tmp_path: Path) -> None:
    section = measure(tmp_path, scene.spec_of(Workload("concurrency", 64, 16, 6, streams=2)))
    ordered = sorted(section.attempts, key=lambda attempt: attempt.sent_ns)
    overlaps = sum(two.sent_ns < one.done_ns for one, two in itertools.pairwise(ordered))
    assert overlaps >= 3
    assert section.streams == 2


@pytest.mark.parametrize(("asked", "sent"), [(0, 0), (1, 2), (4, 4)])
def test_the_warm_up_asked_for_is_the_least(tmp_path: Path, asked: int, sent: int) -> None:
    measure(tmp_path, scene.spec_of(LOAD, warmup=asked))
    assert sum(key.sample.startswith("warm") for key in scene.keys(tmp_path)) == sent


def test_a_section_that_was_cut_short_is_repeated_whole(tmp_path: Path) -> None:
    first = measure(tmp_path)
    cut = scene.sent(tmp_path)[:5]
    again = measure(tmp_path, known=cut)
    assert len(again.attempts) == LOAD.requests
    late = max(attempt.done_ns for attempt in first.attempts)
    assert min(attempt.sent_ns for attempt in again.attempts) > late
    assert {key.go for key in scene.keys(tmp_path)[8:]} == {1}
    # It is warmed up again too: the engine is a new one.
    assert [key.sample for key in scene.keys(tmp_path)[8:10]] == ["warm0", "warm1"]


def test_a_section_that_was_cut_short_twice_counts_its_last_start_only(tmp_path: Path) -> None:
    measure(tmp_path)
    first = scene.sent(tmp_path)[:5]
    measure(tmp_path, known=first)
    second = scene.sent(tmp_path)[8:12]
    third = measure(tmp_path, known=[*first, *second])
    assert {key.go for key in scene.keys(tmp_path)[16:]} == {2}
    assert len(third.attempts) == LOAD.requests


def test_a_section_that_had_ended_is_read_and_not_sent_again(tmp_path: Path) -> None:
    first = measure(tmp_path)
    before = len(scene.sent(tmp_path))
    again = measure(tmp_path)
    assert len(scene.sent(tmp_path)) == before
    assert again == first


def test_the_canary_asks_one_question_again_and_again_and_marks_it(tmp_path: Path) -> None:
    canary = Workload("canary", 0, 16, 5, warmup=1)
    task = Task("formats", items=1, seed=0)
    plan = Plan(ttft_s=0.002, gap_s=0.0005, answers=scene.answers(task))
    with scene.bench(tmp_path, plan, scene.spec_of(canary)) as bench:
        section = timed.measure(bench, canary)
    assert len(section.attempts) == 5
    assert {attempt.text for attempt in section.attempts} == {section.attempts[0].text}
    # It is asked for an exact number of tokens, so its answers end by their length.
    assert [mark.outcome for mark in section.marks.values()] == [Invalid("truncated")] * 5
