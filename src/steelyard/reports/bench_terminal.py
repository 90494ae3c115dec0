"""The last screen of a bench as lines of segments; whoever owns the terminal prints them.

It leads with what was found, in sentences, then for each subject the instrument's own error and one
row a level, then why some numbers are absent. Where a screen is too narrow for one table it is cut
into several with the same rows: nothing is dropped but intervals, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.domain.bench import BenchSummary, Level, Measurement
from steelyard.reports import bench_batching, bench_story, bench_tables, rawspeed
from steelyard.reports.bench_columns import Shown, columns, gaps
from steelyard.reports.figures import NOTHING, said
from steelyard.reports.story import same
from steelyard.reports.terminal import (
    NARROWEST,
    Field,
    Line,
    Segment,
    Style,
    inert,
    placed,
    raw_block,
    wrapped,
)

_LABEL_MOST: Final = 22
_TABLES_MOST: Final = 2
_GATE_STYLES: Final[dict[str, Style]] = {"met": "good", "failed": "bad", "undecided": "warn"}


def screen(
    summary: BenchSummary, width: int = NARROWEST, *, conventions: bool = False
) -> tuple[Line, ...]:
    """Lay out the last screen in `width` columns (never fewer than 80)."""
    width = max(width, NARROWEST)
    blocks = [_warnings(summary, width), _sentences(summary, width)]
    for place, one in enumerate(summary.measurements):
        blocks += [
            _header(summary, place, width),
            *_level_tables(one, width),
            _about(one, width),
            _turns(one, width),
            _both_ways(one, width),
        ]
    made_by = rawspeed.made_by([one.raw for one in summary.measurements])
    blocks += [raw_block(rawspeed.of_bench(summary), made_by, width)]
    blocks += [_comparison(summary, width), _cautions(summary, width)]
    if conventions:
        blocks += [
            _conventions(summary, place, level, width)
            for place, one in enumerate(summary.measurements)
            for level in one.levels
        ]
    lines: list[Line] = []
    for block in blocks:
        if made := list(block):
            lines += [*made, ()]
    return tuple(lines[:-1])


def _warnings(summary: BenchSummary, width: int) -> Iterator[Line]:
    for text in bench_story.warnings(summary):
        yield from wrapped(text, width, "! ", "warn")


def _sentences(summary: BenchSummary, width: int) -> Iterator[Line]:
    if summary.sentences:
        yield (Segment("What was found", "title"),)
    for text in summary.sentences:
        yield from wrapped(text, width, "  ")


def _header(summary: BenchSummary, place: int, width: int) -> Iterator[Line]:
    one = summary.measurements[place]
    yield (Segment(inert(bench_story.name_of(summary, place))[:width], "title"),)
    about = f"{one.engine}, build {said(one.build, same)}; client: {bench_story.machine(summary)}"
    yield from wrapped(about, width, "  ", "dim")
    for line in bench_story.loaded(one):
        yield from wrapped(f"{line.name} {line.found}", width, "  ", "dim")
    yield from wrapped(bench_story.instrument(one), width, "  ")


def _level_tables(one: Measurement, width: int) -> list[Iterator[Line]]:
    if not one.levels:
        return []
    found = columns(one.levels, {})
    labels = [inert(level.load) for level in one.levels]
    room = min(max(map(len, labels)), _LABEL_MOST)
    left = width - max(room, *map(len, _NAMES))
    tables = _cut(_fields(found, intervals=True), left)
    with_intervals = len(tables) <= _TABLES_MOST
    if not with_intervals:
        tables = _cut(_fields(found, intervals=False), left)
    label = _labels(labels, room, with_intervals=with_intervals)
    made = [_table([label, *fields], with_intervals=with_intervals) for fields in tables]
    return [*made, _legend(one.levels, found, width, with_intervals=with_intervals)]


_NAMES: Final = ("  client's share", "  95 % interval")


def _fields(found: Sequence[Shown], *, intervals: bool) -> list[Field]:
    """Make the columns: for each level its value, the interval if wanted, the client's share."""
    fields = []
    for shown in found:
        texts: list[str] = []
        for cell, share in zip(shown.column.cells, shown.shares, strict=True):
            texts.append(cell.text)
            if intervals:
                texts.append(_tight(cell.interval))
            texts.append(share)
        fields.append(Field(shown.heads, tuple(texts)))
    return fields


def _tight(interval: str) -> str:
    """Return an interval in the least room: without spaces and thousands separators."""
    return ",".join(end.replace(",", "") for end in interval.split(", "))


def _labels(labels: Sequence[str], room: int, *, with_intervals: bool) -> Field:
    texts: list[str] = []
    for label in labels:
        texts.append(label if len(label) <= room else f"{label[: room - 1]}…")
        texts += [_NAMES[1], _NAMES[0]] if with_intervals else [_NAMES[0]]
    return Field(("", "load"), tuple(texts), right=False)


def _cut(fields: Sequence[Field], room: int) -> list[list[Field]]:
    """Put as many columns side by side as fit, then begin another table."""
    tables: list[list[Field]] = [[]]
    for field in fields:
        used = sum(one.width + 1 for one in tables[-1])
        if tables[-1] and used + field.width + 1 > room:
            tables.append([])
        tables[-1].append(field)
    return tables


