"""The speeds in front are those that were asked for, or the nearest that were taken."""

from __future__ import annotations

from tests.reports import example_summary as example

from steelyard.analysis.metrics.registry import METRICS
from steelyard.reports import html
from steelyard.reports.headlines import DEEP, FIRST_TOKEN, HEADLINES, SHALLOW, Headline, headline
from steelyard.reports.overall import columns

FOUND = columns(example.summary(), example.metrics())


def key(wanted: Headline) -> str | None:
    column = headline(FOUND, wanted)
    return column.key if column else None


def test_speeds_stand_where_they_were_asked_for() -> None:
    assert key(SHALLOW) == "output_tps.p16.d0.c1"
    assert key(DEEP) == "output_tps.p2048.d2048.c1"
    assert key(FIRST_TOKEN) == "ttft_s.p512.d0.c1"


def test_the_nearest_stands_in_for_what_was_not_taken() -> None:
    assert key(Headline("output_tps", 8192, deep=True)) == "output_tps.p2048.d2048.c1"


def test_what_was_never_taken_has_no_stand_in() -> None:
    assert key(Headline("ttfat_s", 512)) is None


def test_every_headline_is_a_declared_metric() -> None:
    assert [wanted.metric for wanted in HEADLINES if wanted.metric not in METRICS] == []


def test_the_registry_itself_gives_the_words_of_the_page() -> None:
    page = html.render(
        example.summary(), metrics=METRICS, series={}, logs={}, configuration=example.summary()
    )
    assert METRICS["ttft_s"].definition.split(".")[0] in page
