"""What was invalid or not run is said in every report: counts, codes in words, bounds, hints."""

from __future__ import annotations

from dataclasses import replace

from tests.reports import example_rows
from tests.reports import example_summary as example

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import SweepSummary, Thinking, VariantRow
from steelyard.reports import html, invalid, markdown, terminal

NO_TOKENS = Missing("no_thinking")
CUT = Thinking(
    1200, 0, example_rows.no_estimate(NO_TOKENS), NO_TOKENS, cut=900, cut_thinking=0, loops=0
)


def lacking(row: VariantRow) -> VariantRow:
    """Some of its items were cut, some never answered."""
    marks = replace(example_rows.marks(1000, 15, 6), not_run_why={"stalled": 4, "http_503": 2})
    return replace(row, marks=marks, thinking=Measured(CUT, "derived"))


def summary() -> SweepSummary:
    whole = example.summary()
    rows = tuple(
        lacking(row)
        if row.variant.label == "Q2_K"
        else replace(row, marks=replace(row.marks, invalid=0, not_run=0))
        for row in whole.per_quant
    )
    return replace(whole, per_quant=rows)


def test_every_report_says_how_many_why_and_what_to_do() -> None:
    found = summary()
    told = list(invalid.sentences(found))
    assert told[0] == (
        "Q2_K: 15 of 1,200 invalid (10 cut at the limit, 5 not readable); 6 of 1,200 "
        "not run (4 stalled, 2 http 503): right is from 83.3 % (all of them wrong) to 83.8 % (all "
        "right)"
    )
    assert told[1].startswith("stalled: the server fell silent")
    assert told[2] == "http 503: the server failed: read its log"
    assert told[3].startswith("if the model thinks before it answers, `--thinking 4096` gives")
    metrics = example.metrics()
    screen = terminal.plain(terminal.screen(found, metrics=metrics))
    page = html.render(found, metrics=metrics, series={}, logs={}, configuration={})
    text = markdown.write(found, metrics=metrics)
    for shown in (screen, page, text):
        words = " ".join(shown.split())
        assert invalid.TITLE in words
        assert "right is from 83.3 % (all of them wrong) to 83.8 %" in words
        assert "the server fell silent" in words


def test_what_is_to_be_typed_is_code_on_the_page_and_has_no_backticks() -> None:
    page = html.render(summary(), metrics=example.metrics(), series={}, logs={}, configuration={})
    assert "before it answers, <code>--thinking 4096</code> gives" in page
    assert html.options("a `b <i>` --c") == (
        'a <code>b &lt;i&gt;</code> <code class="option">--c</code>'
    )


def test_variants_that_lack_alike_share_a_line() -> None:
    whole = example.summary()
    rows = tuple(map(lacking, whole.per_quant[:3]))
    (line, *_) = invalid.sentences(replace(whole, per_quant=rows))
    assert line.startswith("F16, F16 A/A, Q8_0: 15 of 1,200 invalid (")


def test_nothing_is_said_where_every_item_was_right_or_wrong() -> None:
    whole = summary()
    clean = replace(
        whole,
        per_quant=tuple(
            replace(row, marks=replace(row.marks, invalid=0, not_run=0)) for row in whole.per_quant
        ),
    )
    assert not invalid.lines(clean)
    shown = terminal.plain(terminal.screen(clean, metrics=example.metrics()))
    assert invalid.TITLE not in shown


def test_room_is_advised_once_where_thinking_is_marked() -> None:
    found = summary()
    starved = Missing("thinking_cut", "most answers ended at their limit")
    rows = tuple(replace(row, unrated={"overall": starved}) for row in found.per_quant)
    assert not any("--thinking" in s for s in invalid.sentences(replace(found, per_quant=rows)))
