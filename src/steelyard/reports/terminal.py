"""The last screen of a sweep as lines of segments; whoever owns the terminal prints them.

It leads with what to use, what it loses and what was proved, then has one row for each variant,
then what was not measured and why, and how long each phase took. It fits 80 columns and takes what
it is given beyond.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.summary import SweepSummary, VariantRow
from steelyard.reports import invalid, rawspeed, reasoned, soaked, story, task_by_task
from steelyard.reports.columns import Column, by_key
from steelyard.reports.declared import Metrics
from steelyard.reports.figures import NOTHING
from steelyard.reports.headlines import DEEP, FIRST_TOKEN, SHALLOW, Headline, headline
from steelyard.reports.overall import columns

Style: TypeAlias = Literal["plain", "title", "strong", "dim", "good", "warn", "bad"]

NARROWEST: Final = 80
_LABEL_LEAST: Final = 7
_RAW_LABEL_MOST: Final = 16
# Columns of raw speed that hold numbers: raw, served, their ratio.
_NUMBERS: Final = (2, 3, 4)
_KILO: Final = 1024
_TASK_LABEL_MOST: Final = 12
_NAME_LEAST: Final = 24  # of what is picked, however long is why
# What a family's verdict is called where there is room for one letter.
_SIGNS: Final = {"no loss shown": "=", "within margin": "~", "undecided": "?", "worse": "!"}
_TASK_LEGEND: Final = (
    "right in %, items lost and won against the reference, then = no loss shown, ~ within margin, "
    "? undecided (too few items), ! worse. The level says how good the answers are in themselves, "
    "excellent to failed."
)
# Places in the table (the label not counted) and names of what a narrow screen can spare.
_SPARED: Final = ((1, "memory"), (3, "speed at depth"))
_VERDICT_STYLES: Final[dict[str, Style]] = {
    "no loss shown": "good",
    "within margin": "good",
    "undecided": "warn",
    "worse": "bad",
}


@final
@dataclass(frozen=True, slots=True)
class Segment:
    """Text in one style."""

    text: str
    style: Style = "plain"


Line: TypeAlias = tuple[Segment, ...]


@final
@dataclass(frozen=True, slots=True)
class Field:
    """One column of text: two heading lines, cells, a style for each, alignment."""

    heads: tuple[str, str]
    texts: tuple[str, ...]
    right: bool = True
    styles: tuple[Style, ...] = ()

    @property
    def width(self) -> int:
        """The room that it takes."""
        return max(map(len, (*self.heads, *self.texts)))


def screen(
    summary: SweepSummary,
    *,
    metrics: Metrics,
    width: int = NARROWEST,
) -> tuple[Line, ...]:
    """Lay out the last screen in `width` columns (never fewer than 80)."""
    width = max(width, NARROWEST)
    found = columns(summary, metrics)
    blocks = (
        _warnings(summary, width),
        _use(summary, width),
        _loses(summary, width),
        _proved(summary, width),
        _table(summary, found, width),
        _tasks(summary, found, width),
        _invalid(summary, width),
        _thinking(summary, width),
        raw_block(
            rawspeed.of_sweep(summary.per_quant, brief=True),
            rawspeed.made_by([row.raw for row in summary.per_quant]),
            width,
        ),
        _soak(summary, width),
        _missing(summary, found, width),
        _took(summary, width),
    )
    lines: list[Line] = []
    for block in blocks:
        if made := list(block):
            lines += [*made, ()]
    return tuple(lines[:-1])


def plain(lines: Iterable[Line]) -> str:
    """Return the lines as text without styles."""
    return "\n".join("".join(part.text for part in line).rstrip() for line in lines) + "\n"


def inert(text: str) -> str:
    """Return text that cannot move the cursor or change colours."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _warnings(summary: SweepSummary, width: int) -> Iterator[Line]:
    for text in story.warnings(summary):
        yield from wrapped(text, width, "! ", "warn")


