"""The page in a real browser: silent, offline, no wider than a phone, sortable, and inert."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

import pytest
from tests.reports import example_rows
from tests.reports import example_summary as example

from steelyard.reports import html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH"),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
ROWS = "#variant-table tbody tr"


@final
@dataclass
class Opened:
    """A page with all that it said and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    page = html.render(
        example.summary(),
        metrics=example.metrics(),
        series=example.series(),
        logs=example.logs(),
        configuration=example.configuration(),
    )
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


def opened(browser: Browser, file: Path, width: int, scheme: str = "light") -> Opened:
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    found = Opened(page)
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(file.as_uri())
    return found


def test_it_opens_without_a_word_without_the_network_and_never_scrolls_sideways(
    browser: Browser, file: Path
) -> None:
    found = opened(browser, file, 390)
    wider = []
    for width in (390, 360, 768, 1280):
        found.page.set_viewport_size({"width": width, "height": 900})
        if found.page.evaluate("document.documentElement.scrollWidth") != width:
            wider.append(width)
    assert wider == []
    assert found.said == []
    assert found.asked == [file.as_uri()]


def test_a_script_in_a_label_or_a_log_is_not_run(browser: Browser, file: Path) -> None:
    page = opened(browser, file, 1280).page
    for fold in page.locator("details summary").all():
        fold.click()
    assert page.title() == "Steelyard: steelyard-bundled 5.6M"
    assert page.locator("img").count() == 0
    assert example_rows.HOSTILE in page.locator("#variant-table").inner_text()


def test_a_foreign_script_would_be_refused_by_the_policy(browser: Browser, file: Path) -> None:
    bad = file.with_name("bad.html")
    evil = "<script>document.title='owned'</script>"
    bad.write_text(file.read_text(encoding="utf-8").replace("<footer>", evil), encoding="utf-8")
    found = opened(browser, bad, 1280)
    assert found.page.title() != "owned"
    assert "Content Security Policy" in " ".join(found.said)


def test_a_click_on_a_heading_sorts_and_a_second_turns_it_round(
    browser: Browser, file: Path
) -> None:
    page = opened(browser, file, 1280).page
    heading = page.locator("#variant-table th", has_text="Memory")
    place = heading.evaluate("cell => cell.cellIndex")

    def column() -> list[str]:
        return page.locator(f"{ROWS} > :nth-child({place + 1})").all_inner_texts()

    heading.locator("button").click()
    assert column() == ["40.3", "40.8", "41.4", "42.0", "44.0", "49.3", "49.3", "—"]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").click()
    assert column() == ["49.3", "49.3", "44.0", "42.0", "41.4", "40.8", "40.3", "—"]
    assert heading.get_attribute("aria-sort") == "descending"


def test_the_filters_narrow_the_table_and_say_how_far(browser: Browser, file: Path) -> None:
    page = opened(browser, file, 1280).page
    page.fill("#filter-text", "k_m")
    assert page.locator(f"{ROWS}:visible").count() == 3
    page.check("#filter-clean")
    assert page.inner_text("#filter-count") == "2 of 8"
    page.select_option("#filter-verdict", "undecided")
    assert page.locator(f"{ROWS}:visible th").all_inner_texts()[0].startswith("Q3_K_M<script>")


def test_a_heading_explains_itself_to_mouse_and_keyboard(browser: Browser, file: Path) -> None:
    page = opened(browser, file, 1280).page
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator("#variant-table th", has_text="Right, %").locator("button").focus()
    assert "Right answers by right, wrong and invalid ones" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_dark_and_light_differ_and_both_can_be_read(browser: Browser, file: Path) -> None:
    contrasts = []
    for scheme in ("light", "dark"):
        page = opened(browser, file, 1280, scheme).page
        ink, paper = page.evaluate(
            """() => ["color", "backgroundColor"].map((name) =>
                getComputedStyle(document.documentElement)[name].match(/\\d+/g).map(Number))"""
        )
        contrasts.append((sum(ink) - sum(paper)) / 3)
    light, dark = contrasts
    assert light < -150
    assert dark > 150


def test_paper_shows_everything_and_is_a_few_pages(browser: Browser, file: Path) -> None:
    page = opened(browser, file, 1280).page
    paper = page.pdf(prefer_css_page_size=True)
    assert 4 <= paper.count(b"/Type /Page\n") <= 14
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
