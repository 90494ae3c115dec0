"""A task that a server takes no item of: named, and left out for every variant alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.metrics.test_worth import powered
from tests.analysis.summaries import row, verdict
from tests.analysis.swept import World, brief

from steelyard.analysis.evidence import Evidence
from steelyard.analysis.summary import summarise
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.run import RunRecord
from steelyard.domain.summary import SweepSummary
from steelyard.domain.task import Mark, NotRun
from steelyard.domain.vitals import Vitals


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
    for each in summary.per_quant:
        assert "logic" not in each.family_marks
        assert each.marks.not_run == 0
        assert each.marks.right + each.marks.wrong == 3 * 24
    judged = [r.verdict.value for r in summary.per_quant if isinstance(r.verdict, Measured)]
    assert {verdict.items for verdict in judged} == {3 * 24}


def test_one_that_can_be_asked_nothing_costs_the_others_no_task() -> None:
    summary = summarise(without(World(spec=brief()).evidence(), "", "Q2_K", "context_overflow"))
    assert summary.items == 4 * 24
    assert verdict(row(summary, "Q4_K_M")).items == 4 * 24
    refused = row(summary, "Q2_K")
    assert refused.marks.not_run == 4 * 24
    assert isinstance(refused.verdict, Missing)
    assert "refuses every one of its questions for its length" in refused.verdict.detail
    assert refused.gates[0].state == "undecided"


def test_without_any_task_that_counts_it_is_said_which_and_for_whom() -> None:
    """Each candidate is refused another half of the tasks."""
    evidence = World(spec=brief()).evidence()
    for family, label in (("f", "Q8_0"), ("l", "Q8_0"), ("m", "Q2_K"), ("r", "Q2_K")):
        evidence = without(evidence, family, label, "no_tools")
    summary = summarise(evidence)
    found = row(summary, "Q4_K_M")
    for reading in (found.verdict, found.thinking, found.throughput.right_per_second):
        assert isinstance(reading, Missing)
        assert reading.code == "barred"
        assert "(Q8_0)" in reading.detail
        assert "(Q2_K)" in reading.detail
    assert {"formats", "logic", "math", "reading"} <= told(summary).keys()


def test_a_task_that_counts_for_none_is_in_no_energy_and_in_no_share_of_same_texts() -> None:
    evidence = World(spec=brief()).evidence()
    runs = tuple(replace(run, vitals=_counted(run)) for run in evidence.runs)
    whole = summarise(replace(evidence, runs=runs))
    part = summarise(without(replace(evidence, runs=runs), "logic", "Q4_K_M", "no_tools"))
    assert whole.noise.aa_same_text.n == whole.noise.aa_same_mark.n == 4 * 24
    assert part.noise.aa_same_text.n == part.noise.aa_same_mark.n == 3 * 24
    cost = [value_of(row(s, "Q4_K_M").throughput.joules_per_right.value) for s in (whole, part)]
    assert cost[0] is not None
    assert cost[0] == pytest.approx(cost[1])


def _counted(run: RunRecord) -> Reading[Vitals]:
    """Sample a counter that grows by 20 W from the first section's start to the last's end."""
    start, end = run.sections[0].started_ns, run.sections[-1].ended_ns
    looks = powered().value.samples
    first, last = (
        replace(looks[0], at_ns=at, energy_uj=Measured(round(at * 20 / 1000), "client"))
        for at in (start, end)
    )
    return Measured(replace(powered().value, samples=(first, last)), "client")


def test_items_that_failed_are_no_reason_to_leave_a_task_out() -> None:
    evidence = World(spec=brief()).evidence()
    for found in (
        without(evidence, "logic", "Q4_K_M", "stalled"),
        without(evidence, "logic", "Q4_K_M", "tools_ignored", least=1),
    ):
        summary = summarise(found)
        assert "logic" not in told(summary)
        failed = row(summary, "Q4_K_M")
        assert failed.marks.not_run >= 23
        assert verdict(failed).name == "undecided"
