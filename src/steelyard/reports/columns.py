"""The variants as columns: the one view model that tables, CSV, heat map and charts share.

A column holds one cell for each row of the summary, in its order. Speed columns follow from what
was measured; their words, units and bands come from the metric's declaration. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.metric import Better
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.summary import (
    Estimate,
    RawBeside,
    Speed,
    SweepSummary,
    Thinking,
    VariantRow,
    Verdict,
)
from steelyard.reports.declared import Declared, Metrics
from steelyard.reports.figures import NOTHING, Display, display

_NOT_TAKEN: Final = Missing("not_measured", "this was not measured on this variant")


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What one row has to say in one column, in base units."""

    reading: Reading[float]
    low: Reading[float] = _NOT_TAKEN
    high: Reading[float] = _NOT_TAKEN
    band: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One number of one variant: raw in the base unit, and as text in the column's display."""

    raw: float | None
    low: float | None
    high: float | None
    text: str
    interval: str
    why: Missing | None
    band: str | None


@final
@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a speed was measured under."""

    metric: str
    prompt_tokens: int
    depth_tokens: int
    streams: int

    @property
    def text(self) -> str:
        """The circumstances in a few words."""
        where = f"depth {self.depth_tokens:,}" if self.depth_tokens else "depth 0"
        many = f", {self.streams} streams" if self.streams > 1 else ""
        return f"{self.prompt_tokens:,} prompt tokens, {where}{many}"

    @property
    def brief(self) -> str:
        """The same for a narrow heading."""
        many = f", {self.streams} streams" if self.streams > 1 else ""
        return f"{self.prompt_tokens} in, depth {self.depth_tokens}{many}"


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One measure over all variants. `unit` is that of `raw`, `shown.unit` that of `text`."""

    key: str
    title: str
    unit: str
    better: Better
    definition: str
    shown: Display
    cells: tuple[Cell, ...]
    at: Circumstances | None = None

    @property
    def heading(self) -> str:
        """Title and display unit."""
        return f"{self.title}, {self.shown.unit}" if self.shown.unit else self.title

    @property
    def rated(self) -> bool:
        """Whether any cell has a rating."""
        return any(cell.band for cell in self.cells)


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A column before its numbers: how to read it from a row."""

    key: str
    title: str
    unit: str
    better: Better
    definition: str
    read: Callable[[VariantRow], Found]
    at: Circumstances | None = None


def columns(summary: SweepSummary, metrics: Metrics) -> tuple[Column, ...]:
    """Return every column that this summary fills."""
    rows = summary.per_quant
    return tuple(_column(measure, rows, metrics) for measure in _measures(rows, metrics))


def of_family(summary: SweepSummary, family: str) -> tuple[Column, Column]:
    """Return the right answers of one family, and the share of its items that flipped."""
    rows, name = summary.per_quant, family.replace("_", " ")
    measures = (
        Measure(
            f"right_share.{family}", f"Right, {name}", "share", "higher",
            "Right answers by all items of the family that were run.",
            lambda row: _family_share(row, family),
        ),
        Measure(
            f"flips.{family}", f"Flipped, {name}", "share", "lower",
            "Items of the family that are right on one side only: lost and won against the "
            "reference.",
            lambda row: _family_flips(row, family),
        ),
    )  # fmt: skip
    right, flips = (_column(measure, rows, {}) for measure in measures)
    return right, flips


def of_verdicts(summary: SweepSummary) -> tuple[Column, ...]:
    """Return what verdicts rest on, of all tasks and of each family."""
    rows = summary.per_quant
    families = sorted({name for row in rows for name in row.family_verdicts})
    measures = [
        Measure(
            f"{key}{end}", key.replace("_", " "), unit, better, "", _verdict_reader(key, family)
        )
        for family, end in (("", ""), *((name, f".{name}") for name in families))
        for key, unit, better in _OF_VERDICT
        if family or key != "loss"
    ]
    return tuple(_column(measure, rows, {}) for measure in measures)


def of_thinking(summary: SweepSummary) -> tuple[Column, ...]:
    """Return the reasoning ledger of every variant."""
    measures = [
        Measure(key, key.replace("_", " "), unit, "neither", "", _thinking_reader(read))
        for key, unit, read in _OF_THINKING
    ]
    length = Measure(
        "output_length_ratio", "Length by the reference's", "", "neither", "",
        lambda row: of_estimate(row.length_ratio),
    )  # fmt: skip
    return tuple(_column(measure, summary.per_quant, {}) for measure in (*measures, length))


def _verdict_reader(key: str, family: str) -> Callable[[VariantRow], Found]:
    def read(row: VariantRow) -> Found:
        seen: Reading[Verdict] = row.verdict
        if family:
            known = row.family_verdicts.get(family)
            seen = _NOT_TAKEN if known is None else Measured(known, "derived")
        if isinstance(seen, Missing):
            return Found(seen)
        found = seen.value
        if key == "to_decide":
            return _of(found.to_decide_items)
        if key == "loss":
            low, high = Measured(found.low, "derived"), Measured(found.high, "derived")
            return Found(Measured(found.loss, "derived"), low, high)
        return Found(Measured(float(getattr(found, key)), "derived"))

    return read


def _thinking_reader(read: Callable[[Thinking], Found]) -> Callable[[VariantRow], Found]:
    def found(row: VariantRow) -> Found:
        return (
            Found(row.thinking) if isinstance(row.thinking, Missing) else read(row.thinking.value)
        )

    return found


def by_key(found: Sequence[Column], key: str) -> Column | None:
    """Return the column of this key, if the summary has it."""
    return next((column for column in found if column.key == key), None)


def _column(measure: Measure, rows: Sequence[VariantRow], metrics: Metrics) -> Column:
    declared = metrics.get(measure.at.metric if measure.at else measure.key)
    found = [measure.read(row) for row in rows]
    values = [one.reading.value for one in found if isinstance(one.reading, Measured)]
    shown = display(measure.unit, values, declared=_own_display(declared))
    return Column(
        key=measure.key,
        title=measure.title,
        unit=measure.unit,
        better=measure.better,
        definition=declared.definition if declared else measure.definition,
        shown=shown,
        cells=tuple(cell_of(one, shown, declared) for one in found),
        at=measure.at,
    )


def cell_of(found: Found, shown: Display, declared: Declared | None) -> Cell:
    """Return what was found as text in a column's display."""
    low, high = value_of(found.low), value_of(found.high)
    match found.reading:
        case Missing():
            return Cell(None, None, None, NOTHING, "", found.reading, None)
        case Measured(value=value):
            return Cell(
                raw=value,
                low=low,
                high=high,
                text=shown.text(value),
                interval="" if low is None or high is None else shown.interval(low, high),
                why=None,
                band=found.band or (declared.band(value) if declared else None),
            )


