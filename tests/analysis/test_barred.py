"""A task that a server takes no item of: named, and left out for every variant alike."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.swept import World, brief

from steelyard.analysis.evidence import Evidence
from steelyard.analysis.summary import summarise
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.domain.summary import SweepSummary
from steelyard.domain.task import Mark, NotRun


def without(evidence: Evidence, family: str, label: str, why: str, least: int = 0) -> Evidence:
    """Mark the items of a family as not run for one variant, from the `least`-th on."""

    def changed(run: RunRecord) -> RunRecord:
        if label not in run.spec.subject.artifact.name:
            return run
        sections = []
        for section in run.sections:
            marks = dict(section.marks)
            if section.name.startswith(family):
                marks |= {item: Mark(NotRun(why)) for item in sorted(marks)[least:]}
            sections.append(replace(section, marks=marks))
        return replace(run, sections=tuple(sections))

    return replace(evidence, runs=tuple(map(changed, evidence.runs)))


def told(summary: SweepSummary) -> dict[str, str]:
    return {each.what: each.why for each in summary.not_measured}


def test_a_task_that_one_variant_cannot_be_asked_counts_for_none_and_says_for_whom() -> None:
    summary = summarise(without(World(spec=brief()).evidence(), "logic", "Q4_K_M", "tools_ignored"))
    assert told(summary)["logic"].endswith("(Q4_K_M)")
    assert summary.items == 3 * 24
    for row in summary.per_quant:
        assert "logic" not in row.family_marks
        assert row.marks.not_run == 0
        assert row.marks.right + row.marks.wrong == 3 * 24
    judged = [row.verdict.value for row in summary.per_quant if isinstance(row.verdict, Measured)]
    assert {verdict.items for verdict in judged} == {3 * 24}


def test_items_that_failed_are_no_reason_to_leave_a_task_out() -> None:
    evidence = World(spec=brief()).evidence()
    for found in (
        without(evidence, "logic", "Q4_K_M", "stalled"),
        without(evidence, "logic", "Q4_K_M", "tools_ignored", least=1),
    ):
        summary = summarise(found)
        assert "logic" not in told(summary)
        (row,) = [r for r in summary.per_quant if r.variant.label == "Q4_K_M"]
        assert row.marks.not_run >= 23
        assert isinstance(row.verdict, Measured)
        assert row.verdict.value.name == "undecided"
