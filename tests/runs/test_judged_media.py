"""Media that a server cannot be shown, over real sockets: the items are not asked, the rest is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs import scene

from steelyard.analysis import barred
from steelyard.analysis.failure_hints import hint
from steelyard.domain.task import NotRun, Task
from steelyard.runs import judged
from steelyard.scripted.plan import Fault, Plan
from steelyard.tasks import registry

VISION = Task("vision", revision=registry.family("vision").revision, items=4)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (Plan(0.001, admits=False, takes=()), "media_refused"),
        (Plan(0.001, admits=False, faults=(Fault("http_error"),)), "media_untried"),
    ],
)
def test_a_sample_that_fails_bars_the_task_and_not_the_run(
    plan: Plan, why: str, tmp_path: Path
) -> None:
    with scene.bench(tmp_path, plan, scene.spec_of(VISION)) as bench:
        section = judged.judge(bench, VISION)
    assert {mark.outcome for mark in section.marks.values()} == {NotRun(why)}
    assert not section.attempts
    assert barred.why(section) == why
    assert hint(why)
