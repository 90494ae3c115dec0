"""A comparison of engines as text: the differences that refuse it, or agreement and speed.

The same lines go to the screen and, as Markdown, into a file. Not aware of how it was measured.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from steelyard.analysis.sameness import Agreement, Difference, EngineComparison, EngineRow
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.summary import Speed
from steelyard.reports.declared import Declared
from steelyard.reports.figures import NOTHING, Display, display, percent, said

_WIDTH: Final = 100


def text(found: EngineComparison, metrics: Mapping[str, Declared]) -> str:
    """Return the comparison for a terminal."""
    if found.differs:
        return refused(found.differs)
    prompts = counted(found.prompts, "prompt")
    lines = [f"{prompts}, the same for all: rendered tokens, chat template, beginning,"]
    lines += ["end tokens and sampler were compared before anything was measured. Answers are"]
    lines += ["compared without the spaces that they begin with.", ""]
    lines += [_aligned(row) for row in _padded(_agreement_rows(found.engines))]
    lines += ["", *(_aligned(row) for row in _padded(_speed_rows(found.engines, metrics)))]
    return "\n".join([*lines, *_notes(found.engines)])


def markdown(found: EngineComparison, metrics: Mapping[str, Declared]) -> str:
    """Return the comparison as a page."""
    lines = ["# Engines on the same prompts", ""]
    if found.differs:
        lines += ["No comparison: the engines do not get the same prompt.", ""]
        for difference in found.differs:
            lines += [f"## {difference.what}", ""]
            lines += [*(f"- {name}: {words}" for name, words in difference.said), ""]
        return "\n".join(lines)
    lines += [
        f"{counted(found.prompts, 'prompt')} at temperature 0, proved to be the same for all.",
        "",
    ]
    for rows in (_agreement_rows(found.engines), _speed_rows(found.engines, metrics)):
        head, *body = rows
        lines += [_piped(head), _piped(["---"] * len(head)), *map(_piped, body), ""]
    return "\n".join([*lines, *_notes(found.engines), ""])


def refused(differs: Sequence[Difference]) -> str:
    """Return why engines are not compared: everything that is not the same, engine by engine."""
    return "\n".join(_refused(differs))


def _refused(differs: Sequence[Difference]) -> Iterator[str]:
    yield "These engines do not get the same prompt, so they are not compared."
    for difference in differs:
        yield ""
        yield f"{difference.what}:"
        for name, words in difference.said:
            indent = "    "
            yield textwrap.fill(
                f"{name}: {words}", _WIDTH, initial_indent="  ", subsequent_indent=indent
            )


def _agreement_rows(engines: Sequence[EngineRow]) -> list[list[str]]:
    rows = [["engine", "build", "right", "identical answers", "first part at token"]]
    for row in engines:
        share = said(row.marks.right_share.value, percent)
        rows.append([row.name, said(row.build, str), share, *_agrees(row)])
    return rows


def _agrees(row: EngineRow) -> tuple[str, str]:
    match row.agrees:
        case None:
            return "(reference)", ""
        case Missing() as reason:
            return f"{NOTHING} ({reason})", ""
        case Measured(value=found):
            return _share(found), said(found.median_parting, lambda at: f"{at:g} (median)")


def _share(found: Agreement) -> str:
    interval = f"[{percent(found.low, 0)}, {percent(found.high, 0)}]"
    return f"{found.identical} of {found.compared} {interval}"


def _speed_rows(engines: Sequence[EngineRow], metrics: Mapping[str, Declared]) -> list[list[str]]:
    """One row a metric, where any engine has a value."""
    rows = [["speed", *(row.name for row in engines)]]
    names = dict.fromkeys(speed.metric for row in engines for speed in row.speeds)
    for name in names:
        cells = [next((s for s in row.speeds if s.metric == name), None) for row in engines]
        values = [value for c in cells if c and (value := value_of(c.estimate.value)) is not None]
        if not values or name not in metrics:
            continue
        declared = metrics[name]
        own = None if declared.display_unit is None else (declared.display_unit, declared.scale)
        shown = display(declared.unit, values, declared=own)
        unit = f" {shown.unit}" if shown.unit else ""
        rows.append([f"{declared.title}{unit}", *(_cell(cell, shown) for cell in cells)])
    return rows


def _cell(speed: Speed | None, shown: Display) -> str:
    if speed is None:
        return NOTHING
    low, high = speed.estimate.low, speed.estimate.high
    match speed.estimate.value:
        case Missing():
            return NOTHING
        case Measured(value=value):
            if isinstance(low, Measured) and isinstance(high, Measured):
                return f"{shown.text(value)} {shown.interval(low.value, high.value)}"
            return shown.text(value)


def _notes(engines: Sequence[EngineRow]) -> Iterator[str]:
    for row in engines:
        if row.outcome != "completed":
            yield f"! {row.name}: {row.outcome}: {row.reason}"
        if row.miscounted:
            yield (
                f"! {row.name} counted other prompt tokens than were rendered for "
                f"{counted(row.miscounted, 'prompt')}: it is not proved to have had the same"
            )
        if row.polluted:
            yield f"! {row.name} is polluted: its speeds stand for nothing; see its record"


def _padded(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]


def _aligned(row: Sequence[str]) -> str:
    return "  ".join(row).rstrip()


def _piped(row: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