def _use(summary: SweepSummary, width: int) -> Iterator[Line]:
    yield (Segment(f"What to use, of {inert(summary.model)}"[:width], "title"),)
    for choice in story.choices(summary):
        if choice.pick.label is None:
            why = story.no_pick(choice)
            yield from wrapped(f"{choice.title}: {choice.none}: {why}", width, "  ", "bad")
            continue
        by = story.utility(choice.pick)
        name = inert(choice.label)[: max(_NAME_LEAST, width - 20 - len(by))]
        yield (
            Segment(f"  {choice.title:<15} "),
            Segment(name, "strong"),
            Segment(f"  {by}"[: width - 18 - len(name)], "dim"),
        )
    for sentence in story.sentences(summary):
        yield from wrapped(sentence, width, "  ")


def _loses(summary: SweepSummary, width: int) -> Iterator[Line]:
    yield (Segment("What it loses", "title"),)
    costs = story.costs_of_picks(summary)
    for text in costs or ("nothing was judged, so there is nothing to weigh",):
        yield from wrapped(text, width, "  ")


def _proved(summary: SweepSummary, width: int) -> Iterator[Line]:
    yield (Segment("What was proved", "title"),)
    for proof in summary.proofs:
        mark = Segment("  ok ", "good") if proof.passed else Segment("  NO ", "bad")
        lines = list(wrapped(f"{proof.name}: {proof.found}", width, "     "))
        yield (mark, Segment(lines[0][0].text[5:]))
        yield from lines[1:]
    noise = "; ".join(f"{line.name} {line.found}" for line in story.noise_lines(summary))
    yield from wrapped(noise, width, "     ", "dim")


def raw_block(tables: Sequence[rawspeed.RawTable], made_by: str, width: int) -> Iterator[Line]:
    """Lay out the bare engine's speeds beside the served ones; nothing where nobody asked."""
    if not tables:
        return
    yield (Segment(rawspeed.TITLE, "title"),)
    yield from wrapped(f"{made_by}. {rawspeed.ABOUT}".lstrip(". "), width, "  ", "dim")
    rows = [(inert(table.name), *line.texts) for table in tables for line in table.lines]
    heads = ("", *rawspeed.HEADS)
    fields = [
        Field(("", head), tuple(row[place] for row in rows), right=place in _NUMBERS)
        for place, head in enumerate(heads)
    ]
    if rows:
        yield from _raw_rows(fields, width)
    for table in tables:
        for note in rawspeed.notes(table):
            yield from wrapped(note, width, "  ")


def _raw_rows(fields: Sequence[Field], width: int) -> Iterator[Line]:
    """Name a file once; where a line is too long, the state goes first, then the intervals."""
    label, *rest = fields
    shown = [replace(label, texts=_once(label.texts, _RAW_LABEL_MOST)), *rest]
    if sum(field.width + 1 for field in shown) > width + 1:
        shown = shown[:-1]
    if sum(field.width + 1 for field in shown) > width + 1:
        shown = [
            replace(field, texts=tuple(text.partition(" [")[0] for text in field.texts))
            for field in shown
        ]
    for place in range(-1, len(fields[0].texts)):
        cells = (f.heads[1] if place < 0 else f.texts[place] for f in shown)
        line = " ".join(placed(cell, f) for cell, f in zip(cells, shown, strict=True))
        yield (Segment(line[:width], "dim" if place < 0 else "plain"),)


def _once(texts: Sequence[str], most: int) -> tuple[str, ...]:
    return tuple(
        "" if place and texts[place - 1] == text else _short(text, most)
        for place, text in enumerate(texts)
    )


def _soak(summary: SweepSummary, width: int) -> Iterator[Line]:
    found = soaked.lines(summary)
    if found:
        yield (Segment(soaked.TITLE, "title"),)
    for line in found:
        yield from wrapped(f"{line.name}: {line.found}", width, "  ", first="- ")


def _missing(summary: SweepSummary, found: Sequence[Column], width: int) -> Iterator[Line]:
    texts = [f"{one.what}: {one.why}" for one in summary.not_measured]
    texts += [
        f"{gap.what} of {', '.join(gap.labels)}: {gap.why}" for gap in story.gaps(summary, found)
    ]
    if texts:
        yield (Segment("What was not measured, and why", "title"),)
    for text in texts:
        yield from wrapped(text, width, "  ", first="- ")


