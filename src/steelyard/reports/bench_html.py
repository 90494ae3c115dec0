"""`report.html` of a bench: one file with everything in it, for a browser, a phone or paper.

Style, policy and escaping are those of the sweep's page: nothing is fetched, nothing foreign runs,
the same input gives the same page on any day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.bench import BenchSummary, Level, Measurement
from steelyard.domain.private import shareable
from steelyard.reports import bench_batching, bench_story, bench_tables, rawspeed, story
from steelyard.reports.bench_charts import against_load, over_time
from steelyard.reports.bench_columns import (
    STATISTICS,
    FigureRow,
    Shown,
    columns,
    figure_rows,
    gaps,
)
from steelyard.reports.charts import Chart
from steelyard.reports.declared import Metrics
from steelyard.reports.drawing import draw
from steelyard.reports.html import Drawn, page_environment, part, policy_of
from steelyard.reports.story import Gap, Line
from steelyard.reports.tables import applied

WORDS: Final = {
    "client's share": "By how much the client's own doing may have moved a number: what it read"
    " late or together with other events, and its clock's error.",
    "batching, continuous or static": "A server's places are refilled as soon as an answer ends,"
    " or only when all answers of a wave have ended; here it is the client that sends so.",
    "closed loop, open loop": "A closed loop keeps so many requests in flight and waits for"
    " answers; an open loop sends by a schedule, whether or not answers come.",
    "goodput": "Requests that met every objective of a single request; failed ones never do.",
    "intended time": "The moment at which the load wanted a request sent. Counted from there, a"
    " server that holds requests back cannot hide the wait.",
    "interval": "The range that the true value is expected in, 19 times of 20. Neighbouring"
    " requests resemble each other, and the interval takes that into account.",
    "knee": "The highest rate that the server keeps up with (and that meets the objectives).",
    "source": "Who vouches for a number: the client's clock, the engine's word, a formula"
    " (derived) or an estimate.",
    "stamps": "Whose clock says when an answer came: the kernel's, when it came off the network,"
    " or the client's own, when its read returned.",
    "steady window": "The part of a load without warm-up and cool-down; the figures are taken"
    " from it.",
}  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table whose columns are the levels."""

    name: str
    meaning: str
    found: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Everything that a page shows of one measurement."""

    name: str
    one: Measurement
    facts: tuple[Line, ...]
    instrument: tuple[Line, ...]
    columns: tuple[Shown, ...]
    gaps: tuple[Gap, ...]
    figures: tuple[tuple[Level, tuple[FigureRow, ...]], ...]
    tokens: tuple[Row, ...]
    engine: tuple[Row, ...]
    controls: tuple[Line, ...]


def render(summary: BenchSummary, *, metrics: Metrics, configuration: object) -> str:
    """Return the page; `configuration` is what was asked for.

    Raises:
        SteelyardError: if the `report` extra is not installed.
    """
    environment = page_environment()
    style, script = part("style.css") + part("bench.css"), part("page.js")
    page = environment.get_template("bench.html.j2").render(
        summary=summary,
        story=story,
        bench=bench_story,
        tables=bench_tables,
        rawspeed=rawspeed,
        raw_tables=rawspeed.of_bench(summary),
        raw_made_by=rawspeed.made_by([one.raw for one in summary.measurements]),
        batching=bench_batching,
        statistics=STATISTICS,
        style=style,
        script=script,
        policy=policy_of(style, script),
        parts=[_measured(summary, place, metrics) for place in range(len(summary.measurements))],
        compared=bench_tables.compared(summary, metrics),
        against=_drawn(against_load(summary)),
        over_time=_drawn(over_time(summary)),
        words=_glossary(summary, metrics),
        configuration=json.dumps(
            shareable(configuration), indent=2, sort_keys=True, ensure_ascii=False
        ),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _drawn(charts: Sequence[Chart]) -> list[Drawn]:
    return [Drawn(chart, draw(chart)) for chart in charts]


def _measured(summary: BenchSummary, place: int, metrics: Metrics) -> Part:
    one = summary.measurements[place]
    found = columns(one.levels, metrics)
    return Part(
        name=bench_story.name_of(summary, place),
        one=one,
        facts=bench_story.facts(summary, one),
        instrument=bench_story.instrument_lines(summary, one),
        columns=found,
        gaps=gaps(one.levels, found),
        figures=tuple((level, figure_rows(level, metrics)) for level in one.levels),
        tokens=_rows(one.levels, bench_tables.token_lines),
        engine=_rows(one.levels, lambda level: bench_tables.engine_lines(level.engine)),
        controls=applied(one.controls),
    )


def _rows(levels: Sequence[Level], lines: Callable[[Level], Sequence[Line]]) -> tuple[Row, ...]:
    """Turn the lines of each level round: one row a line, one text a level."""
    return tuple(
        Row(same[0].name, same[0].meaning, tuple(line.found for line in same))
        for same in zip(*(lines(level) for level in levels), strict=True)
    )


def _glossary(summary: BenchSummary, metrics: Metrics) -> list[tuple[str, str]]:
    """Gather plain words and the declarations of the metrics that have figures here."""
    used = {f.metric for one in summary.measurements for lv in one.levels for f in lv.figures}
    words = dict(WORDS)
    words |= {metrics[name].title: metrics[name].definition for name in used if name in metrics}
    return sorted(words.items(), key=lambda pair: (pair[0].casefold(), pair[0]))
