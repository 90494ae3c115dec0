"""The Markdown file leads with what to use, and foreign text stays text."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.reports import example_rows
from tests.reports import example_summary as example

from steelyard.reports import markdown


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