def _took(summary: SweepSummary, width: int) -> Iterator[Line]:
    yield (Segment("How long it took", "title"),)
    yield from wrapped(story.took(summary), width, "  ")


def wrapped(
    text: str, width: int, indent: str, style: Style = "plain", *, first: str = ""
) -> Iterator[Line]:
    """Yield text broken into lines of at most `width`, indented."""
    lines = textwrap.wrap(
        inert(text),
        width,
        initial_indent=indent + first,
        subsequent_indent=indent + " " * len(first),
    )
    for line in lines:
        yield (Segment(line, style),)


def _table(summary: SweepSummary, found: Sequence[Column], width: int) -> Iterator[Line]:
    rows = summary.per_quant
    fields = [
        _number(by_key(found, "file_bpw"), ("", "bpw"), rows),
        _number(by_key(found, "memory_bytes"), ("memory", "{unit}"), rows),
        _speed(found, SHALLOW, ("tok/s", "out"), rows),
        _speed(found, DEEP, ("@{depth}", "out"), rows),
        _speed(found, FIRST_TOKEN, ("TTFT", "{unit}"), rows),
        _number(by_key(found, "right_share"), ("right", "%"), rows),
        _loss(found, rows),
        _number(by_key(found, "seconds_per_right"), ("{unit} per", "right"), rows),
        _verdicts(rows),
    ]
    fields, dropped = _fitted(fields, width - _LABEL_LEAST)
    used = sum(field.width + 1 for field in fields)
    labels = _labels(rows, summary, width - used)
    if (spare := width - used - labels.width - len(" run quality")) >= 0 and spare < width:
        fields.append(_qualities(rows))
    fields = [labels, *fields]
    for line in (0, 1):
        heads = " ".join(placed(field.heads[line], field) for field in fields)
        yield (Segment(heads, "dim"),)
    for place in range(len(rows)):
        yield tuple(_row_segments(fields, place))
    picked = any(pick.label for pick in summary.recommendation)
    yield from _legend(rows, dropped, width, picked=picked)


def _fitted(fields: list[Field], room: int) -> tuple[list[Field], list[str]]:
    """Leave out what can best be spared until the rest fits; return the names of what went."""
    kept, dropped = list(fields), []
    for place, name in _SPARED:
        if sum(field.width + 1 for field in kept) > room:
            kept.remove(fields[place])
            dropped.append(name)
    return kept, dropped


def _row_segments(fields: Sequence[Field], place: int) -> Iterator[Segment]:
    for number, field in enumerate(fields):
        gap = " " if number else ""
        style = field.styles[place] if field.styles else "plain"
        yield Segment(gap + placed(field.texts[place], field), style)


def placed(text: str, field: Field) -> str:
    """Return a text filled up to its column's width."""
    return text.rjust(field.width) if field.right else text.ljust(field.width)


def _number(column: Column | None, heads: tuple[str, str], rows: Sequence[VariantRow]) -> Field:
    unit = column.shown.unit if column else ""
    top, bottom = (head.replace("{unit}", unit) for head in heads)
    texts = (
        tuple(c.text.replace(",", "") for c in column.cells) if column else (NOTHING,) * len(rows)
    )
    return Field((top, bottom), texts)


def _speed(
    found: Sequence[Column], wanted: Headline, heads: tuple[str, str], rows: Sequence[VariantRow]
) -> Field:
    column = headline(found, wanted)
    depth = _thousands(column.at.depth_tokens) if column and column.at else "deep"
    return _number(column, (heads[0].replace("{depth}", depth), heads[1]), rows)


def _thousands(tokens: int) -> str:
    return f"{tokens // _KILO}k" if tokens >= _KILO else str(tokens)


def _loss(found: Sequence[Column], rows: Sequence[VariantRow]) -> Field:
    column = by_key(found, "loss")
    cells = column.cells if column else ()
    texts = tuple(f"{c.text} {c.interval}".replace(", ", ",").replace("+", "") for c in cells)
    texts = tuple(text.strip() for text in texts)
    return Field(("loss, points", "[interval]"), texts or (NOTHING,) * len(rows))


def _verdicts(rows: Sequence[VariantRow]) -> Field:
    words = [_verdict(row) for row in rows]
    return Field(
        ("", "verdict"),
        tuple(words),
        right=False,
        styles=tuple(_VERDICT_STYLES.get(word, "dim") for word in words),
    )


