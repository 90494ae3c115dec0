"""What a sweep foresees before anything is made: disk, time, and what the model has room for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.app import stage
from tests.llamalib import tiny

from steelyard.analysis.sizing import different
from steelyard.app.stores import stock
from steelyard.app.sweeps import foreseeing
from steelyard.app.sweeps.ladder import Order
from steelyard.app.sweeps.spec import SweepRequest
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Noted, Progress
from steelyard.platform import containment
from steelyard.tasks import registry


def foresee(subject: Path, **options: Any) -> foreseeing.Foreseen:
    told: list[Progress] = []
    ahead = foreseeing.foresee(
        SweepRequest(subject=str(subject), dry_run=True, **{"items": 10, **options}),
        told.append,
    )
    assert any(isinstance(event, Noted) for event in told)
    return ahead


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> stage.Stage:
    return stage.build(tmp_path_factory.mktemp("foreseen"), items=1)


def test_files_that_are_there_take_no_further_disk(ladder: stage.Stage) -> None:
    two = foresee(ladder.ladder, quants=("Q8_0",))
    whole = foresee(ladder.ladder)
    apart = whole.plan.disk_bytes - two.plan.disk_bytes
    files = sum(v.artifact.size_bytes for v in whole.sweep.variants[2:])
    assert whole.disk_bytes - two.disk_bytes == apart - files


def test_the_full_suite_asks_what_it_can_and_names_the_rest_with_its_reason(
    ladder: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    containment.sandbox.cache_clear()
    ahead = foresee(ladder.ladder, quants=("Q8_0",), suite="full")
    containment.sandbox.cache_clear()
    asked = {task.section: task.items for task in ahead.sweep.tasks}
    assert asked.keys() >= {"tools/l1", "tools_prompted/l1", "rag/l1[bm25,256,5]"}
    assert set(asked.values()) == {10}
    families = {task.family for task in ahead.sweep.tasks}
    told = {skip.label: skip.reason for skip in ahead.plan.skipped}
    assert set(registry.names()) - families == {"code", "vision", "audio", "video"} <= told.keys()
    assert "no bwrap here" in told["code"]
    assert "without a projector" in told["vision"]
    assert "`steelyard eval --tasks audio` asks it" in told["audio"]
    quick = foresee(ladder.ladder, quants=("Q8_0",))
    assert [task.family for task in quick.sweep.tasks] == list(registry.FAMILIES)
    assert not {"rag", "audio"} & {skip.label for skip in quick.plan.skipped}


def test_long_questions_are_as_long_as_the_work_has_room_for(tmp_path: Path) -> None:
    found = {}
    for context in (2048, 4096, 8192):
        made = tiny.write(tmp_path / f"{context}.gguf", tiny.Shape(context=context))
        found[context] = foresee(made, quants=("Q8_0",), suite="full", items=None)
    short, middle, long = found.values()
    told = {skip.label: skip.reason for skip in short.plan.skipped}
    assert "take up to 2,048 tokens, and this sweep has 1,280 of context" in told["long_context"]
    assert "rag" in told
    for ahead, level in ((middle, 2), (long, 4)):
        (task,) = (task for task in ahead.sweep.tasks if task.family == "long_context")
        assert (task.level, task.items) == (level, 45)
    assert {task.items for task in long.sweep.tasks if task.family in registry.FAMILIES} == {300}


def test_the_smallest_loss_counts_forms_once_and_says_what_it_takes_for_granted(
    ladder: stage.Stage,
) -> None:
    told: list[Progress] = []
    request = SweepRequest(
        subject=str(ladder.ladder), dry_run=True, quants=("Q8_0",), suite="full", items=60
    )
    ahead = foreseeing.foresee(request, told.append)
    clusters = {
        f"{task.section}/{item.id}": f"{task.section}/{item.cluster}"
        for task in ahead.sweep.tasks
        for item in registry.generate(task)
    }
    assert (ahead.plan.different_items, ahead.plan.design_effect) == different(clusters)
    assert ahead.plan.different_items < ahead.plan.items - 50
    (said,) = [event.text for event in told if isinstance(event, Noted) and "margin" in event.text]
    least = 100 * ahead.plan.smallest_visible_loss
    assert f"{ahead.plan.different_items:,} of them different" in said
    assert f"{least:.1f} points (power 80 %, if 6 % flip as between two quants, alike by" in said


def test_a_file_to_be_made_is_counted_once(tmp_path: Path) -> None:
    source = tiny.write(tmp_path / "tiny.gguf", stage.SHAPE)
    one, both = (foresee(source, quants=q) for q in (("Q8_0",), ("Q8_0", "Q4_K_M")))
    assert len(both.sweep.variants) == 3
    assert isinstance(both.order, Order)
    made = both.order.made[1].file_bytes
    runs = (both.plan.disk_bytes - one.plan.disk_bytes) - both.sweep.variants[2].artifact.size_bytes
    assert both.disk_bytes - one.disk_bytes == made + runs


def test_options_that_would_change_nothing_are_refused(ladder: stage.Stage) -> None:
    with pytest.raises(BadInput, match="--requantise would have no effect"):
        foresee(ladder.ladder, requantise=True)
    order = stock.QuantiseOrder(str(ladder.file("F16")), ("F16",), None, None, False, "wheel")
    with pytest.raises(BadInput, match="nothing to make"):
        stock.quantise_text(order, lambda _event: None)


def test_a_resume_says_no_to_settings_of_another_sweep(tmp_path: Path) -> None:
    made = stage.build(tmp_path, items=1, load_failure="no")
    begun = ["sweep", f"{made.ladder}@scripted", "--quants", "Q8_0", "--items", "2"]
    out = ["--out", str(made.home / "out")]
    assert made.run(*begun, "--repeats", "1", *out).returncode == 3
    other = made.run(*begun, "--threads", "3", "--resume", *out)
    assert other.returncode == 2
    assert "not begun with threads 3" in other.stderr
    same = made.run(*begun, "--resume", *out)
    assert same.returncode == 3, same.stderr


def test_a_model_of_short_context_is_swept_without_the_deepest_workload(tmp_path: Path) -> None:
    short = tiny.write(tmp_path / "short.gguf", tiny.Shape(context=2048))
    ahead = foresee(short)
    assert ahead.sweep.profile.context_tokens <= 2048
    (skip,) = ahead.plan.skipped
    assert skip.label.startswith("depth/p2048")
    assert "trained for 2,048 tokens" in skip.reason


def test_the_engine_gets_as_many_threads_as_there_are_cores_for_us(ladder: stage.Stage) -> None:
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usual)})
    try:
        assert foresee(ladder.ladder).sweep.controls.threads == 1
    finally:
        os.sched_setaffinity(0, usual)
