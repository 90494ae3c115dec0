"""The whole summary: planted truth comes back, in any order of records."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.analysis.summaries import hogged, planted, row, small, speed, verdict
from tests.analysis.swept import HOG, ITEMS, SPEEDS, World, brief

from steelyard.analysis.summary import summarise
from steelyard.domain.codec import decode, encode
from steelyard.domain.ids import canonical
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import SweepSummary
from steelyard.domain.task import Mark, Right
from steelyard.reports import story


@pytest.fixture(scope="module")
def good() -> SweepSummary:
    return summarise(planted())


def test_rows_come_reference_first_then_its_twin_then_from_most_bits_to_least(
    good: SweepSummary,
) -> None:
    assert [(r.variant.label, r.role) for r in good.per_quant] == [
        ("F16", "reference"),
        ("F16 A/A", "aa"),
        ("Q8_0", "candidate"),
        ("Q4_K_M", "candidate"),
        ("Q2_K", "candidate"),
    ]
    assert [r.variant.reference for r in good.per_quant] == ["native", None, None, None, None]
    assert {r.outcome for r in good.per_quant} == {"completed"}


def test_planted_losses_come_back_as_verdicts(good: SweepSummary) -> None:
    names = {r.variant.label: verdict(r).name for r in good.per_quant[1:]}
    assert names == {
        "F16 A/A": "no loss shown",
        "Q8_0": "no loss shown",
        "Q4_K_M": "within margin",
        "Q2_K": "worse",
    }
    assert verdict(row(good, "Q2_K")).flips_lost == 120
    assert verdict(row(good, "Q2_K")).loss == pytest.approx(0.1)
    assert row(good, "F16").verdict == Missing(
        "is_reference", "the reference is what the others are compared with"
    )


def test_planted_speeds_come_back_with_their_circumstances(good: SweepSummary) -> None:
    for label, tps in SPEEDS.items():
        found = row(good, label)
        assert speed(found, "output_tps", prompt=512) == pytest.approx(tps, rel=1e-6)
        assert speed(found, "output_tps", depth=2048) == pytest.approx(tps, rel=1e-6)
        assert speed(found, "ttft_s", prompt=512) == pytest.approx(5 / tps, rel=1e-6)
    first = row(good, "Q8_0").speeds[0]
    assert (first.prompt_tokens, first.depth_tokens) == (16, 0)
    assert first.estimate.n == 9


def test_the_smallest_and_the_best_value_are_named_with_their_reasons(
    good: SweepSummary,
) -> None:
    minimum, best = good.recommendation
    assert (minimum.label, best.label) == ("Q4_K_M", "Q4_K_M")
    assert good.efficiency_frontier == ("Q4_K_M",)
    assert [r.variant.label for r in good.per_quant if r.on_frontier] == ["Q4_K_M"]
    assert good.sentences[0].startswith("USE Q4_K_M: 0.7 fewer of 100 right than F16")
    assert any(s.startswith("AVOID Q2_K") for s in good.sentences)
    assert sum(s.startswith("WARNING ") and "at Q2_K (" in s for s in good.sentences) == 4
    assert row(good, "Q8_0").sentences[0].startswith("Q8_0 qualifies")
    assert set(minimum.evidence) == set(row(good, "Q4_K_M").run_ids)


def test_right_answers_per_second_are_right_answers_over_busy_seconds(
    good: SweepSummary,
) -> None:
    found = row(good, "F16")
    # 1,200 answers of 4 tokens: the first after 5 gaps, 3 gaps more, 1 ms to the end.
    seconds = ITEMS * (8 / 40 + 0.001)
    assert value_of(found.throughput.right_per_second) == pytest.approx(900 / seconds, rel=1e-6)
    assert value_of(found.throughput.seconds_per_right.value) == pytest.approx(seconds / 900)
    assert value_of(found.throughput.adherence_per_latency) == pytest.approx(0.9 / seconds)
    assert value_of(found.throughput.tokens_per_right.value) == pytest.approx(4 * ITEMS / 900)
    assert isinstance(found.throughput.joules_per_right.value, Missing)


def test_families_are_shown_and_add_up(good: SweepSummary) -> None:
    found = row(good, "Q2_K")
    assert sorted(found.family_marks) == ["formats", "logic", "math", "reading"]
    assert sum(m.right for m in found.family_marks.values()) == found.marks.right == 780
    assert value_of(found.adherence.value) == pytest.approx(0.9)
    lost = found.family_verdicts
    assert sum(v.flips_lost for v in lost.values()) == verdict(found).flips_lost
    assert {v.name for v in lost.values()} == {"worse"}
    for family, flips in found.family_flips.items():
        assert flips.n == lost[family].items == 300
        assert value_of(flips.value) == (lost[family].flips_lost + lost[family].flips_won) / 300
    assert found.bands["overall"] == "poor"  # 780 of 1,200
    assert not row(good, "F16").family_verdicts
    assert not row(good, "F16").family_flips


def test_a_family_is_warned_of_only_beyond_the_correction_for_all_families() -> None:
    """Six of 300 lost would show alone; among twelve comparisons it is what luck may do."""
    found = summarise(World(lost={"Q2_K": 24}).evidence())
    assert verdict(row(found, "Q2_K")).flips_lost == 24
    assert not any(s.startswith("WARNING") for s in found.sentences)


def test_what_was_proved_and_what_was_not_measured_is_said(good: SweepSummary) -> None:
    names = {proof.name: proof for proof in good.proofs}
    assert names["arithmetic"].found == "512 of 512"
    assert names["identity"].found == "23 of 23 runs: it serves it"
    assert names["determinism"].passed
    missing = {m.what: m.why for m in good.not_measured}
    assert missing["energy"] == "no RAPL on this host"
    assert "CPU temperature" not in missing
    assert missing["money"] == "a local engine bills nothing"
    assert good.noise.aa_flips == Measured(0, "derived")
    assert good.noise.aa_floor == Measured(0.0, "derived")
    assert value_of(good.noise.canary_cv.value) == pytest.approx(0.0, abs=1e-6)
    assert good.text_sha256 == "7e" * 32
    assert good.smallest_visible_loss < 0.04


def test_every_run_has_a_line(good: SweepSummary) -> None:
    assert len(good.runs) == 23
    assert {line.role for line in good.runs} == {
        "reference",
        "aa",
        "candidate",
        "sentinel",
        "canary",
    }
    assert all(line.included for line in good.runs)
    assert {line.telemetry_status for line in good.runs} == {"OK"}
    assert all(isinstance(line.output_tokens, Measured) for line in good.runs)


def test_signals_stand_beside_the_verdict(good: SweepSummary) -> None:
    found = row(good, "Q4_K_M")
    assert found.optimisation is not None
    assert found.optimisation.status == "OK"
    assert found.optimisation.retries == 0
    saved = (16.0 - 4.9) * 1e6 / 1024**3
    assert value_of(found.optimisation.vibe_delta) == pytest.approx(8 / ITEMS / saved, rel=1e-3)
    assert found.vibe_delta == found.optimisation.vibe_delta


def test_the_same_records_in_any_order_give_the_same_bytes() -> None:
    evidence = planted()
    shuffled = list(evidence.runs)
    random.Random(4).shuffle(shuffled)
    again = replace(evidence, runs=tuple(shuffled), phases_s={"canary": 2.0, "runs": 60.0})
    assert canonical(summarise(evidence)) == canonical(summarise(again))


def test_a_summary_round_trips_through_json(good: SweepSummary) -> None:
    assert decode(SweepSummary, encode(good), source="summary") == good


def test_items_that_are_too_easy_for_the_reference_are_named_beside_the_verdicts(
    good: SweepSummary,
) -> None:
    assert not any(said.startswith(("EASY", "HARD")) for said in good.sentences)
    evidence = planted()
    runs = tuple(
        replace(
            run,
            sections=tuple(
                replace(s, marks={item: Mark(Right()) for item in s.marks}) for s in run.sections
            ),
        )
        for run in evidence.runs
    )
    found = summarise(replace(evidence, runs=runs))
    assert verdict(row(found, "Q8_0")).name == "no loss shown"
    assert (
        "EASY: F16 gets 1,200 of 1,200 right, so these items can hardly show a loss: ask --level 2."
    ) in found.sentences


def test_what_is_undecided_says_how_much_longer_it_takes_at_the_pace_of_both() -> None:
    evidence = small()
    found = row(summarise(evidence), "Q8_0")
    seen = verdict(found)
    assert seen.name == "undecided"
    assert isinstance(seen.to_decide_items, Measured)
    spans_s = {
        label: sum((s.ended_ns - s.started_ns) / 1e9 for s in run.sections if s.kind == "task")
        for label in ("F16", "Q8_0")
        for run in evidence.runs
        if run.spec.tasks
        and not run.spec.replica
        and run.spec.subject.artifact.name.endswith(f"{label}.gguf")
    }
    more = seen.to_decide_items.value - seen.items
    assert value_of(found.more_s) == pytest.approx(more * sum(spans_s.values()) / seen.items)
    assert value_of(row(summarise(planted()), "Q2_K").more_s) is None
    hog = World(spec=brief(), polluted=frozenset({"Q8_0"})).evidence()
    untimed = row(summarise(hog), "Q8_0").more_s
    assert isinstance(untimed, Missing)
    assert untimed.code == "polluted"


def test_one_polluted_run_is_spoken_of_as_one() -> None:
    evidence = hogged()
    asking = next(run for run in evidence.runs if run.cautions and run.spec.tasks)
    swap = replace(HOG, code="SWAPPING")
    runs = tuple(replace(run, cautions=(swap,) if run is asking else ()) for run in evidence.runs)
    one = replace(evidence, runs=runs)
    (said,) = [text for text in summarise(one).sentences if text.startswith("POLLUTED")]
    assert said == (
        "POLLUTED: 1 run is left out of all that is timed (SWAPPING), of memory as well; its "
        "answers count: no clock marks them, and what was too slow is not run and counts against. "
        "--resume measures it again, on a machine that is quiet; --include-polluted takes it as "
        "it is."
    )
    said_of_it = summarise(one, include_polluted=True).sentences
    assert "POLLUTED: 1 run is INCLUDED, as asked." in said_of_it
    clean = replace(
        asking, id="again", spec=replace(asking.spec, repeat=asking.spec.repeat + 3), cautions=()
    )
    again = summarise(replace(one, runs=(*runs, clean))).sentences
    assert any("It has a clean repeat, so that --resume measures none again" in s for s in again)


def test_a_level_is_withheld_where_most_answers_were_cut_while_thinking() -> None:
    families = [task.family for task in brief().tasks]
    cut = {f"Q4_K_M/{family}": 13 for family in families} | {f"Q8_0/{families[0]}": 13}
    found = summarise(World(spec=brief(), cut_thinking=cut).evidence())
    whole, part, sound = (row(found, label) for label in ("Q4_K_M", "Q8_0", "Q2_K"))
    assert whole.bands == {}
    assert {why.code for why in whole.unrated.values()} == {"thinking_cut"}
    assert whole.unrated.keys() == sound.bands.keys()
    assert part.unrated.keys() == {families[0]}
    assert part.bands.keys() == sound.bands.keys() - {families[0]}
    assert not sound.unrated
    said = story.gaps(found, ())
    assert [(gap.what, gap.labels) for gap in said if "4096" in gap.why]


def test_a_level_stands_where_half_of_the_answers_were_cut_while_thinking() -> None:
    cut = {f"Q4_K_M/{task.family}": 12 for task in brief().tasks}
    found = summarise(World(spec=brief(), cut_thinking=cut).evidence())
    assert not row(found, "Q4_K_M").unrated


def test_the_twin_says_how_much_of_the_reference_comes_again() -> None:
    found = summarise(World(aa_flips=40).evidence()).noise
    assert value_of(found.aa_same_text.value) == 1.0
    items = found.aa_same_mark.n
    assert value_of(found.aa_same_mark.value) == pytest.approx(1 - 80 / items)


def test_every_variant_has_a_ledger_of_its_thinking(good: SweepSummary) -> None:
    found = row(good, "Q2_K")
    assert isinstance(found.thinking, Measured)
    assert found.thinking.value.answers == good.items
    assert found.thinking.value.thought == 0
    assert value_of(found.length_ratio.value) == 1.0
    assert isinstance(row(good, "F16").length_ratio.value, Missing)


def test_flips_of_the_twin_lift_the_floor() -> None:
    found = summarise(World(aa_flips=40).evidence())
    assert found.noise.aa_flips == Measured(80, "derived")
    floor = value_of(found.noise.aa_floor)
    assert floor is not None
    assert floor > 0.005
    assert verdict(row(found, "Q4_K_M")).floor == floor
    assert row(found, "F16 A/A").sentences[0].startswith("F16 A/A is F16 run a second time")


def test_what_was_paid_is_no_longer_missing() -> None:
    evidence = small()
    first = evidence.runs[0]
    section = first.sections[0]
    paid = replace(section.attempts[0], cost=Measured(0.002, "engine"))
    section = replace(section, attempts=(paid, *section.attempts[1:]))
    runs = (replace(first, sections=(section,)), *evidence.runs[1:])
    found = summarise(replace(evidence, runs=runs))
    assert "money" not in {m.what for m in found.not_measured}