def _own_display(declared: Declared | None) -> tuple[str, float] | None:
    if declared is None or declared.display_unit is None:
        return None
    return declared.display_unit, declared.scale


def _measures(rows: Sequence[VariantRow], metrics: Metrics) -> Iterator[Measure]:
    yield from _FILE
    yield from _speed_measures(rows, metrics)
    yield from _QUALITY
    yield from _COST
    yield from _raw_measures(rows)


def _speed_measures(rows: Sequence[VariantRow], metrics: Metrics) -> Iterator[Measure]:
    """Make a column of each metric and circumstance, in the order the summary has them."""
    seen: dict[Circumstances, Speed] = {}
    for row in rows:
        for speed in row.speeds:
            seen.setdefault(circumstances(speed), speed)
    for at, speed in seen.items():
        declared = metrics.get(at.metric)
        yield Measure(
            key=f"{at.metric}.p{at.prompt_tokens}.d{at.depth_tokens}.c{at.streams}",
            title=declared.title if declared else at.metric.replace("_", " "),
            unit=speed.unit,
            better=declared.better if declared else "neither",
            definition="",
            read=_speed_reader(at),
            at=at,
        )


def _raw_measures(rows: Sequence[VariantRow]) -> Iterator[Measure]:
    """Make columns of the bare engine's tests, where any was timed.

    They have no better end: raw speed explains the served one and is no merit of a variant.
    """
    sides = [row.raw.value for row in rows if isinstance(row.raw, Measured)]
    for name, metric in {test.test: test.metric for side in sides for test in side.tests}.items():
        yield Measure(
            f"raw_{metric}.{name}", f"Raw {name}", "tok/s", "neither",
            "Tokens a second of the bare engine by llama-bench's method, without a server.",
            _raw_reader(name, lambda test: test.raw_tps),
        )  # fmt: skip
        yield Measure(
            f"served_by_raw_{metric.removesuffix('_tps')}.{name}", f"Served by raw, {name}",
            "", "neither",
            "The served speed at the same lengths by that of the bare engine.",
            _raw_reader(name, lambda test: test.ratio),
        )  # fmt: skip


