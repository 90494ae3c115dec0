"""The last screen: order, width, one row a variant, reasons, and no foreign control codes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.reports import example_rows
from tests.reports import example_summary as example

from steelyard.domain.reading import Missing
from steelyard.domain.run import Proof
from steelyard.domain.summary import SweepSummary, VariantRow
from steelyard.reports import terminal


def shown(summary: SweepSummary, width: int = 80) -> str:
    return terminal.plain(terminal.screen(summary, metrics=example.metrics(), width=width))


def faster(row: VariantRow, factor: float) -> VariantRow:
    """The same row with speeds so much larger."""

    def scaled(value: float) -> float:
        return value * factor

    speeds = tuple(
        replace(speed, estimate=example_rows.estimate(scaled(100.0), scaled(1.0)))
        for speed in row.speeds
    )
    return replace(row, speeds=speeds)


def test_it_leads_with_what_to_use_what_it_loses_and_what_was_proved() -> None:
    text = shown(example.summary())
    order = ["What to use", "Q8_0", "What it loses", "What was proved", "verdict", "not measured"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    for summary in (example.summary(), example.nothing_qualifies()):
        assert max(map(len, shown(summary, width).splitlines())) <= max(width, 80)


def test_every_variant_has_a_row_with_its_verdict() -> None:
    lines = shown(example.summary()).splitlines()
    row = next(line for line in lines if line.startswith("Q2_K"))
    assert row.split() == [
        "Q2_K", "3.21", "40.3", "841", "597", "72", "67.6", "9.2", "[8.1,10.3]", "54.5", "worse",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 160])
def test_each_family_stands_beside_level_and_divergence_with_its_flips(width: int) -> None:
    text = shown(example.summary(), width)
    tasks = text.split("Task by task")[1].split("What was not measured")[0]
    row = next(line for line in tasks.splitlines() if line.startswith("Q2_K"))
    assert row.split()[:7] == ["Q2_K", "67.6", "good", "0.032", "59.7", "-130+20", "!"]
    assert tasks.count("reading") == 1
    assert "! worse" in " ".join(tasks.split())


def test_a_row_without_a_verdict_says_so_and_never_that_its_run_completed() -> None:
    found = example.summary()
    rows = tuple(
        replace(row, verdict=Missing("no_pairs", "no item was run on both sides"))
        if row.variant.label == "Q2_K"
        else row
        for row in found.per_quant
    )
    lines = shown(replace(found, per_quant=rows), 100).splitlines()
    ends = [line.split()[-1] for line in lines if line.startswith(("Q2_K", "IQ2_M"))]
    assert ends[:2] == ["none", "failed"]


def test_thinking_is_told_where_there_is_any() -> None:
    text = " ".join(shown(example.thoughtful()).split())
    assert (
        "Q2_K: 800 of 1,200 answers think; 312 [292, 332] tokens each, 81.0 % of all output; 44 "
        "cut at the limit, 31 of them while thinking; 42 go round in circles; 1.20 [1.10, 1.30] "
        "times as long as the reference's"
    ) in text
    assert f"IQ2_M: {example_rows.GONE.detail}" in text
    assert "How it thinks" not in shown(example.summary())


def test_the_aa_row_says_how_much_of_it_was_the_same() -> None:
    text = " ".join(shown(example.summary()).split())
    assert "A/A same text 97.0 % of 1,200 items; A/A same mark 99.3 % of 1,200 items" in text


def test_picks_and_polluted_rows_are_marked() -> None:
    text = shown(example.summary())
    assert "\nQ4_K_M* " in text
    assert "\nQ5_K_M! " in text
    assert "! polluted" in text


def test_a_wide_screen_shows_labels_whole() -> None:
    assert "Q3_K_M<s…" in shown(example.summary())
    assert example_rows.HOSTILE in shown(example.summary(), 160)


def test_what_does_not_fit_is_left_out_by_name() -> None:
    whole = example.summary()
    huge = replace(whole, per_quant=tuple(faster(row, 1e5) for row in whole.per_quant))
    text = shown(huge)
    assert max(map(len, text.splitlines())) <= 80
    assert "too narrow for memory" in text


def test_an_absent_number_is_a_dash_and_its_reason_follows() -> None:
    text = shown(example.summary())
    row = next(line for line in text.splitlines() if line.startswith("IQ2_M"))
    assert "—" in row
    assert row.endswith("failed")
    assert "the engine ended with code 139" in text


def test_no_pick_names_the_binding_gate() -> None:
    assert "nothing qualifies" in shown(example.nothing_qualifies())
    assert "binding gate: paired" in shown(example.nothing_qualifies())


def test_numbers_beside_the_picks_are_said_in_words() -> None:
    text = shown(example.summary())
    assert "right answers a second" in text
    assert "bits per weight" in text
    for raw in ("right_per_second", "file_bpw", "adherence_per_latency", " = "):
        assert raw not in text.partition("What was proved")[0]


def test_a_name_that_is_picked_stands_however_long_its_reason() -> None:
    whole = example.summary()
    why = Missing("polluted", "no run has a clean clock (HIGH_CPU_SATURATION, HIGH_SYSTEM_LOAD)")
    picks = tuple(replace(pick, utility_value=why) for pick in whole.recommendation)
    text = shown(replace(whole, recommendation=picks)).partition("What it loses")[0]
    for pick in picks:
        assert f" {pick.label} " in text


def test_where_nothing_is_picked_what_every_candidate_loses_is_told() -> None:
    text = shown(example.nothing_qualifies()).partition("What it loses")[2]
    assert "Q4_K_M: " in text.partition("What was proved")[0]
    assert "picked above" not in text


def test_a_label_cannot_move_the_cursor() -> None:
    whole = example.summary()
    first = whole.per_quant[0]
    evil = replace(first, variant=replace(first.variant, label="F16\x1b[2J\rgone"))
    text = shown(replace(whole, per_quant=(evil,)), 160)
    assert "\x1b" not in text
    assert "\r" not in text


def test_a_verdict_is_styled_by_what_it_means() -> None:
    lines = terminal.screen(example.summary(), metrics=example.metrics())
    styles = {part.text.strip(): part.style for line in lines for part in line}
    assert styles["within margin"] == "good"
    assert styles["undecided"] == "warn"
    assert styles["worse"] == "bad"


def test_it_says_how_long_each_phase_took_the_longest_first() -> None:
    text = " ".join(shown(example.summary()).split())
    assert "How long it took" in text
    assert text.index("timing 3 min 28 s") < text.index("ladder 12 s")


def test_what_could_not_be_proved_stands_before_everything_else() -> None:
    found = example.summary()
    failed = Proof("determinism", passed=False, found="9 of 10 repeats gave one text")
    text = shown(replace(found, proofs=(*found.proofs, failed)))
    assert text.index("! Not proved: determinism: 9 of 10") < text.index("What to use")


def test_a_soak_of_what_was_chosen_is_told_by_thirds() -> None:
    text = " ".join(shown(example.soaked()).split())
    assert "Soak of what was chosen - load: Q4_K_M, 2 at a time, 30 min" in text
    assert "first third, tok/s: 41.2 [40.8, 41.6] - last third, tok/s: 38.9 [38.4, 39.4]" in text
    assert "change of speed: -5.6 % [-7.1 %, -4.1 %]" in text
    assert "temperature: at most 82 °C; 66 °C in the first third, 81 °C in the last" in text
    assert "throttled: — (this machine counts no throttling)" in text
    assert "Soak" not in shown(example.summary())


def test_a_soak_that_was_asked_for_and_not_run_says_why() -> None:
    none = Missing("none_chosen", "nothing qualifies, so there is nothing to keep under load")
    assert "soak: none: nothing qualifies" in shown(replace(example.summary(), soak=none))
