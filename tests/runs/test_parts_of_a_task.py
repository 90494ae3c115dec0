"""A task asked in parts and in repeats: what lasts, what was answered, and which seed was told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.analysis.answered import NS, Said, section
from tests.runs import scene

from steelyard.domain.run import RunSpec
from steelyard.domain.stream import Failed
from steelyard.domain.task import NotRun, Task
from steelyard.runs import judged
from steelyard.runs.bench import Key
from steelyard.runs.doubtful import Named
from steelyard.scripted import truth
from steelyard.scripted.plan import Plan
from steelyard.tasks.registry import generate

FAST = Plan(ttft_s=0.002, gap_s=0.0005)
ONCE = Task("math_words", items=3)
THRICE = replace(ONCE, samples=3)


def test_two_parts_last_as_long_as_both_and_not_as_the_time_between_them() -> None:
    """Three seconds, an hour of something else, then four seconds."""
    first, second = section([Said(seconds=3.0)]), section([Said("w", seconds=4.0)])
    hour_ns = 3600 * NS
    later = replace(
        second,
        started_ns=hour_ns,
        ended_ns=hour_ns + 4 * NS,
        marks={"i001": second.marks["i000"]},
        clusters={"i001": "other"},
    )
    (whole,) = judged.joined([first, later])
    assert (whole.ended_ns - whole.started_ns, whole.ended_ns) == (7 * NS, hour_ns + 4 * NS)
    assert whole.marks == {"i000": first.marks["i000"], "i001": second.marks["i000"]}
    assert whole.clusters == {"i000": "i000", "i001": "other"}
    assert len(whole.attempts) == 2
    other = replace(later, name="other/l1")
    assert judged.joined([first, other]) == [first, other]


def ask(folder: Path, spec: RunSpec) -> None:
    with scene.bench(folder, FAST, spec) as bench:
        for task in spec.tasks:
            judged.judge(bench, task)


def seeds(folder: Path) -> dict[str, int | None]:
    told = truth.read(folder / "truth.jsonl")
    numbers = {Key.read(one.id).sample: truth.number_of(one) for one in scene.sent(folder)}
    return {sample: told[number].seed for sample, number in numbers.items() if number is not None}


def test_every_repeat_and_every_campaign_has_seeds_of_its_own(tmp_path: Path) -> None:
    spec = scene.spec_of(ONCE)
    told = []
    for name, each in (
        ("first", spec),
        ("repeat", replace(spec, repeat=1)),
        ("campaign", replace(spec, campaign_seed=spec.campaign_seed + 1)),
    ):
        (folder := tmp_path / name).mkdir()
        ask(folder, each)
        told.append(seeds(folder))
    assert {len(one) for one in told} == {3}
    assert len({seed for one in told for seed in one.values()}) == 9


def test_an_item_is_answered_once_all_its_samples_are(tmp_path: Path) -> None:
    ask(tmp_path, scene.spec_of(ONCE))
    items = [item.id for item in generate(ONCE)]
    sent = scene.sent(tmp_path)
    failed = [replace(e, status=500) if Key.read(e.id).sample == items[2] else e for e in sent]
    with scene.bench(tmp_path, FAST, scene.spec_of(THRICE), known=failed) as bench:
        assert judged.answered(bench, ONCE) == set(items[:2])
        assert judged.answered(bench, THRICE) == set()
        judged.judge(bench, THRICE, generate(THRICE)[:1])
    with scene.bench(tmp_path, FAST, scene.spec_of(THRICE)) as bench:
        assert judged.answered(bench, THRICE) == {items[0]}


def test_answers_that_were_cut_kept_or_another_models_are_not_run(tmp_path: Path) -> None:
    """A prompt is suspected of having been cut; it is believed once another surely was."""
    made = section([Said() for _ in range(6)], ONCE.section)
    others = tuple(replace(a, model="m" if n else "other") for n, a in enumerate(made.attempts))
    said = {"i001": Named("x", "7"), "i002": Named("y", "7"), "i003": Named("x", "7")}
    with scene.bench(tmp_path, FAST, scene.spec_of(ONCE)) as bench:
        bench.named[ONCE.section] = {(item, 0): named for item, named in said.items()}
        bench.suspects[ONCE.section] = {"i005"}
        whole = replace(made, attempts=others)
        failed = replace(others[4], outcome=Failed("prompt_cut"))
        cut = replace(whole, attempts=(*others[:4], failed, others[5]))
        found = [judged.settled(bench, one).marks for one in (whole, cut)]
    not_run = [
        {item: mark.outcome.why for item, mark in marks.items() if isinstance(mark.outcome, NotRun)}
        for marks in found
    ]
    assert not_run[0] == {"i000": "other_model", "i003": "stale_answer"}
    assert not_run[1] == {**not_run[0], "i005": "prompt_cut"}