def _raw_reader(name: str, read: Callable[[RawBeside], Estimate]) -> Callable[[VariantRow], Found]:
    def found(row: VariantRow) -> Found:
        if isinstance(row.raw, Missing):
            return Found(row.raw)
        test = next((test for test in row.raw.value.tests if test.test == name), None)
        return Found(_NOT_TAKEN) if test is None else of_estimate(read(test))

    return found


def circumstances(speed: Speed) -> Circumstances:
    """Return what tells one speed of a row from another."""
    return Circumstances(speed.metric, speed.prompt_tokens, speed.depth_tokens, speed.streams)


def _speed_reader(at: Circumstances) -> Callable[[VariantRow], Found]:
    def read(row: VariantRow) -> Found:
        for speed in row.speeds:
            if circumstances(speed) == at:
                return of_estimate(speed.estimate, speed.rating)
        why = row.outcome_reason or "no run of this variant took it"
        return Found(Missing(f"run_{row.outcome}", why))

    return read


def of_estimate(estimate: Estimate, band: str | None = None) -> Found:
    """Take value and interval of an estimate."""
    return Found(estimate.value, estimate.low, estimate.high, band)


def _of(reading: Reading[int] | Reading[float]) -> Found:
    match reading:
        case Measured(value=value, source=source):
            return Found(Measured(float(value), source))
        case Missing():
            return Found(reading)


def _family_share(row: VariantRow, family: str) -> Found:
    marks = row.family_marks.get(family)
    return Found(_NOT_TAKEN) if marks is None else of_estimate(marks.right_share)


def _family_flips(row: VariantRow, family: str) -> Found:
    if row.role == "reference":
        return Found(Missing("is_reference", "the others are compared with it"))
    flips = row.family_flips.get(family)
    return Found(_NOT_TAKEN) if flips is None else of_estimate(flips)


def _count(number: int) -> Found:
    return Found(Measured(float(number), "derived"))


def _loss(row: VariantRow) -> Found:
    match row.verdict:
        case Missing():
            return Found(row.verdict)
        case Measured(value=verdict, source=source):
            return Found(
                Measured(verdict.loss, source),
                Measured(verdict.low, source),
                Measured(verdict.high, source),
            )


def _fidelity(name: str) -> Callable[[VariantRow], Found]:
    def read(row: VariantRow) -> Found:
        match row.fidelity:
            case Missing():
                return Found(row.fidelity)
            case Measured(value=fidelity):
                estimate: Estimate = getattr(fidelity, name)
                return of_estimate(estimate)

    return read


