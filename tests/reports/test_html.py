"""The page as text: whole, escaped, closed to the network, the same on any day."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from tests.reports import example_rows
from tests.reports import example_summary as example

from steelyard.reports import html


@cache
def page() -> str:
    return rendered()


def rendered(**changes: object) -> str:
    return html.render(
        replace(example.summary(), **changes),  # type: ignore[arg-type]
        metrics=example.metrics(),
        series=example.series(),
        logs=example.logs(),
        configuration=example.configuration(),
    )


class Reader(HTMLParser):
    """Gathers tags, text and headings, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_every_part_that_a_reader_may_look_for_is_there() -> None:
    wanted = ["What to use", "What it loses", "What was proved", "Variants", "Heat map", "Charts",
              "Verdicts in detail", "Gates", "Families", "Fidelity", "Run quality", "Cautions",
              "What was not measured, and why", "Controls and configuration", "Log excerpts",
              "Glossary"]  # fmt: skip
    text = Reader(page()).text
    assert [words for words in wanted if words not in text] == []


def test_level_and_loss_are_two_scales_and_say_so() -> None:
    text = Reader(page()).text
    assert "level: good" in text
    assert "level: acceptable against F16: worse 130 lost, 20 won" in text
    assert "The level says how good the answers are in themselves" in text
    assert "rated" not in text.split("Families")[1].split("Fidelity")[0]
    assert "cannot be seen" not in text


def test_the_words_that_lead_are_told_apart_and_run_ids_stand_in_details() -> None:
    tags = Reader(page()).tags
    leads = [attrs["class"] for tag, attrs in tags if tag == "li" and "class" in attrs]
    assert leads[:3] == ["s-use", "s-smallest", "s-avoid"]
    lead = page().split('<ul class="sentences">')[0].rsplit('class="picks"', 1)[1]
    bare = re.sub(r"<details.*?</details>", "", lead, flags=re.DOTALL)
    assert "right_per_second" in lead
    assert "right_per_second" not in bare
    assert "16 in, depth 0" in bare


def test_thinking_has_a_table_where_there_is_any() -> None:
    whole = example.thoughtful()
    text = Reader(rendered(per_quant=whole.per_quant)).text
    assert "cut while thinking" in text
    assert "312 [292, 332] 81.0 % 44 31 42 1.20 [1.10, 1.30]" in text
    assert "How it thinks" not in Reader(page()).text


def test_it_leads_with_the_two_picks() -> None:
    text = Reader(page()).text
    assert text.index("Best value Q8_0") < text.index("Minimum viable Q4_K_M")
    assert text.index("Minimum viable") < text.index("Variants Filter")


def test_only_our_own_script_is_in_the_page() -> None:
    tags = [name for name, _ in Reader(page()).tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert example_rows.HOSTILE in Reader(page()).text


def test_no_tag_carries_code_or_style_or_points_outside() -> None:
    for name, attributes in Reader(page()).tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], name
        target = attributes.get("href") or attributes.get("src") or "#"
        assert target.startswith("#"), (name, target)
    assert not re.findall(r"@import|url\(https?:", page())


def test_the_policy_names_script_and_style_by_hash() -> None:
    policy = next(
        attributes["content"] or ""
        for name, attributes in Reader(page()).tags
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/=]{44}'", policy)) == 2
    assert "unsafe" not in policy


def test_the_same_sweep_gives_the_same_page() -> None:
    assert rendered() == page()


def test_every_absence_has_its_reason() -> None:
    text = Reader(page()).text
    assert "this machine has no RAPL counter" in text
    assert "the self-check of IQ2_M failed: <b>wrong logits</b>" in text
    assert "two sentinels ran and three are needed" in text
    assert "None" not in text
    assert "nan" not in text.split()


def test_the_margin_is_never_shown_as_a_floor_that_was_measured() -> None:
    """In the table, in the tip of a family and in the sentence on what a variant loses."""
    text = rendered(per_quant=example.unsure().per_quant)
    dash = '<span class="absent" tabindex="0" data-tip="12 marked alike">—</span>'
    assert f'data-label="Floor">{dash}' in text
    assert "floor — (12 marked alike)." in text
    assert "A/A floor — (12 marked alike), " in text
    assert 'data-label="Floor">3.0' not in text
    assert "floor 3.0" not in text


def test_a_definition_comes_from_the_registry() -> None:
    assert "From the last request byte sent to the first generated token" in page()


def test_where_nothing_qualifies_the_binding_gate_is_named() -> None:
    text = Reader(
        html.render(example.nothing_qualifies(), metrics={}, series={}, logs={}, configuration={})
    ).text
    assert "Nothing qualifies" in text
    assert "binding gate: paired loss of right answers" in text
    assert "Polluted runs are included" in text
    assert "Not charted: no series of samples was kept" in text


def test_simulated_data_and_a_lossy_reference_are_said_first() -> None:
    text = Reader(rendered(simulated=True, reference_kind="lossy")).text
    assert text.index("Simulated data") < text.index("Best value")
    assert text.index("(lossy)") < text.index("Best value")


def test_names_keep_their_hyphens_and_numbers_get_a_minus_sign() -> None:
    assert html.minus("IQ2_M-2 loses -0.2 [-1.3, +0.9]") == "IQ2_M-2 loses −0.2 [−1.3, +0.9]"


def test_a_sweep_of_the_reference_alone_is_a_page_too() -> None:
    alone = rendered(per_quant=example.summary().per_quant[:1], runs=(), recommendation=())
    assert "reference" in Reader(alone).text


def test_without_the_extra_the_way_out_is_named_and_charts_are_a_reason() -> None:
    code = """
import sys
sys.modules["jinja2"] = sys.modules["vl_convert"] = None
from steelyard.domain.errors import SteelyardError
from steelyard.reports import charts, drawing, html
from tests.reports import example_summary as example
chart = charts.against_bpw(example.summary(), {})[0]
print(drawing.draw(chart))
try:
    html.render(example.summary(), metrics={}, series={}, logs={}, configuration={})
except SteelyardError as error:
    print(error.hint)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("steelyard[report]") == 2


def test_an_option_is_code_that_is_not_broken_and_text_stays_escaped() -> None:
    found = str(html.options("<b> run --resume, a--b or --include-polluted"))
    assert found == (
        '&lt;b&gt; run <code class="option">--resume</code>, a--b or '
        '<code class="option">--include-polluted</code>'
    )