def _verdict(row: VariantRow) -> str:
    word = story.verdict_word(row.verdict, row.role)
    return row.outcome if word == story.NO_VERDICT and row.outcome != "completed" else word


def _qualities(rows: Sequence[VariantRow]) -> Field:
    return Field(
        ("run", "quality"),
        tuple(row.quality for row in rows),
        right=False,
        styles=tuple("dim" if row.quality == "CLEAN" else "bad" for row in rows),
    )


def _labels(rows: Sequence[VariantRow], summary: SweepSummary, room: int) -> Field:
    """Shorten labels to the room there is; `*` marks a pick, `!` a polluted run."""
    picks = {pick.label for pick in summary.recommendation}
    texts, styles = [], list[Style]()
    for row in rows:
        picked = row.variant.label in picks and row.role != "aa"
        mark = ("*" if picked else "") + ("!" if row.quality == "POLLUTED" else "")
        texts.append(_short(inert(row.variant.label), max(room, _LABEL_LEAST) - len(mark)) + mark)
        styles.append("strong" if picked else "plain")
    return Field(("", "variant"), tuple(texts), right=False, styles=tuple(styles))


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _tasks(summary: SweepSummary, found: Sequence[Column], width: int) -> Iterator[Line]:
    """Lay out the families side by side, as many as fit, below them the next ones."""
    rows = summary.per_quant
    told = [list(task_by_task.lines(summary, row)) for row in rows]
    right, kld = by_key(found, "right_share"), by_key(found, "kl_divergence")
    fields = [
        _number(right, ("right", "%"), rows),
        Field(("", "level"), tuple(map(story.level, rows)), right=False),
        _number(kld, ("KLD", "nats"), rows),
        *(_task([lines[place] for lines in told]) for place in range(1, len(told[0]))),
    ]
    yield (Segment(task_by_task.TITLE, "title"),)
    labels = _labels(rows, summary, _TASK_LABEL_MOST)
    while fields:
        block = [labels]
        while fields and sum(field.width + 1 for field in (*block, fields[0])) <= width + 1:
            block.append(fields.pop(0))
        if len(block) == 1:
            fields.pop(0)  # no screen is so narrow that this is ever shown
            continue
        for line in (0, 1):
            heads = " ".join(placed(field.heads[line], field) for field in block)
            yield (Segment(heads, "dim"),)
        for place in range(len(rows)):
            yield tuple(_row_segments(block, place))
    yield from wrapped(f"By family: {_TASK_LEGEND}", width, "", "dim")


def _task(lines: Sequence[task_by_task.TaskLine]) -> Field:
    """Write one family: right answers in percent, flips lost and won, a sign for the verdict."""
    texts = tuple(
        line.right.removesuffix(" %")
        + (f" -{line.lost}+{line.won} {_SIGNS[line.against]}" if line.against in _SIGNS else "")
        for line in lines
    )
    styles = tuple(_VERDICT_STYLES.get(line.against, "plain") for line in lines)
    name = inert(lines[0].task)
    return Field(("", name), texts, right=False, styles=styles)


def _invalid(summary: SweepSummary, width: int) -> Iterator[Line]:
    found = tuple(invalid.sentences(summary))
    if found:
        yield (Segment(invalid.TITLE, "title"),)
    for text in found:
        yield from wrapped(text, width, "  ", first="- ")


def _thinking(summary: SweepSummary, width: int) -> Iterator[Line]:
    found = reasoned.sentences(summary)
    if found:
        yield (Segment(reasoned.TITLE, "title"),)
    for text in found:
        yield from wrapped(text, width, "  ", first="- ")


def _legend(
    rows: Sequence[VariantRow], dropped: Sequence[str], width: int, *, picked: bool
) -> Iterator[Line]:
    said = ["* picked above"] if picked else []
    if dropped:
        said.append(f"too narrow for {' and '.join(dropped)}: see the report")
    if any(row.quality == "POLLUTED" for row in rows):
        said.append("! polluted, see the report's diagnostics")
    yield from wrapped("; ".join(said), width, "", "dim")