_OF_VERDICT: Final[tuple[tuple[str, str, Better], ...]] = (
    ("loss", "points", "lower"),
    ("flips_lost", "count", "lower"),
    ("flips_won", "count", "higher"),
    ("items", "count", "higher"),
    ("margin", "points", "neither"),
    ("floor", "points", "neither"),
    ("p_adjusted", "", "neither"),
    ("to_decide", "count", "lower"),
)
_OF_THINKING: Final[tuple[tuple[str, str, Callable[[Thinking], Found]], ...]] = (
    ("answers_thought", "count", lambda found: _count(found.thought)),
    ("thinking_tokens", "", lambda found: of_estimate(found.tokens)),
    ("thinking_share", "share", lambda found: Found(found.share)),
    ("answers_cut", "count", lambda found: _count(found.cut)),
    ("answers_cut_thinking", "count", lambda found: _count(found.cut_thinking)),
    ("answers_looping", "count", lambda found: _count(found.loops)),
)
_FILE: Final = (
    Measure(
        "file_bpw", "Bits per weight", "bpw", "lower",
        "Bits stored for each weight, over all tensors of the file, read from its tensor table, or"
        " as the server that has loaded it counts them.",
        lambda row: Found(row.variant.file_bpw),
    ),
    Measure(
        "file_bytes", "File", "bytes", "lower",
        "Size of the model file.",
        lambda row: _of(row.variant.file_bytes),
    ),
    Measure(
        "memory_bytes", "Memory", "bytes", "lower",
        "The most memory that the engine's processes held during the runs.",
        lambda row: _of(row.memory_bytes),
    ),
    Measure(
        "load_s", "Load time", "s", "lower",
        "From the start of the engine until it answered that it was ready.",
        lambda row: _of(row.load_s),
    ),
)  # fmt: skip

_QUALITY: Final = (
    Measure(
        "right_share", "Right", "share", "higher",
        "Right answers by right, wrong and invalid ones; what was not run is left out and counted.",
        lambda row: of_estimate(row.marks.right_share),
    ),
    Measure(
        "right", "Right answers", "count", "higher",
        "Items answered as they should be.",
        lambda row: _count(row.marks.right),
    ),
    Measure(
        "wrong", "Wrong", "count", "lower",
        "Items with an answer that could be read and is another one.",
        lambda row: _count(row.marks.wrong),
    ),
    Measure(
        "invalid", "Invalid", "count", "lower",
        "Items whose answer was cut off, unreadable or refused: the model's doing.",
        lambda row: _count(row.marks.invalid),
    ),
    Measure(
        "not_run", "Not run", "count", "lower",
        "Items without an answer for a reason that is not the model's.",
        lambda row: _count(row.marks.not_run),
    ),
    Measure(
        "loss", "Loss", "points", "lower",
        "Right answers lost against the reference, item by item, in points of all items; the"
        " brackets hold the corrected interval. Below zero is a gain.",
        _loss,
    ),
    Measure(
        "adherence", "Format kept", "share", "higher",
        "Share of the format constraints in the items that the answers kept.",
        lambda row: of_estimate(row.adherence),
    ),
    Measure(
        "kl_divergence", "KL divergence", "nats", "lower",
        "How far the token probabilities lie from the reference's. It screens and never decides.",
        _fidelity("kl_divergence"),
    ),
    Measure(
        "perplexity", "Perplexity", "", "lower",
        "How surprised the model is by text that it was not trained on. It never decides.",
        _fidelity("perplexity"),
    ),
    Measure(
        "top_agreement", "Same top token", "share", "higher",
        "Share of positions where the likeliest token is the reference's. It never decides.",
        _fidelity("top_agreement"),
    ),
)  # fmt: skip

_COST: Final = (
    Measure(
        "seconds_per_right", "Time per right answer", "s", "lower",
        "Seconds spent on the tasks, by right answers: slow and wrong both cost.",
        lambda row: of_estimate(row.throughput.seconds_per_right),
    ),
    Measure(
        "tokens_per_right", "Tokens per right answer", "", "lower",
        "Generated tokens, by right answers.",
        lambda row: of_estimate(row.throughput.tokens_per_right),
    ),
    Measure(
        "joules_per_right", "Energy per right answer", "J", "lower",
        "Energy that the machine drew during the tasks, by right answers.",
        lambda row: of_estimate(row.throughput.joules_per_right),
    ),
    Measure(
        "right_per_second", "Right answers a second", "1/s", "higher",
        "Right answers, by the seconds spent on them under the suite's own load.",
        lambda row: _of(row.throughput.right_per_second),
    ),
    Measure(
        "adherence_per_latency", "Format kept, by latency", "1/s", "higher",
        "Share of format constraints kept, by the total latency; always shown beside the utility.",
        lambda row: _of(row.throughput.adherence_per_latency),
    ),
)  # fmt: skip
