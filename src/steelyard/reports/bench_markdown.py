"""`bench.md`: what was found, the instrument, a table of levels, what is absent and why.

Addresses, model names and server's words are material: nothing in them may become a link, a tag or
a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steelyard.domain.bench import BenchSummary, Level, Measurement
from steelyard.reports import bench_batching, bench_story, bench_tables, rawspeed
from steelyard.reports.bench_columns import Shown, columns, gaps
from steelyard.reports.figures import NOTHING
from steelyard.reports.markdown import escaped, raw_part
from steelyard.reports.story import Line


def write(summary: BenchSummary, *, conventions: bool = False) -> str:
    """Return the file's text; `conventions` adds what other tools would have printed."""
    names = " against ".join(one.subject for one in summary.measurements)
    parts: list[list[str]] = [
        [f"# Steelyard bench of {escaped(names)}"],
        [f"> **Note:** {escaped(text)}" for text in bench_story.warnings(summary)],
        _headed("## What was found", [f"- {escaped(text)}" for text in summary.sentences]),
    ]
    for place, one in enumerate(summary.measurements):
        parts += _measurement(summary, place, one, conventions=conventions)
    made_by = rawspeed.made_by([one.raw for one in summary.measurements])
    parts.append(list(raw_part(rawspeed.of_bench(summary), made_by)))
    parts.append(_headed("## B against A", list(_comparison(summary))))
    parts.append(_headed("## Cautions", _cautions(summary)))
    text = "\n\n".join("\n".join(part) for part in parts if part) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def _measurement(
    summary: BenchSummary, place: int, one: Measurement, *, conventions: bool
) -> Iterator[list[str]]:
    yield [f"## {escaped(bench_story.name_of(summary, place))}"]
    yield _lines(bench_story.facts(summary, one))
    yield [escaped(bench_story.instrument(one))]
    found = columns(one.levels, {})
    if one.levels:
        yield list(_table(one.levels, found))
        yield ["In brackets the 95 % interval, after ± the client's own share in the number."]
        yield [
            f"- {NOTHING} {escaped(bench_story.gap_text(gap))}" for gap in gaps(one.levels, found)
        ]
        yield list(_levels(one.levels))
    yield [f"- {escaped(text)}" for text in (*bench_tables.energy(one), *bench_story.knee(one))]
    yield [f"- {proof}" for proof in _proofs(one)]
    yield _headed("### Continuous against static batching", list(_both_ways(one)))
    if conventions:
        for level in one.levels:
            yield _headed(
                f"### As other tools define it, in ms: {escaped(level.load)}", list(_theirs(level))
            )


def _levels(levels: Sequence[Level]) -> Iterator[str]:
    for level in levels:
        yield f"- {escaped(bench_story.level_line(level))}"
        for gate in bench_story.gate_lines(level):
            yield f"  - {escaped(f'{gate.name}: {gate.found} ({gate.meaning})')}"
        for turn in level.turns:
            yield f"  - {escaped(bench_tables.turn_text(turn))}"


def _table(levels: Sequence[Level], found: Sequence[Shown]) -> Iterator[str]:
    yield f"| load | {' | '.join(escaped(shown.column.heading) for shown in found)} |"
    yield f"|---|{'---:|' * len(found)}"
    for place, level in enumerate(levels):
        cells = [
            " ".join(filter(None, (cell.text, cell.interval, shown.shares[place])))
            for shown in found
            for cell in (shown.column.cells[place],)
        ]
        yield f"| {escaped(level.load)} | {' | '.join(map(escaped, cells))} |"


def _both_ways(one: Measurement) -> Iterator[str]:
    found = bench_batching.ways(one)
    if not found:
        return
    yield f"| {' | '.join(bench_batching.HEADS)} |"
    yield f"|---|{'---:|' * (len(bench_batching.HEADS) - 1)}"
    yield from (f"| {' | '.join(map(escaped, way.cells))} |" for way in found)
    yield from ("", escaped(bench_batching.LEGEND))
    yield from (f"- {NOTHING} {escaped(text)}" for text in bench_batching.gaps(one))


def _comparison(summary: BenchSummary) -> Iterator[str]:
    found = bench_tables.compared(summary, {})
    if not found:
        return
    yield "| metric | A | B | B / A | smallest detectable | p |"
    yield "|---|---:|---:|---:|---:|---:|"
    for one in found:
        ratio = f"{one.ratio} {one.interval}".strip()
        cells = (one.title, one.a, one.b, ratio, one.detectable, one.p_value)
        yield f"| {' | '.join(map(escaped, cells))} |"
    yield ""
    yield from (f"- {escaped(one.words)}" for one in found if one.words)
    for one in found:
        yield from (f"- {NOTHING} {escaped(f'{one.title}: {why}')}" for why in one.reasons)


def _theirs(level: Level) -> Iterator[str]:
    found = bench_tables.theirs(level)
    if not found:
        return
    yield "| tool | measure | mean | p50 | p99 | n |"
    yield "|---|---|---:|---:|---:|---:|"
    for one in found:
        cells = (one.tool, one.measure, one.mean, one.p50, one.p99, one.n)
        yield f"| {' | '.join(map(escaped, cells))} |"


def _proofs(one: Measurement) -> Iterator[str]:
    for proof in one.proofs:
        state = "proved" if proof.passed else "**not proved**"
        yield f"{escaped(proof.name)}: {state}: {escaped(proof.found)}"


def _cautions(summary: BenchSummary) -> list[str]:
    return [
        f"- {escaped(f'{name}: {bench_story.caution_text(caution)}')}"
        for name, caution in bench_story.cautions(summary)
    ]


def _lines(lines: Sequence[Line]) -> list[str]:
    return [f"- {escaped(line.name)}: {escaped(line.found)}" for line in lines]


def _headed(heading: str, lines: Sequence[str]) -> list[str]:
    return [heading, "", *lines] if lines else []
