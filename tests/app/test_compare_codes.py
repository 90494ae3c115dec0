"""How `eval compare` exits where no item of either run has a mark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.analysis.suite import both

from steelyard.app.evals import comparing
from steelyard.domain.task import Mark, NotRun, Task
from steelyard.store.records import write_record


@pytest.mark.parametrize(
    ("why", "code"), [("no_known_answer", 0), ("only_scored", 0), ("stalled", 3)]
)
def test_answers_that_nobody_could_mark_are_compared_and_failures_are_not(
    why: str, code: int, tmp_path: Path
) -> None:
    names = []
    for record in both({Task("logic"): (20, 2, 1)}):
        sections = tuple(
            replace(each, marks={item: Mark(NotRun(why)) for item in each.marks})
            for each in record.sections
        )
        folder = tmp_path / record.id
        folder.mkdir()
        write_record(folder, replace(record, sections=sections))
        names.append(str(folder))
    assert comparing.compare(names[0], names[1], 0.03, as_json=True).exit_code == code
