"""The Markdown file leads with what to use, and foreign text stays text."""

from __future__ import annotations

import re
from dataclasses import replace

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
    table = [line for line in text().splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in table}) == 1
    assert len(table) == 2 + len(example.summary().per_quant)


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
