"""Two recommendations, by the numbers and nothing else."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.analysis.rows import estimate, gates, measured, row

from steelyard.analysis.frontier import Point, efficiency_frontier
from steelyard.analysis.gates import OUTPUT_SPEED, QUALITY, TTFT
from steelyard.analysis.recommend import binding_gate, frontier, picks, qualifying, utility_inputs
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.subject import ServedFacts
from steelyard.domain.summary import Estimate, Pick, VariantRow

LADDER = (
    row("F16", 16.0, 8.0),
    replace(row("F16", 16.0, 99.0), role="aa"),
    row("Q8_0", 8.5, 12.0),
    row("Q4_K_M", 4.9, 14.0),
    row("Q3_K_M", 3.9, 13.0),
    row("Q2_K", 3.2, 20.0, gates=gates(quality="failed")),
)


def picked(rows: tuple[VariantRow, ...]) -> tuple[Pick, Pick]:
    minimum, best = picks(rows)
    assert minimum.name == "minimum_viable_quant"
    assert best.name == "best_value_quant"
    return minimum, best


def test_the_smallest_that_qualifies_and_the_one_of_best_value() -> None:
    minimum, best = picked(LADDER)
    assert (minimum.label, minimum.utility, minimum.utility_value) == (
        "Q3_K_M",
        "file_bpw",
        measured(3.9),
    )
    assert (best.label, best.utility, best.utility_value) == (
        "Q4_K_M",
        "right_per_second",
        measured(14.0),
    )
    assert minimum.binding_gate is None
    assert best.evidence == ("Q4_K_M-0", "Q4_K_M-1")
    assert "4 of 5 variants" in minimum.reason
    assert "900 right answers in 64.3 s: 14 a second" in best.reason
    assert "14 a second; 11 of 12 demanded forms were kept" in best.reason


def test_of_one_it_is_said_that_it_is_the_only_one() -> None:
    alone = row("Q8_0", 8.5, 12.0)
    assert picked((alone,))[1].reason.startswith("the only one that qualifies: 900 right")
    never = Missing("polluted", "no clean clock")
    untimed = row("Q4_K_M", 4.9)
    untimed = replace(untimed, throughput=replace(untimed.throughput, right_per_second=never))
    best = picked((alone, untimed))[1]
    assert best.reason.startswith("the only one that qualifies and has a time: 900 right")


def test_the_order_of_rows_changes_nothing() -> None:
    shuffled = list(LADDER)
    random.Random(1).shuffle(shuffled)
    assert picks(shuffled) == picks(LADDER)


@pytest.mark.parametrize("state", ["failed", "undecided"])
@pytest.mark.parametrize("gate", ["quality", "adherence", "ttft", "output"])
def test_a_gate_that_is_not_met_keeps_a_variant_out(gate: str, state: str) -> None:
    stopped = row("Q3_K_M", 3.9, 99.0, gates=gates(**{gate: state}))  # type: ignore[arg-type]
    minimum, best = picked((*LADDER[:4], stopped))
    assert (minimum.label, best.label) == ("Q4_K_M", "Q4_K_M")


def test_ties_go_to_adherence_then_latency_then_size() -> None:
    base = row("Q8_0", 8.5, 10.0)
    faithful = replace(row("Q8_1", 9.0, 10.0), adherence=estimate(0.95))
    assert picked((base, faithful))[1].label == "Q8_1"
    slower = replace(
        row("Q6_K", 6.6, 10.0),
        throughput=replace(base.throughput, seconds_per_right=estimate(0.2)),
    )
    assert picked((base, slower))[1].label == "Q8_0"
    assert picked((base, row("Q6_K", 6.6, 10.0)))[1].label == "Q6_K"


def test_values_that_the_samples_do_not_tell_apart_are_called_so() -> None:
    close = picked((row("Q8_0", 8.5, 10.0), row("Q6_K", 6.6, 10.1)))[1]
    assert close.reason.endswith(
        "Next is Q8_0 with 10 right answers a second, not told apart by these samples"
    )
    apart = picked((row("Q8_0", 8.5, 10.0), row("Q6_K", 6.6, 20.0)))[1]
    assert apart.reason.endswith("Next is Q8_0 with 10 right answers a second")


def test_the_reference_is_picked_where_it_is_of_best_value() -> None:
    minimum, best = picked((row("F16", 16.0, 30.0), row("Q8_0", 8.5, 12.0)))
    assert (minimum.label, best.label) == ("Q8_0", "F16")
    assert best.binding_gate is None


def test_where_no_quant_qualifies_the_reference_is_left_and_the_binding_gate_is_named() -> None:
    rows = (
        LADDER[0],
        row("Q8_0", 8.5, gates=gates(quality="undecided")),
        row("Q4_K_M", 4.9, gates=gates(quality="failed", ttft="failed")),
    )
    for pick in picked(rows):
        assert pick.label == "F16"
        assert pick.binding_gate == QUALITY
        assert (
            f"no quant qualifies (the gate '{QUALITY}' stops 1 failed and 1 undecided of 2)"
            in pick.reason
        )


def test_where_nothing_qualifies_there_is_no_label_and_no_frontier() -> None:
    rows = tuple(replace(r, gates=gates(ttft="failed")) for r in LADDER)
    for pick in picked(rows):
        assert pick.label is None
        assert pick.binding_gate == TTFT
        assert pick.reason == f"no efficiency frontier: the gate '{TTFT}' stops 4 failed of 4"
        assert isinstance(pick.utility_value, Missing)
    assert frontier(rows) == ()


def test_a_lone_reference_that_is_too_slow_is_no_recommendation() -> None:
    (minimum, _) = picked((row("F16", 16.0, gates=gates(output="failed")),))
    assert minimum.label is None
    assert minimum.binding_gate == OUTPUT_SPEED
    assert "stops 1 failed of 1" in minimum.reason


def test_rows_without_gates_say_that_nothing_was_judged() -> None:
    (minimum, _) = picked((row("Q8_0", 8.5, gates=()),))
    assert minimum.reason == "no efficiency frontier: nothing was judged"
    assert minimum.binding_gate is None


def test_without_a_time_there_is_no_best_value_but_a_smallest() -> None:
    gone = Missing("no_time", "the task's exchanges carry no times")
    untimed = [replace(r, throughput=replace(r.throughput, right_per_second=gone)) for r in LADDER]
    minimum, best = picks(untimed)
    assert minimum.label == "Q3_K_M"
    assert best.label is None
    assert str(gone) in best.reason
    assert utility_inputs(untimed[0]) == f"right answers a second: {gone}"


def test_a_variant_without_a_time_does_not_stop_the_others() -> None:
    gone = Missing("no_time")
    untimed = replace(LADDER[3], throughput=replace(LADDER[3].throughput, right_per_second=gone))
    assert picked((LADDER[2], untimed))[1].label == "Q8_0"


def test_utility_is_shown_without_what_is_not_there() -> None:
    none = Missing("no_samples")
    bare = replace(LADDER[2], adherence=Estimate(none, none, none, 0))
    assert utility_inputs(bare) == "900 right answers in 75.0 s: 12 a second"


def test_no_right_answer_is_a_measured_zero_and_never_of_best_value() -> None:
    none_right = replace(
        LADDER[3], throughput=replace(LADDER[3].throughput, right_per_second=measured(0.0))
    )
    assert picked((LADDER[2], none_right))[1].label == "Q8_0"
    assert utility_inputs(none_right) == "not one right answer"


def test_equals_without_intervals_are_not_told_apart() -> None:
    unknown = Missing("too_few_samples")
    rows = [
        replace(
            r,
            adherence=replace(r.adherence, value=unknown),
            throughput=replace(
                r.throughput, seconds_per_right=replace(estimate(0.1), low=unknown, high=unknown)
            ),
        )
        for r in LADDER[2:4]
    ]
    assert picks(rows)[1].reason.endswith("not told apart by these samples")


def test_the_aa_row_is_no_candidate() -> None:
    assert "aa" not in {r.role for r in qualifying(LADDER)}


def test_the_binding_gate_is_the_one_that_stops_most() -> None:
    rows = (
        row("A", 5.0, gates=gates(quality="failed", ttft="failed")),
        row("B", 4.0, gates=gates(ttft="undecided")),
    )
    assert binding_gate(rows) == TTFT
    assert binding_gate(LADDER[:4]) is None


def test_the_frontier_runs_from_the_smallest_to_the_best_value() -> None:
    assert frontier(LADDER) == ("Q3_K_M", "Q4_K_M")
    rows = [row("F16", 16.0, 30.0), *LADDER[2:]]
    assert frontier(rows) == ("Q3_K_M", "Q4_K_M", "F16")


def test_a_point_that_another_beats_in_both_is_off_the_frontier() -> None:
    a, b, c = Point("a", 4.0, 10.0), Point("b", 5.0, 10.0), Point("c", 4.0, 9.0)
    assert efficiency_frontier([b, c, a]) == ("a",)
    twin = Point("a2", 4.0, 10.0)
    assert efficiency_frontier([twin, a]) == ("a", "a2")


def test_the_time_of_the_best_is_the_one_that_was_measured() -> None:
    assert isinstance(picked(LADDER)[1].utility_value, Measured)


def unsized(which: VariantRow) -> VariantRow:
    """Return a row of a model that a server serves and does not tell the size of."""
    return replace(which, variant=replace(which.variant, facts=ServedFacts()))


def test_without_sizes_there_is_no_smallest_and_no_frontier_but_a_best_value() -> None:
    rows = (*LADDER[:3], unsized(LADDER[3]), *LADDER[4:])
    minimum, best = picked(rows)
    assert (minimum.label, minimum.binding_gate) == (None, None)
    assert isinstance(minimum.utility_value, Missing)
    assert minimum.utility_value.code == "sizes_unknown"
    assert "the server does not say how large" in minimum.reason
    assert best.label == "Q4_K_M"
    assert frontier(rows) == ()


def test_what_a_server_counts_is_a_size_like_any_other() -> None:
    facts = ServedFacts(tensor_bytes=Measured(400, "engine"), parameters=Measured(1000, "engine"))
    told = replace(LADDER[3], variant=replace(LADDER[3].variant, facts=facts))
    minimum, _ = picked((*LADDER[:3], told, *LADDER[4:]))
    assert (minimum.label, minimum.utility_value) == ("Q4_K_M", Measured(3.2, "engine"))


def test_of_one_that_is_left_nobody_needs_the_size() -> None:
    alone = (unsized(LADDER[0]), unsized(row("Q2_K", 3.2, 20.0, gates=gates(quality="failed"))))
    assert picked(alone)[0].label == "F16"
