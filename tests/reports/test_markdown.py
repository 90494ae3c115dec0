"""The Markdown file leads with what to use, and foreign text stays text."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.reports import example_rows
from tests.reports import example_summary as example

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import CostSlope, Estimate
from steelyard.reports import html, markdown


def text() -> str:
    return markdown.write(example.summary(), metrics=example.metrics())


def test_it_leads_with_what_to_use_and_ends_with_where() -> None:
    order = ["What to use", "What it loses", "What was proved", "Variants", "not measured", "Where"]
    places = [text().index(heading) for heading in order]
    assert places == sorted(places)


def test_markup_in_a_label_is_only_text() -> None:
    assert not re.search(r"(?<!\\)<", text())
    assert r"Q3\_K\_M\<script\>" in text()


def test_a_label_cannot_add_a_column_or_a_line() -> None:
    assert markdown.escaped("a|b\n# c") == r"a\|b \# c"


def test_every_row_of_the_table_has_as_many_cells() -> None:
    rows, families = len(example.summary().per_quant), len(example_rows.FAMILIES)
    table, by_task, thinking = tables(markdown.write(example.thoughtful(), metrics={}))
    for lines in (table, by_task, thinking):
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert (len(table), len(by_task), len(thinking)) == (2 + rows, 2 + rows * (1 + families), 10)


def tables(written: str) -> list[list[str]]:
    """Return the lines of each table."""
    found = [
        [line for line in part.splitlines() if line.startswith("|")]
        for part in written.split("\n## ")
    ]
    return [lines for lines in found if lines]


def test_each_family_of_each_variant_has_its_level_its_flips_and_its_verdict() -> None:
    assert r"| Q2\_K | 3.21 |" in text()
    assert "| good | worse | CLEAN |" in text()
    wanted = (
        r"| math words | Q2\_K | 75.0 % | acceptable | 130 | 20 | +9.2 \[+4.2, +14.2\] | worse |"
    )
    assert wanted in text()
    assert "| formats | F16 | 69.0 % | — | — | — | — | reference |" in text()


def test_thinking_has_a_part_of_its_own_where_there_is_any() -> None:
    written = markdown.write(example.thoughtful(), metrics={})
    line = next(one for one in written.splitlines() if one.startswith(r"| Q2\_K | 1,200 | 800 |"))
    assert r"| 312 \[292, 332\] | 81.0 % | 44 | 31 | 42 | 1.20 \[1.10, 1.30\] |" in line
    assert "How it thinks" not in text()


def test_where_nothing_qualifies_the_binding_gate_is_named() -> None:
    written = markdown.write(example.nothing_qualifies(), metrics=example.metrics())
    assert "nothing qualifies" in written
    assert "binding gate: paired loss of right answers" in written
    assert "Polluted runs are included" in written


def test_simulated_data_says_so_at_the_top() -> None:
    written = markdown.write(replace(example.summary(), simulated=True), metrics={})
    assert "Simulated data" in written.split("## What to use", maxsplit=1)[0]


def test_a_soak_has_a_part_of_its_own() -> None:
    found = markdown.write(example.soaked(), metrics=example.metrics())
    part = found[found.index("## Soak of what was chosen") :]
    assert "- last third, tok/s: 38.9" in part.partition("\n## ")[0]
    assert "Soak of" not in text()


def test_what_more_right_answers_come_with_is_one_sentence_by_the_table_and_in_the_page() -> None:
    factor = example_rows.estimate(1.4, 0.2, 7)
    absent = Missing("not_priced", "a local engine bills nothing")
    none = Estimate(absent, absent, absent, 0)
    slopes = (
        CostSlope("seconds_per_item", factor, ("a",) * 7, Measured(0.9, "derived")),
        CostSlope("money_per_item", none, (), absent),
    )
    whole = replace(example.summary(), cost_slopes=slopes)
    told = (
        "10 of 100 more right answers come with 1.40 times the seconds an item (95 % 1.20 to 1.60),"
        " over 7 variants: a line through these variants, which says nothing of others."
    )
    assert told in markdown.write(whole, metrics={})
    page = html.render(whole, metrics={}, series={}, logs={}, configuration={})
    assert f'<p class="fine">{told}</p>' in page
    gone = replace(whole, cost_slopes=slopes[1:])
    why = "What more right answers cost is not told: a local engine bills nothing."
    assert why in markdown.write(gone, metrics={})
    assert "more right answers" not in text()
