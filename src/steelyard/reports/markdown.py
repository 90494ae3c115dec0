"""`summary.md`: what to use, what it loses, what was proved, the table, what was not measured.

Labels, logs and model output are material: nothing in them may become a link, a tag or a column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.domain.summary import SweepSummary
from steelyard.reports import invalid, rawspeed, reasoned, sloped, soaked, story, task_by_task
from steelyard.reports.columns import Column, by_key
from steelyard.reports.declared import Metrics
from steelyard.reports.headlines import headlines
from steelyard.reports.overall import columns
from steelyard.reports.task_by_task import TaskLine

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|!~&$])")
_KEYS: Final = ("right_share", "loss", "seconds_per_right", "kl_divergence")


def write(summary: SweepSummary, *, metrics: Metrics) -> str:
    """Return the file's text."""
    found = columns(summary, metrics)
    parts = [
        [f"# Steelyard sweep of {escaped(summary.model)}"],
        [f"> **Note:** {escaped(text)}" for text in story.warnings(summary)],
        ["## What to use", "", *_picks(summary)],
        ["## What it loses", "", *_bullets(story.costs_of_picks(summary))],
        ["## What was proved", "", *_proofs(summary)],
        ["## Variants", "", *_table(summary, found)],
        [escaped(text)] if (text := sloped.sentence(summary)) else [],
        [f"## {task_by_task.TITLE}", "", *_task_by_task(summary)],
        _invalid(summary),
        list(_thinking(summary)),
        list(raw_part(rawspeed.of_sweep(summary.per_quant), _made_by(summary))),
        _soak(summary),
        ["## What was not measured, and why", "", *_not_measured(summary, found)],
        ["## Where and how", "", *_lines(story.facts(summary))],
    ]
    text = "\n\n".join("\n".join(part) for part in parts if part) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _picks(summary: SweepSummary) -> Iterator[str]:
    for choice in story.choices(summary):
        if choice.pick.label is None:
            yield f"- **{choice.title}: {choice.none}**: {escaped(story.no_pick(choice))}"
        else:
            yield (
                f"- **{choice.title}: {escaped(choice.label)}**:"
                f" {escaped(story.utility(choice.pick))}"
            )
    if found := story.sentences(summary):
        yield ""
        yield from _bullets(found)


def _bullets(texts: Sequence[str]) -> list[str]:
    return [f"- {escaped(text)}" for text in texts] or ["- nothing qualifies, so nothing is lost"]


def _proofs(summary: SweepSummary) -> Iterator[str]:
    for proof in summary.proofs:
        state = "proved" if proof.passed else "**not proved**"
        yield f"- {escaped(proof.name)}: {state}: {escaped(proof.found)}"
    yield from _lines(story.noise_lines(summary))


def _lines(lines: Sequence[story.Line]) -> list[str]:
    return [f"- {escaped(line.name)}: {escaped(line.found)}" for line in lines]


def _table(summary: SweepSummary, found: Sequence[Column]) -> Iterator[str]:
    chosen = [by_key(found, key) for key in ("file_bpw", "memory_bytes")]
    chosen += headlines(found)
    chosen += [by_key(found, key) for key in _KEYS]
    shown = [column for column in chosen if column is not None]
    headings = [_heading(column) for column in shown]
    against = escaped(task_by_task.against(summary))
    yield f"| variant | {' | '.join(headings)} | level | {against} | run quality |"
    yield f"|---|{'---:|' * len(shown)}---|---|---|"
    for place, row in enumerate(summary.per_quant):
        cells = [f"{cell.text} {cell.interval}".strip() for cell in (c.cells[place] for c in shown)]
        verdict = story.verdict_word(row.verdict, row.role)
        told = (story.level(row), verdict, row.quality)
        yield f"| {' | '.join(map(escaped, (row.variant.label, *cells, *told)))} |"


def _task_by_task(summary: SweepSummary) -> Iterator[str]:
    yield escaped(task_by_task.explained(summary))
    yield ""
    against = escaped(task_by_task.against(summary))
    yield f"| task | variant | right | level | lost | won | loss, points | {against} |"
    yield "|---|---|---:|---|---:|---:|---:|---|"
    by_task: dict[str, list[TaskLine]] = {}
    for row in summary.per_quant:
        for line in task_by_task.lines(summary, row):
            by_task.setdefault(line.task, []).append(line)
    for task, lines in by_task.items():
        for line in lines:
            told = (line.right, line.level, line.lost, line.won, line.loss, line.against)
            yield f"| {' | '.join(map(escaped, (task, line.label, *told)))} |"


def _invalid(summary: SweepSummary) -> list[str]:
    found = [f"- {escaped(text)}" for text in invalid.sentences(summary)]
    return [f"## {invalid.TITLE}", "", escaped(invalid.ABOUT), "", *found] if found else []


def _thinking(summary: SweepSummary) -> Iterator[str]:
    found = reasoned.of_sweep(summary.per_quant)
    if not found:
        return
    yield from (f"## {reasoned.TITLE}", "", escaped(reasoned.ABOUT), "")
    yield f"| variant | {' | '.join(reasoned.HEADS)} |"
    yield f"|---|{'---:|' * len(reasoned.HEADS)}"
    for one in found:
        yield f"| {' | '.join(map(escaped, (one.label, *one.texts)))} |"


def raw_part(tables: Sequence[rawspeed.RawTable], made_by: str) -> Iterator[str]:
    """Lay out the bare engine's speeds beside the served ones; nothing where nobody asked."""
    if not tables:
        return
    yield f"## {rawspeed.TITLE}"
    yield ""
    yield escaped(f"{made_by}. {rawspeed.ABOUT}".lstrip(". "))
    yield ""
    if any(table.lines for table in tables):
        yield f"| file | {' | '.join(rawspeed.HEADS)} |"
        yield "|---|---|---:|---:|---:|---|"
    for table in tables:
        for line in table.lines:
            yield f"| {' | '.join(map(escaped, (table.name, *line.texts)))} |"
    notes = [note for table in tables for note in rawspeed.notes(table)]
    yield from ["", *(f"- {escaped(note)}" for note in notes)] if notes else []


def _made_by(summary: SweepSummary) -> str:
    return rawspeed.made_by([row.raw for row in summary.per_quant])


def _soak(summary: SweepSummary) -> list[str]:
    found = _lines(soaked.lines(summary))
    return [f"## {soaked.TITLE}", "", *found] if found else []


def _heading(column: Column) -> str:
    return escaped(f"{column.heading} ({column.at.text})" if column.at else column.heading)


def _not_measured(summary: SweepSummary, found: Sequence[Column]) -> Iterator[str]:
    for one in summary.not_measured:
        yield f"- {escaped(one.what)}: {escaped(one.why)}"
    for gap in story.gaps(summary, found):
        yield f"- {escaped(gap.what)} of {escaped(', '.join(gap.labels))}: {escaped(gap.why)}"
