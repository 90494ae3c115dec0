"""The page of a bench: whole, escaped, closed to the network; its charts show what was measured."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.reports import example_bench as example

from steelyard.domain.bench import BenchSummary
from steelyard.domain.reading import Measured, Missing
from steelyard.reports import bench_charts, bench_html, drawing
from steelyard.reports.charts import Chart

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium")


def rendered(summary: BenchSummary) -> str:
    return bench_html.render(summary, metrics=example.metrics(), configuration={"rate": 5})


@cache
def page() -> str:
    return rendered(example.summary())


@cache
def open_page() -> str:
    return rendered(example.open_bench())


class Reader(HTMLParser):
    """Gathers tags, text and the cells of tables, as a browser would see them."""

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


def test_every_part_that_a_reader_may_look_for_is_there_sentences_first() -> None:
    wanted = ["What was found", "1,164 tok/s", "The instrument's own error", "What was proved",
              "Levels", "Charts", "All figures", "How other tools would have said it",
              "Tokens, server, energy", "KV cache, at most", "Cautions",
              "What was not measured, and why", "Controls and configuration",
              "Glossary"]  # fmt: skip
    text = Reader(page()).text.split("Glossary", maxsplit=1)[1]
    places = [text.index(words) for words in wanted]
    assert places == sorted(places)


def test_every_link_of_the_page_leads_somewhere() -> None:
    for text in (page(), rendered(example.comparison())):
        tags = Reader(text).tags
        ids = {attributes.get("id") for _, attributes in tags}
        targets = [attributes["href"] or "" for name, attributes in tags if name == "a"]
        assert targets
        assert [target for target in targets if target.removeprefix("#") not in ids] == []


def test_only_our_own_script_is_in_the_page() -> None:
    reader = Reader(page())
    tags = [name for name, _ in reader.tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert example.HOSTILE in reader.text


def test_no_tag_carries_code_or_style_or_points_outside() -> None:
    for name, attributes in Reader(open_page()).tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], name
        target = attributes.get("href") or attributes.get("src") or "#"
        assert target.startswith("#"), (name, target)
    assert not re.findall(r"@import|url\(https?:", open_page())


def test_the_policy_names_script_and_style_by_hash() -> None:
    policy = next(
        attributes["content"] or ""
        for name, attributes in Reader(page()).tags
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/=]{44}'", policy)) == 2


def test_the_same_bench_gives_the_same_page() -> None:
    assert rendered(example.summary()) == page()


def test_a_cell_has_value_interval_and_the_clients_share() -> None:
    cells = re.findall(r'<td class="num" data-label="TTFT p95, ms".*?</td>', page())
    assert [re.sub(r"<[^>]*>", " ", cell).split() for cell in cells] == [
        ["62", "[59,", "64]", "±0.021"],
        ["95", "[91,", "99]", "±0.021"],
        ["209", "[201,", "217]", "±0.021"],
    ]


def test_every_absence_has_its_reason_and_nothing_is_none() -> None:
    text = Reader(rendered(example.small_bench())).text
    assert "p99 takes 299 samples; there are 64" in text
    assert "64 requests are too few to find a steady window" in text
    assert "this machine has no power counter" in text
    assert "the server has no /metrics" in text
    assert "no knee was looked for (--find-knee)" in text
    assert "None" not in text
    assert "nan" not in text.split()


def test_a_comparison_shows_both_sides_and_the_ratio() -> None:
    text = Reader(rendered(example.comparison())).text
    assert "http://a:8000 against http://b:8000" in text
    assert "0.905 [0.870, 0.940] 3.0 % < 0.001 Time to first token p50: B is better, −9.5%" in text
    assert "an interval takes two blocks" in text


def test_a_level_sent_both_ways_has_a_table_of_its_own() -> None:
    text = Reader(rendered(example.both_ways())).text
    assert "8 at a time 412 [403, 421] 180 [177, 183] 2.289 [2.213, 2.368] 56.1 %" in text
    assert "one block has no spread" in text
    assert "static batching" not in Reader(rendered(example.summary())).text.partition("Words")[0]


def test_turns_of_conversations_are_told() -> None:
    one = example.measurement("one", example.conversation_level())
    assert "turn 3: TTFT p50 46 ms" in Reader(rendered(example.summary(one))).text


def test_a_bench_that_measured_nothing_is_a_page_too() -> None:
    stopped = replace(example.measurement("one"), levels=(), outcome="failed", reason="no answer")
    assert "is failed: no answer." in Reader(rendered(example.summary(stopped))).text


def charts(summary: BenchSummary) -> dict[str, str]:
    made = (*bench_charts.against_load(summary), *bench_charts.over_time(summary))
    found = {chart.key: drawing.draw(chart) for chart in made}
    return {key: svg.value for key, svg in found.items() if isinstance(svg, Measured)}


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own drawing


def test_every_chart_is_drawn_with_ids_of_its_own() -> None:
    for make in (example.summary, example.comparison):
        drawn = charts(make())
        ids = [n.get("id") for svg in drawn.values() for n in parsed(svg).iter() if n.get("id")]
        assert len(ids) == len(set(ids))
        sides = len(make().measurements)
        assert len(drawn) == 4 + 2 * 3 * sides


def test_a_point_names_its_level_with_number_and_interval() -> None:
    titles = [node.text or "" for node in parsed(charts(example.summary())["ttft"]).iter("title")]
    assert "8 at a time, p95: 95 ms [91, 99]" in titles
    assert len(titles) == 6


def test_a_closed_loop_is_drawn_against_what_was_in_flight_and_an_open_one_against_the_offer() -> (
    None
):
    assert "in flight, mean" in charts(example.summary())["throughput"]
    assert "offered, requests/s" in charts(example.open_bench())["throughput"]


def test_one_level_alone_has_no_chart_against_the_load() -> None:
    assert bench_charts.against_load(example.small_bench()) == ()


def test_the_steady_window_is_shaded_where_there_is_one() -> None:
    steady, unsteady = example.summary(), example.small_bench()
    assert "the steady window" in bench_charts.over_time(steady)[0].caption
    shaded = [layer(chart) for chart in bench_charts.over_time(steady)]
    assert shaded == ["rect"] * 6
    assert [layer(chart) for chart in bench_charts.over_time(unsteady)] == ["point", "line"]


def layer(chart: Chart) -> str:
    assert isinstance(chart.spec, Measured)
    kind: str = chart.spec.value["layer"][0]["mark"]["type"]
    return kind


def test_a_chart_without_numbers_gives_the_reason() -> None:
    lost = Missing("token_count_unavailable", "the server reports no usage")
    levels = [
        replace(
            level,
            throughput=replace(level.throughput, system_tps=lost),
            ttft_over_time=(),
        )
        for level in (example.level(1), example.level(8))
    ]
    summary = example.summary(example.measurement("one", *levels))
    assert bench_charts.against_load(summary)[0].spec == lost
    assert isinstance(bench_charts.over_time(summary)[0].spec, Missing)


def test_a_line_without_any_point_says_so() -> None:
    few = example.FEW
    levels = []
    for level in (example.level(1), example.level(8)):
        figures = tuple(
            replace(f, estimate=example.no_estimate(few)) if f.statistic == "p95" else f
            for f in level.figures
        )
        levels.append(replace(level, figures=figures))
    chart = bench_charts.against_load(example.summary(example.measurement("one", *levels)))[1]
    assert "Solid: p50; dashed: p95 (of no level)." in chart.caption


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH")
def test_in_a_browser_it_is_silent_offline_sortable_and_no_wider_than_a_phone(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(), encoding="utf-8")
    opened = browser.new_page(viewport={"width": 390, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    for width in (390, 360, 768, 1280):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth") == width
    heading = opened.locator("table.levels th", has_text="TTFT p50")
    heading.locator("button").click()
    heading.locator("button").click()
    first = opened.locator("table.levels tbody tr th").first
    assert first.inner_text() == "32 at a time"
    heading.locator("button").focus()
    assert "first generated token" in opened.locator("#tip").inner_text()
    assert said == []
    assert asked == [file.as_uri()]
