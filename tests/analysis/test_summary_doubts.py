"""What a summary makes of runs in doubt: times are lost, answers kept, and it says so."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.summaries import hogged, planted, row, verdict
from tests.analysis.swept import ANOTHER_SEED, HOG, SPEEDS, World, brief

from steelyard.analysis.summary import summarise
from steelyard.domain.reading import Missing


def test_a_run_with_a_doubtful_clock_keeps_its_answers_and_loses_its_times() -> None:
    found = summarise(hogged())
    polluted, clean = row(found, "Q4_K_M"), row(summarise(planted()), "Q4_K_M")
    assert polluted.quality == "POLLUTED"
    assert polluted.verdict == clean.verdict
    assert polluted.marks == clean.marks
    assert polluted.adherence == clean.adherence
    assert polluted.thinking == clean.thinking
    assert polluted.memory_bytes == clean.memory_bytes
    assert polluted.throughput.tokens_per_right == clean.throughput.tokens_per_right
    assert polluted.speeds == ()
    timed = (
        polluted.load_s,
        polluted.throughput.right_per_second,
        polluted.throughput.adherence_per_latency,
        polluted.throughput.seconds_per_right.value,
        polluted.throughput.joules_per_right.value,
    )
    for reading in timed:
        assert isinstance(reading, Missing)
        assert reading.code == "polluted"
        assert "HIGH_CPU_SATURATION" in reading.detail
    assert polluted.outcome == "completed"
    assert polluted.cautions


def test_a_run_with_a_doubtful_clock_is_in_no_pick_and_the_gate_says_why() -> None:
    found = summarise(hogged())
    polluted = row(found, "Q4_K_M")
    assert [pick.label for pick in found.recommendation] == ["Q8_0", "Q8_0"]
    assert {gate.name: gate.state for gate in polluted.gates} == {
        "paired loss of right answers": "met",
        "adherence": "met",
        "time to first token": "undecided",
        "output speed": "undecided",
    }
    assert "within margin, but the gate 'time to first token' is undecided" in polluted.sentences[0]
    assert "no run has a clean clock (HIGH_CPU_SATURATION)" in polluted.sentences[0]
    (said,) = [text for text in found.sentences if text.startswith("POLLUTED")]
    assert said == (
        "POLLUTED: 3 runs are left out of all that is timed (HIGH_CPU_SATURATION); the answers of "
        "1 of them count: no clock marks them, and what was too slow is not run and counts "
        "against. --resume measures them again, on a machine that is quiet; --include-polluted "
        "takes them as they are."
    )
    lines = [line for line in found.runs if line.label == "Q4_K_M"]
    assert not any(line.included for line in lines)
    assert [line.answers for line in lines] == [True, False, False]


def test_a_reference_with_a_doubtful_clock_is_still_what_all_are_compared_with() -> None:
    found = summarise(World(polluted=frozenset({"F16"})).evidence())
    clean = summarise(planted())
    for label in ("Q8_0", "Q4_K_M", "Q2_K"):
        assert row(found, label).verdict == row(clean, label).verdict
    assert found.noise.aa_floor == clean.noise.aa_floor
    assert found.noise.aa_same_text == clean.noise.aa_same_text
    assert [pick.label for pick in found.recommendation] == ["Q4_K_M", "Q4_K_M"]


def test_where_no_clock_can_be_trusted_nothing_qualifies_and_it_says_why_and_what_to_do() -> None:
    found = summarise(World(polluted=frozenset(SPEEDS)).evidence())
    assert [pick.label for pick in found.recommendation] == [None, None]
    assert [verdict(row(found, label)).name for label in ("Q8_0", "Q4_K_M", "Q2_K")] == [
        "no loss shown",
        "within margin",
        "worse",
    ]
    for pick in found.recommendation:
        assert "'time to first token' stops 3 undecided of 3" in pick.reason
        assert pick.reason.endswith("; not measured: no run has a clean clock")
    (said,) = [text for text in found.sentences if text.startswith("POLLUTED")]
    assert "--resume measures them again" in said


def test_a_run_whose_answers_are_in_doubt_is_left_out_whole() -> None:
    world = World(polluted=frozenset({"Q4_K_M"}), caution=ANOTHER_SEED)
    found = summarise(world.evidence())
    polluted = row(found, "Q4_K_M")
    assert isinstance(polluted.verdict, Missing)
    assert "MISSING_EXPERIMENTAL_CONTROLS" in polluted.verdict.detail
    assert isinstance(polluted.marks.right_share.value, Missing)
    assert isinstance(polluted.memory_bytes, Missing)
    assert not any(line.answers for line in found.runs if line.label == "Q4_K_M")


def test_a_resume_is_promised_only_where_it_measures_something() -> None:
    """A polluted run with a clean repeat is done with."""
    evidence = hogged()
    dirty = [run for run in evidence.runs if run.cautions]
    repeats = [
        replace(
            run,
            id=f"again-{run.id}",
            spec=replace(run.spec, repeat=run.spec.repeat + 3),
            cautions=(),
        )
        for run in dirty
    ]
    for clean, promise in (
        (1, "--resume measures 2 of them again, on a machine that is quiet; the other has a"),
        (3, "Each has a clean repeat, so that --resume measures none again"),
    ):
        found = summarise(replace(evidence, runs=(*evidence.runs, *repeats[:clean])))
        (said,) = [text for text in found.sentences if text.startswith("POLLUTED")]
        assert promise in said
    again = replace(repeats[0], cautions=dirty[0].cautions)
    found = summarise(replace(evidence, runs=(*evidence.runs, again)))
    assert any("4 runs are left out" in s and "measures them again" in s for s in found.sentences)


def test_what_is_left_out_is_said_by_what_is_in_doubt() -> None:
    """Clock, memory and answers: one run of three each."""
    evidence = hogged()
    swap = replace(HOG, code="SWAPPING")
    planted_cautions = iter([(HOG,), (swap,), (ANOTHER_SEED,)])
    runs = [replace(r, cautions=next(planted_cautions)) if r.cautions else r for r in evidence.runs]
    found = summarise(replace(evidence, runs=tuple(runs)))
    (said,) = [text for text in found.sentences if text.startswith("POLLUTED")]
    assert said.startswith(
        "POLLUTED: 2 runs are left out of all that is timed (HIGH_CPU_SATURATION, SWAPPING), 1 of "
        "them of memory as well; the answers of 1 of them count: "
    )
    assert "; 1 run is left out whole, its answers too (MISSING_EXPERIMENTAL_CONTROLS). " in said


def test_tasks_that_were_run_in_doubt_are_not_called_not_run() -> None:
    """The run that asked is another experiment, further timing blocks are sound."""
    world = World(spec=brief(), polluted=frozenset({"Q4_K_M"}), caution=ANOTHER_SEED)
    evidence = world.evidence()
    runs = tuple(replace(run, cautions=()) if not run.spec.tasks else run for run in evidence.runs)
    found = row(summarise(replace(evidence, runs=runs)), "Q4_K_M")
    for reading in (found.verdict, found.thinking, found.marks.right_share.value):
        assert isinstance(reading, Missing)
        assert reading.code == "polluted"
        assert reading.detail.endswith("(MISSING_EXPERIMENTAL_CONTROLS)")


def test_a_best_value_says_who_had_no_time_to_be_weighed_by() -> None:
    """The tasks' run is polluted, further timing blocks are clean: judged and fast, never timed."""
    evidence = hogged()
    runs = tuple(replace(run, cautions=()) if not run.spec.tasks else run for run in evidence.runs)
    found = summarise(replace(evidence, runs=runs))
    assert all(gate.state == "met" for gate in row(found, "Q4_K_M").gates)
    smallest, best = found.recommendation
    assert (smallest.label, best.label) == ("Q4_K_M", "Q8_0")
    assert "Q4_K_M qualifies too, and has no time to be weighed by" in best.reason
    assert best.reason.startswith(
        "the most right answers a second of the 2 that qualify and have a time: "
    )


def test_an_override_counts_polluted_runs_and_says_so() -> None:
    evidence = hogged()
    found = summarise(evidence, include_polluted=True)
    assert found.include_polluted
    assert "POLLUTED: 3 runs are INCLUDED, as asked." in found.sentences
    assert row(found, "Q4_K_M").quality == "POLLUTED"
    assert [pick.label for pick in found.recommendation] == ["Q4_K_M", "Q4_K_M"]


def test_a_clean_repeat_takes_the_place_of_a_polluted_run() -> None:
    evidence = hogged()
    first = next(
        run for run in evidence.runs if run.spec.tasks and run.cautions and not run.spec.replica
    )
    again = replace(first.spec, repeat=first.spec.repeat + 3)
    repeat = replace(first, id="again", spec=again, cautions=())
    for include in (False, True):
        found = summarise(
            replace(evidence, runs=(*evidence.runs, repeat)), include_polluted=include
        )
        assert verdict(row(found, "Q4_K_M")).name == "within margin"
        assert row(found, "Q4_K_M").run_ids[0] == "again"