def _table(fields: Sequence[Field], *, with_intervals: bool) -> Iterator[Line]:
    yield from _heads(fields)
    step = 3 if with_intervals else 2
    for row in range(len(fields[0].texts)):
        cells = [placed(field.texts[row], field) for field in fields]
        if row % step and not any(cell.strip() for cell in cells[1:]):
            continue
        style: Style = "dim" if row % step else "plain"
        yield (Segment(cells[0], style), Segment(" " + " ".join(cells[1:]), style))


def _legend(
    levels: Sequence[Level], found: Sequence[Shown], width: int, *, with_intervals: bool
) -> Iterator[Line]:
    if not with_intervals:
        text = "too narrow for intervals: they are in the report and on a wider screen"
        yield from wrapped(text, width, "", "dim")
    if any(shown.column.key.startswith("ttft_intended_s") for shown in found):
        text = "intended: TTFT from the moment at which the load wanted the request sent"
        yield from wrapped(text, width, "", "dim")
    for gap in gaps(levels, found):
        yield from wrapped(f"{NOTHING} {bench_story.gap_text(gap)}", width, "  ")


def _about(one: Measurement, width: int) -> Iterator[Line]:
    for level in one.levels:
        yield from wrapped(bench_story.level_line(level), width, "  ", "dim", first="- ")
        for gate in bench_story.gate_lines(level):
            text = f"{gate.name}: {gate.found} ({gate.meaning})"
            yield from wrapped(text, width, "    ", _GATE_STYLES[gate.found])
    for text in bench_tables.energy(one):
        yield from wrapped(text, width, "  ")
    for text in bench_story.knee(one):
        yield from wrapped(text, width, "  ", "strong")


def _turns(one: Measurement, width: int) -> Iterator[Line]:
    for level in one.levels:
        if level.turns:
            yield from wrapped(f"Turns of {level.load}", width, "  ", "strong")
        for turn in level.turns:
            yield from wrapped(bench_tables.turn_text(turn), width, "    ")


def _both_ways(one: Measurement, width: int) -> Iterator[Line]:
    found = bench_batching.ways(one)
    if not found:
        return
    yield (Segment("Continuous against static batching", "title"),)
    heads = [head.rpartition(", ") for head in bench_batching.HEADS]
    loads = tuple(text for way in found for text in (inert(way.load), _NAMES[1]))
    fields = [Field(("", "load"), loads, right=False)]
    for place, (top, _, bottom) in enumerate(heads[1:]):
        texts = tuple(text for way in found for text in way.numbers[place])
        fields.append(Field((top, bottom), texts))
    yield from _rows(fields)
    yield from wrapped(bench_batching.LEGEND, width, "", "dim")
    for text in bench_batching.gaps(one):
        yield from wrapped(f"{NOTHING} {text}", width, "  ")


def _comparison(summary: BenchSummary, width: int) -> Iterator[Line]:
    found = bench_tables.compared(summary, {})
    if not found:
        return
    yield (Segment("B against A", "title"),)
    yield from _rows(
        [
            Field(("", "metric"), tuple(one.title for one in found), right=False),
            Field(("", "A"), tuple(one.a for one in found)),
            Field(("", "B"), tuple(one.b for one in found)),
            Field(("", "B / A"), tuple(one.ratio for one in found)),
            Field(("", "interval"), tuple(one.interval for one in found)),
            Field(("could", "see"), tuple(one.detectable for one in found)),
            Field(("", "p"), tuple(one.p_value for one in found)),
        ]
    )
    legend = "medians of each turn; could see: the smallest difference that would have shown"
    yield from wrapped(legend, width, "", "dim")
    for one in found:
        for reason in one.reasons:
            yield from wrapped(f"{NOTHING} {one.title}: {reason}", width, "  ")


def _cautions(summary: BenchSummary, width: int) -> Iterator[Line]:
    found = bench_story.cautions(summary)
    if found:
        yield (Segment("Cautions", "title"),)
    for name, caution in found:
        text = bench_story.caution_text(caution)
        text = f"{name}: {text}" if len(summary.measurements) > 1 else text
        yield from wrapped(text, width, "  ", "bad" if caution.pollutes else "warn", first="- ")


def _conventions(summary: BenchSummary, place: int, level: Level, width: int) -> Iterator[Line]:
    found = bench_tables.theirs(level)
    if not found:
        return
    name = bench_story.name_of(summary, place)
    yield from wrapped(f"As other tools define it, in ms: {level.load}, {name}", width, "", "title")
    yield from _rows(
        [
            Field(("", "tool"), tuple(inert(one.tool) for one in found), right=False),
            Field(("", "measure"), tuple(inert(one.measure) for one in found), right=False),
            Field(("", "mean"), tuple(one.mean for one in found)),
            Field(("", "p50"), tuple(one.p50 for one in found)),
            Field(("", "p99"), tuple(one.p99 for one in found)),
            Field(("", "n"), tuple(one.n for one in found)),
        ]
    )
    if any(published.approximates for published in level.published):
        yield (Segment("≈ some of it cannot be told exactly from what arrived", "dim"),)
    for reason in dict.fromkeys(reason for one in found for reason in one.reasons):
        yield from wrapped(f"{NOTHING} {reason}", width, "  ")


def _rows(fields: Sequence[Field]) -> Iterator[Line]:
    yield from _heads(fields)
    for row in range(len(fields[0].texts)):
        yield (Segment(" ".join(placed(field.texts[row], field) for field in fields)),)


def _heads(fields: Sequence[Field]) -> Iterator[Line]:
    for line in (0, 1):
        heads = " ".join(placed(field.heads[line], field) for field in fields)
        if heads.strip():
            yield (Segment(heads, "dim"),)
