"""Sentences: what the numbers say, no more."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.rows import gates, row, verdict

from steelyard.analysis.recommend import picks
from steelyard.analysis.sentences import leading, loss_words, of_variant
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import VariantRow, VerdictName


def judged(
    label: str, bpw: float, name: VerdictName, loss: float, rate: float = 10.0
) -> VariantRow:
    states = {"worse": "failed", "undecided": "undecided"}
    return row(
        label,
        bpw,
        rate,
        verdict=Measured(verdict(name, loss), "derived"),
        gates=gates(quality=states.get(name, "met")),  # type: ignore[arg-type]
    )


ROWS = (
    row("F16", 16.0, 8.0),
    judged("Q8_0", 8.5, "no loss shown", -0.002, 12.0),
    judged("Q4_K_M", 4.9, "within margin", 0.012, 14.0),
    judged("Q3_K_M", 3.9, "undecided", 0.02, 15.0),
    judged("Q2_K", 3.2, "worse", 0.09, 16.0),
)


def said(found: VariantRow) -> str:
    return " ".join(of_variant(found, picks(ROWS), "F16"))


def test_what_to_use_leads_with_its_loss_and_its_interval() -> None:
    use, smallest, undecided, avoid = leading(ROWS, picks(ROWS), "F16")
    assert use.startswith(
        "USE Q4_K_M: 1.2 fewer of 100 right than F16, more than chance "
        "(95 %: 0.1 to 2.4 fewer; 1,200 items): within margin; the most right answers a second"
    )
    assert smallest.startswith("SMALLEST Q4_K_M: 1.2 fewer")
    assert undecided.startswith("UNDECIDED Q3_K_M: 2.0 fewer")
    assert avoid == (
        "AVOID Q2_K: 9.0 fewer of 100 right than F16, more than chance "
        "(95 %: 7.9 to 10.2 fewer; 1,200 items): worse: a loss of 3.0 or more is shown."
    )


def test_a_loss_that_is_small_as_seen_is_avoided_for_what_it_may_be() -> None:
    small = replace(verdict("worse", 0.02), low=0.001, high=0.035)
    found = replace(ROWS[4], verdict=Measured(small, "derived"))
    assert said(found).endswith(": worse: a loss is shown, and it may be 3.0 or more.")
    assert leading([ROWS[0], found], (), "F16")[0] == said(found)


def test_every_variant_has_a_sentence_that_is_true_of_it() -> None:
    assert said(ROWS[0]) == "F16 is the reference."
    assert said(ROWS[1]) == (
        "Q8_0 qualifies: 0.2 more of 100 right than F16, which could be chance "
        "(95 %: 1.3 more to 1.0 fewer; 1,200 items): no loss shown."
    )
    assert said(ROWS[2]).startswith("USE Q4_K_M: ")
    assert "SMALLEST Q4_K_M: 4.90 bits per weight; 1.2 fewer" in said(ROWS[2])
    assert said(ROWS[3]).startswith("UNDECIDED Q3_K_M: ")
    assert said(ROWS[3]).endswith("about 2,000 items in all would decide it.")
    assert said(ROWS[4]).startswith("AVOID Q2_K: ")


def test_what_is_undecided_says_the_minutes_and_the_option_that_would_decide_it() -> None:
    found = replace(ROWS[3], more_s=Measured(500.0, "estimated"))
    rows = [ROWS[0], found]
    (told,) = [s for s in leading(rows, (), "F16", families=4) if s.startswith("UNDECIDED")]
    assert told.endswith(
        "undecided; about 2,000 items in all would decide it, 9 minutes more for the two: a new "
        "sweep with --items 500."
    )
    assert of_variant(found, (), "F16", families=4) == (told,)
    (most,) = of_variant(found, (), "F16", families=0)
    assert "--items" not in most
    seen = replace(verdict("undecided", 0.02), to_decide_items=Measured(20_001, "estimated"))
    (beyond,) = of_variant(replace(found, verdict=Measured(seen, "derived")), (), "F16", families=4)
    assert beyond.endswith(": more than a sweep asks (--items 5000).")


def test_a_variant_that_a_latency_gate_stops_is_told_which() -> None:
    slow = replace(ROWS[1], gates=gates(ttft="failed"))
    assert said(slow).endswith(
        "but the gate 'time to first token' is failed (a finding; demanded a limit)."
    )


def test_what_was_not_measured_is_not_judged() -> None:
    gone = replace(ROWS[1], verdict=Missing("run_failed", "the engine ended with code 139"))
    assert said(gone) == "UNDECIDED Q8_0: the engine ended with code 139."
    dead = replace(ROWS[0], outcome="failed", outcome_reason="no memory")
    assert "did not finish (no memory)" in said(dead)


def test_an_undecided_verdict_without_a_number_of_items_says_why() -> None:
    stuck = verdict("undecided", 0.03)
    stuck = replace(stuck, to_decide_items=Missing("not_run", "run what was not run"))
    assert said(replace(ROWS[3], verdict=Measured(stuck, "derived"))).endswith(
        "run what was not run."
    )


def test_the_aa_row_says_what_it_is() -> None:
    twin = replace(ROWS[1], variant=replace(ROWS[0].variant, label="F16 A/A"), role="aa")
    assert said(twin).startswith("F16 A/A is F16 run a second time: 0.2 more of")
    unknown = replace(twin, verdict=Missing("polluted", "its run was polluted"))
    assert said(unknown) == "F16 A/A is F16 run a second time: its run was polluted."


def test_where_nothing_qualifies_the_sentence_names_the_gate() -> None:
    rows = [replace(r, gates=gates(output="failed")) for r in ROWS]
    use, smallest, *_ = leading(rows, picks(rows), "F16")
    assert use == (
        "USE: none. No efficiency frontier: the gate 'output speed' stops 4 failed of 4."
    )
    assert smallest.startswith("SMALLEST: none. ")


def test_where_only_the_reference_is_left_it_says_so() -> None:
    rows = [ROWS[0], ROWS[3], ROWS[4]]
    use, smallest, *_ = leading(rows, picks(rows), "F16")
    assert use.startswith("USE F16, the reference: no quant qualifies (the gate")
    assert smallest.startswith("SMALLEST F16, the reference: no quant qualifies")


def of_families(row: VariantRow, **losses: tuple[float, float, float]) -> VariantRow:
    """Give a row a loss with its bounds in each of these families."""
    found = {
        family: replace(verdict(loss=loss), low=low, high=high)
        for family, (loss, low, high) in losses.items()
    }
    return replace(row, family_verdicts=found)


def test_a_family_that_suffers_is_warned_of_at_every_variant_that_shows_it() -> None:
    reference, q8, q4, q3, q2 = ROWS
    rows = (
        reference,
        q8,
        of_families(q4, math_words=(0.01, -0.01, 0.03), logic=(0.0, -0.03, 0.03)),
        of_families(q3, math_words=(0.06, 0.02, 0.1), logic=(0.0, -0.03, 0.03)),
        of_families(q2, math_words=(0.14, 0.09, 0.19), logic=(0.02, -0.01, 0.05)),
    )
    warnings = [s for s in leading(rows, picks(rows), "F16") if s.startswith("WARNING")]
    (warning,) = warnings
    assert warning == (
        "WARNING math words: this model loses 6.0 points at Q3_K_M (3.9 bits per weight), "
        "95 % 2.0 to 10.0 (1,200 items: 20 lost, 15 won); 14.0 points at Q2_K (3.2 bits per "
        "weight), 95 % 9.0 to 19.0 (1,200 items: 20 lost, 15 won). "
        "No larger variant shows a loss there."
    )


def test_what_cannot_be_told_from_another_run_of_the_reference_is_said_so() -> None:
    beyond = replace(verdict(loss=0.02), floor=0.015)
    assert loss_words(beyond, "F16", 0.9) == (
        "2.0 fewer of 100 right than F16, which another run of F16 could do too "
        "(90 %: 0.9 to 3.2 fewer; 1,200 items)"
    )
    unknown = loss_words(replace(beyond, no_floor="12 marked alike"), "F16", 0.9)
    assert "F16, more than chance if F16 repeats itself, which is not known (90 %" in unknown
    assert loss_words(verdict(loss=0.0), "F16", 0.95).startswith(
        "as many of 100 right as with F16 (95 %"
    )
    assert "more than chance (95 %: 0.8 to 3.1 more;" in loss_words(
        verdict(loss=-0.02), "F16", 0.95
    )


def test_a_family_within_its_own_noise_is_not_warned_of() -> None:
    noisy = {"logic": replace(verdict(loss=0.04), low=0.01, high=0.07, floor=0.02)}
    rows = (*ROWS[:4], replace(ROWS[4], family_verdicts=noisy))
    said = leading(rows, picks(rows), "F16")
    assert not [sentence for sentence in said if sentence.startswith("WARNING")]
