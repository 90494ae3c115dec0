"""`report.html`: one file with everything in it, for a browser, a phone or paper.

Nothing is fetched and nothing foreign runs: the content policy names the page's own script and
style by hash, and every text is escaped. The same input gives the same page on any day.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, final

from steelyard.analysis.sizing import assumed
from steelyard.domain.counts import counted
from steelyard.domain.errors import SteelyardError
from steelyard.domain.private import shareable
from steelyard.domain.reading import Reading
from steelyard.domain.summary import SweepSummary, VariantRow
from steelyard.domain.vitals import Vitals
from steelyard.reports import (
    forest,
    invalid,
    rawspeed,
    reasoned,
    sloped,
    soaked,
    story,
    task_by_task,
)
from steelyard.reports.charts import Chart, against_bpw, families_against_bpw
from steelyard.reports.columns import Cell, Column, by_key
from steelyard.reports.declared import Metrics
from steelyard.reports.drawing import draw
from steelyard.reports.figures import duration, percent, points, significant, size
from steelyard.reports.glossary import WORDS
from steelyard.reports.headlines import headlines
from steelyard.reports.heat import heat_map
from steelyard.reports.overall import columns
from steelyard.reports.overtime import over_time
from steelyard.reports.side_by_side import by_variant, unsized
from steelyard.reports.tables import applied, controls, run_totals

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TYPED: Final = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z][a-z-]*)")
_NEGATIVE: Final = re.compile(r"(?<![\w-])-(?=\d)")
_LEADING: Final = ("file_bpw", "memory_bytes")
_TRAILING: Final = ("seconds_per_right", "load_s")
_FIDELITY: Final = ("kl_divergence", "perplexity", "top_agreement")
_CARD: Final = ("file_bpw", "memory_bytes", "right_share")


@final
@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with its drawing, or the reason why there is none."""

    chart: Chart
    svg: Reading[str]


def render(
    summary: SweepSummary,
    *,
    metrics: Metrics,
    series: Mapping[str, Vitals],
    logs: Mapping[str, str],
    configuration: object,
) -> str:
    """Return the page. `series` and `logs` are keyed by run id; `configuration` is the spec.

    Raises:
        SteelyardError: if the `report` extra is not installed.
    """
    environment = page_environment()
    style, script = part("style.css"), part("page.js")
    page = environment.get_template("report.html.j2").render(
        summary=summary,
        story=story,
        assumed=assumed,
        invalid=invalid,
        rawspeed=rawspeed,
        reasoned=reasoned,
        task_by_task=task_by_task,
        style=style,
        script=script,
        policy=policy_of(style, script),
        cost_sentence=sloped.sentence(summary),
        words=_glossary(metrics, columns(summary, metrics)),
        logs=sorted(logs.items()),
        configuration=json.dumps(
            shareable(configuration), indent=2, sort_keys=True, ensure_ascii=False
        ),
        drawn=[Drawn(chart, draw(chart)) for chart in _charts(summary, metrics, series)],
        by_family=[]
        if unsized(summary)
        else [Drawn(chart, draw(chart)) for chart in families_against_bpw(summary)],
        **_tables(summary, metrics),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def minus(text: str) -> str:
    """Return text whose negative numbers have a real minus sign; names keep their hyphens."""
    return _NEGATIVE.sub("\N{MINUS SIGN}", text)


def options(text: str) -> Markup:
    """Return text, escaped, in which options and what stands in backticks are code."""
    from markupsafe import Markup, escape

    return Markup(_TYPED.sub(_code, str(escape(text))))  # noqa: S704 - escaped


def _code(found: re.Match[str]) -> str:
    """Return what is typed; an option by itself is never broken."""
    if found[1] is not None:
        return f"<code>{found[1]}</code>"
    return f'<code class="option">{found[2]}</code>'


def page_environment() -> Environment:
    """Return what lays templates out: every text is escaped, every missing name an error."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise SteelyardError(
            "report.html cannot be laid out without jinja2",
            hint="pip install 'steelyard[report]'; the other formats do not need it",
        ) from None
    environment = Environment(
        loader=PackageLoader("steelyard.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": counted, "duration": duration, "percent": percent, "points": points,
        "size": size, "sig": significant, "minus": minus, "options": options,
    }  # fmt: skip
    return environment


def _charts(
    summary: SweepSummary, metrics: Metrics, series: Mapping[str, Vitals]
) -> tuple[Chart, ...]:
    variants = by_variant if unsized(summary) else against_bpw
    return (*variants(summary, metrics), *soaked.charts(summary), *over_time(series))


def _tables(summary: SweepSummary, metrics: Metrics) -> dict[str, object]:
    found = columns(summary, metrics)
    rows = summary.per_quant
    front = headlines(found)
    main = [*_named(found, _LEADING), *front, *_named(found, _TRAILING)]
    picks = {pick.label for pick in summary.recommendation if pick.label}
    return {
        "variants": list(zip(rows, _cells(rows, main), strict=True)),
        "main": main,
        "speeds": [column for column in found if column.at],
        "right": by_key(found, "right_share"),
        "loss": by_key(found, "loss"),
        "adherence": by_key(found, "adherence"),
        "marks": forest.marks(rows),
        "heat": heat_map(rows, found),
        "fidelity": _named(found, _FIDELITY),
        "fidelity_rows": list(zip(rows, _cells(rows, _named(found, _FIDELITY)), strict=True)),
        "cards": _card_columns(found),
        "picks": picks,
        "gaps": story.gaps(summary, found),
        "controls": controls(summary.controls),
        "applied": applied(summary.applied_controls),
        "totals": run_totals(summary.runs),
        "soak": soaked.lines(summary),
        "spoilt": list(invalid.sentences(summary)),
        "thinking": reasoned.of_sweep(rows),
        "raw_tables": rawspeed.of_sweep(rows),
        "raw_made_by": rawspeed.made_by([row.raw for row in rows]),
        "files_here": any(row.variant.file for row in rows),
        "served": [row for row in rows if row.variant.file is None and row.role != "aa"],
        "families": sorted({family for row in rows for family in row.family_marks}),
    }  # fmt: skip


def _named(found: Sequence[Column], keys: Sequence[str]) -> list[Column]:
    return [column for key in keys if (column := by_key(found, key)) is not None]


def _card_columns(found: Sequence[Column]) -> list[Column]:
    speed = next(iter(headlines(found)), None)
    chosen = _named(found, _CARD)
    return [*chosen[:2], speed, *chosen[2:]] if speed else chosen


def _cells(rows: Sequence[VariantRow], shown: Sequence[Column]) -> list[list[Cell]]:
    return [[column.cells[place] for column in shown] for place in range(len(rows))]


def _glossary(metrics: Metrics, found: Sequence[Column]) -> list[tuple[str, str]]:
    """Gather plain words, what the columns mean and what the registry declares."""
    words = dict(WORDS)
    words |= {column.title: column.definition for column in found if column.definition}
    words |= {metric.title: metric.definition for metric in metrics.values()}
    return sorted(words.items(), key=lambda pair: (pair[0].casefold(), pair[0]))


def policy_of(style: str, script: str) -> str:
    """Return the content policy that allows this style and this script and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def part(name: str) -> str:
    """Return the text of one of the templates' files."""
    return files("steelyard.reports").joinpath("templates", name).read_text(encoding="utf-8")
