"""The columns of a variant as a whole: its file, speeds, quality, cost, and its thinking.

Speed columns follow from what was measured; the others are declared here. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import Estimate, RawBeside, Speed, SweepSummary, Thinking, VariantRow
from steelyard.reports.columns import (
    NOT_TAKEN,
    Circumstances,
    Column,
    Found,
    Measure,
    column,
    of_count,
    of_estimate,
    of_loss,
    of_reading,
)
from steelyard.reports.declared import Metrics


def columns(summary: SweepSummary, metrics: Metrics) -> tuple[Column, ...]:
    """Return every column that this summary fills."""
    rows = summary.per_quant
    return tuple(column(measure, rows, metrics) for measure in _measures(rows, metrics))


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
    return tuple(column(measure, summary.per_quant, {}) for measure in (*measures, length))


def _thinking_reader(read: Callable[[Thinking], Found]) -> Callable[[VariantRow], Found]:
    def found(row: VariantRow) -> Found:
        return (
            Found(row.thinking) if isinstance(row.thinking, Missing) else read(row.thinking.value)
        )

    return found


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
        return Found(NOT_TAKEN) if test is None else of_estimate(read(test))

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


def _fidelity(name: str) -> Callable[[VariantRow], Found]:
    def read(row: VariantRow) -> Found:
        match row.fidelity:
            case Missing():
                return Found(row.fidelity)
            case Measured(value=fidelity):
                estimate: Estimate = getattr(fidelity, name)
                return of_estimate(estimate)

    return read


_OF_THINKING: Final[tuple[tuple[str, str, Callable[[Thinking], Found]], ...]] = (
    ("answers_thought", "count", lambda found: of_count(found.thought)),
    ("thinking_tokens", "", lambda found: of_estimate(found.tokens)),
    ("thinking_share", "share", lambda found: Found(found.share)),
    ("answers_cut", "count", lambda found: of_count(found.cut)),
    ("answers_cut_thinking", "count", lambda found: of_count(found.cut_thinking)),
    ("answers_looping", "count", lambda found: of_count(found.loops)),
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
        lambda row: of_reading(row.variant.file_bytes),
    ),
    Measure(
        "memory_bytes", "Memory", "bytes", "lower",
        "The most memory that the engine's processes held during the runs.",
        lambda row: of_reading(row.memory_bytes),
    ),
    Measure(
        "load_s", "Load time", "s", "lower",
        "From the start of the engine until it answered that it was ready.",
        lambda row: of_reading(row.load_s),
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
        lambda row: of_count(row.marks.right),
    ),
    Measure(
        "wrong", "Wrong", "count", "lower",
        "Items with an answer that could be read and is another one.",
        lambda row: of_count(row.marks.wrong),
    ),
    Measure(
        "invalid", "Invalid", "count", "lower",
        "Items whose answer was cut off, unreadable or refused: the model's doing.",
        lambda row: of_count(row.marks.invalid),
    ),
    Measure(
        "not_run", "Not run", "count", "lower",
        "Items without an answer for a reason that is not the model's.",
        lambda row: of_count(row.marks.not_run),
    ),
    Measure(
        "loss", "Loss", "points", "lower",
        "Right answers lost against the reference, item by item, in points of all items; the"
        " brackets hold the corrected interval. Below zero is a gain.",
        lambda row: of_loss(row.verdict),
    ),
    Measure(
        "adherence", "Adherence", "share", "higher",
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
        lambda row: of_reading(row.throughput.right_per_second),
    ),
    Measure(
        "adherence_per_latency", "Adherence a second", "1/s", "higher",
        "Share of the demanded forms that were kept (1 is all), by all seconds spent on the tasks;"
        " it compares the variants of one sweep alone.",
        lambda row: of_reading(row.throughput.adherence_per_latency),
    ),
)  # fmt: skip
