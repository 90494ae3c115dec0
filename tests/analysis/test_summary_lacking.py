"""What a summary says where runs have failed, are foreign, silent or not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.analysis.summaries import row, small, verdict
from tests.analysis.swept import LOADS, World, asked, brief

from steelyard.analysis.summary import summarise
from steelyard.domain.errors import StoreError
from steelyard.domain.reading import Missing, value_of
from steelyard.domain.run import RunRecord
from steelyard.domain.stream import Attempt, Failed


def test_a_failed_variant_is_a_row_with_its_reason() -> None:
    found = summarise(World(spec=brief(), failed=frozenset({"Q8_0"})).evidence())
    failed = row(found, "Q8_0")
    assert (failed.outcome, failed.outcome_reason) == ("failed", "EngineError: code 139")
    assert failed.speeds == ()
    assert isinstance(failed.marks.right_share.value, Missing)
    assert failed.marks.right_share.value.code == "run_failed"
    assert isinstance(failed.memory_bytes, Missing)
    assert isinstance(failed.load_s, Missing)
    assert not any(gate.state == "met" for gate in failed.gates)
    assert {m.what: m.why for m in found.not_measured}["Q8_0"] == "EngineError: code 139"
    line = next(line for line in found.runs if line.label == "Q8_0")
    assert line.reasons == ("EngineError: code 139",)
    assert next(p for p in found.proofs if p.name == "identity").passed is False


def test_a_failed_try_beside_a_completed_one_costs_nothing() -> None:
    evidence = small()
    good_run = next(run for run in evidence.runs if run.spec.tasks and not run.spec.replica)
    dead = replace(good_run, id="dead", outcome="failed", reason="killed", sections=())
    early = replace(dead, started_at="2026-11-20T00:00:00Z")
    plain = summarise(evidence)
    found = summarise(replace(evidence, runs=(*evidence.runs, early)))
    assert [r.verdict for r in found.per_quant] == [r.verdict for r in plain.per_quant]
    assert found.recommendation == plain.recommendation


def test_without_its_reference_nothing_is_judged_and_the_reason_is_told() -> None:
    found = summarise(World(spec=brief(), failed=frozenset({"F16"})).evidence())
    candidate = row(found, "Q8_0")
    assert isinstance(candidate.verdict, Missing)
    assert candidate.verdict.code == "no_reference"
    assert "code 139" in candidate.verdict.detail
    assert candidate.optimisation is not None
    assert candidate.optimisation.status == "NO_BASELINE"
    assert all(pick.label is None for pick in found.recommendation)
    assert "did not finish" in row(found, "F16").sentences[1]


def test_a_variant_that_was_not_run_says_why() -> None:
    evidence = small()
    runs = tuple(
        run for run in evidence.runs if not run.spec.subject.artifact.name.endswith("Q2_K.gguf")
    )
    dropped = replace(evidence, runs=runs, skipped={"candidate/Q2_K/0": "no budget"})
    found = row(summarise(dropped), "Q2_K")
    assert (found.outcome, found.outcome_reason) == ("skipped", "no budget")
    refused = replace(evidence, runs=runs, skipped={"Q2_K": "no memory"})
    summary = summarise(refused)
    assert row(summary, "Q2_K").outcome_reason == "no memory"
    assert [m.why for m in summary.not_measured if m.what == "Q2_K"] == ["no memory"]
    silent = replace(evidence, runs=runs)
    assert row(summarise(silent), "Q2_K").outcome_reason == "it was not run"


def test_skipped_runs_that_share_a_reason_share_a_line() -> None:
    skipped = {f"candidate/{q}/2": "block 3 did not fit" for q in ("Q2_K", "Q8_0")}
    skipped["fidelity/Q2_K"] = "no room"
    found = summarise(replace(small(), skipped=skipped))
    lines = {m.what: m.why for m in found.not_measured}
    assert lines["2 runs (candidate/Q2_K/2, candidate/Q8_0/2)"] == "block 3 did not fit"
    assert lines["fidelity/Q2_K"] == "no room"


def test_over_one_percent_not_run_leaves_a_variant_undecided() -> None:
    found = summarise(World(not_run={"Q8_0": 40}).evidence())
    candidate = row(found, "Q8_0")
    assert candidate.marks.not_run == 40
    assert verdict(candidate).name == "undecided"
    assert value_of(candidate.marks.worst_share) != value_of(candidate.marks.best_share)


def test_without_canary_sentinels_or_formats_their_numbers_are_missing() -> None:
    bare = brief(canary=None, fidelity_positions=0)
    bare = replace(bare, sentinel=None)
    found = summarise(World(spec=bare, constraints=False).evidence(fidelity={}))
    assert isinstance(found.noise.canary_cv.value, Missing)
    assert isinstance(found.noise.drift_share, Missing)
    assert "determinism" not in {proof.name for proof in found.proofs}
    assert [g.name for g in row(found, "Q8_0").gates] == [
        "paired loss of right answers",
        "time to first token",
        "output speed",
    ]
    assert isinstance(row(found, "Q8_0").throughput.adherence_per_latency, Missing)
    assert {m.what for m in found.not_measured} >= {"fidelity of Q8_0"}
    assert found.text_sha256 is None


def test_formats_that_one_side_never_judged_are_undecided() -> None:
    evidence = small()
    runs = tuple(_without_constraints(run, "Q8_0") for run in evidence.runs)
    found = row(summarise(replace(evidence, runs=runs)), "Q8_0")
    gate = next(g for g in found.gates if g.name == "adherence")
    assert gate.state == "undecided"


def _without_constraints(run: RunRecord, label: str) -> RunRecord:
    if label not in run.spec.subject.artifact.name:
        return run
    sections = tuple(
        replace(s, marks={i: replace(m, constraints={}) for i, m in s.marks.items()})
        for s in run.sections
    )
    return replace(run, sections=sections)


def test_a_sweep_of_speeds_alone_has_no_verdicts() -> None:
    found = summarise(World(spec=asked(tasks=())).evidence())
    assert isinstance(row(found, "Q8_0").verdict, Missing)
    assert isinstance(row(found, "Q8_0").throughput.right_per_second, Missing)
    assert row(found, "F16").gates[0].state == "undecided"
    assert all(pick.label is None for pick in found.recommendation)


def test_a_sweep_of_tasks_alone_has_no_speeds() -> None:
    tasks_only = replace(brief(), workloads=(), sentinel=None)
    found = summarise(World(spec=tasks_only).evidence())
    assert row(found, "Q8_0").speeds == ()
    gates = {g.name: g for g in row(found, "Q8_0").gates}
    assert gates["time to first token"].found == "not measured: nothing was timed"
    assert row(found, "Q8_0").optimisation is not None


def test_gates_hold_at_the_first_workload_where_none_is_interactive() -> None:
    found = summarise(World(spec=brief(workloads=LOADS[1:])).evidence())
    gates = {g.name: g.state for g in row(found, "Q8_0").gates}
    assert gates["time to first token"] == gates["output speed"] == "met"


def test_runs_without_vitals_say_so() -> None:
    evidence = small()
    gone = Missing("not_sampled", "the sampler could not start")
    runs = tuple(replace(run, vitals=gone, load_s=gone) for run in evidence.runs)
    found = summarise(replace(evidence, runs=runs))
    assert row(found, "Q8_0").memory_bytes == gone
    assert row(found, "Q8_0").load_s == gone
    assert {m.what: m.why for m in found.not_measured}["memory"] == gone.detail
    assert row(found, "Q8_0").throughput.joules_per_right.value == gone
    assert found.runs[0].other_cpu_share == gone


def _broken(attempt: Attempt, *, uncounted: bool) -> Attempt:
    if uncounted:
        return replace(attempt, usage=Missing("not_reported", "no usage"))
    return replace(attempt, outcome=Failed("disconnected"), tries=1)


@pytest.mark.parametrize("uncounted", [True, False])
def test_attempts_that_failed_or_were_not_counted_are_counted_as_such(uncounted: bool) -> None:
    evidence = small()
    runs = []
    for run in evidence.runs:
        sections = list(run.sections)
        first = sections[0]
        attempts = (_broken(first.attempts[0], uncounted=uncounted), *first.attempts[1:])
        sections[0] = replace(first, attempts=attempts)
        runs.append(replace(run, sections=tuple(sections)))
    found = summarise(replace(evidence, runs=tuple(runs)))
    line = found.runs[0]
    assert line.failed_attempts == (0 if uncounted else 1)
    assert isinstance(line.output_tokens, Missing) is uncounted
    signals = row(found, "Q8_0").optimisation
    assert signals is not None
    assert signals.retries == (0 if uncounted else 3)


def test_a_run_of_a_foreign_file_is_listed_and_not_judged() -> None:
    evidence = small()
    spec = evidence.runs[0].spec
    artifact = replace(spec.subject.artifact, sha256="00", name="stranger.gguf")
    foreign = replace(
        evidence.runs[0],
        id="foreign",
        spec=replace(spec, subject=replace(spec.subject, artifact=artifact)),
    )
    found = summarise(replace(evidence, runs=(*evidence.runs, foreign)))
    line = next(line for line in found.runs if line.id == "foreign")
    assert (line.label, line.included) == ("stranger.gguf", False)


def test_tasks_without_times_have_no_rate() -> None:
    evidence = small()
    runs = tuple(
        replace(
            run,
            sections=tuple(
                replace(s, attempts=()) if s.kind == "task" else s for s in run.sections
            ),
        )
        for run in evidence.runs
    )
    found = row(summarise(replace(evidence, runs=runs)), "Q8_0")
    assert isinstance(found.throughput.right_per_second, Missing)
    assert found.throughput.right_per_second.code == "no_time"


def test_a_sweep_without_any_run_cannot_be_summarised() -> None:
    with pytest.raises(StoreError, match="has no run to summarise") as caught:
        summarise(replace(small(), runs=()))
    assert "--resume" in caught.value.hint


def test_a_sentinel_that_answered_nothing_gives_no_beat() -> None:
    evidence = small()
    runs = tuple(_silent(run) if run.spec.replica == 2 else run for run in evidence.runs)
    found = summarise(replace(evidence, runs=runs))
    assert isinstance(found.noise.drift_share, Missing)
    assert found.noise.drift_share.code == "too_few_sentinels"


def _silent(run: RunRecord) -> RunRecord:
    sections = tuple(
        replace(s, attempts=tuple(replace(a, outcome=Failed("stalled")) for a in s.attempts))
        for s in run.sections
    )
    return replace(run, sections=sections)


def test_a_canary_without_answers_proves_no_sameness() -> None:
    evidence = small()
    runs = tuple(_silent(run) if run.spec.replica == 3 else run for run in evidence.runs)
    found = summarise(replace(evidence, runs=runs))
    assert "determinism" not in {proof.name for proof in found.proofs}
    assert isinstance(found.noise.canary_cv.value, Missing)
