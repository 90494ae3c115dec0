"""Metrics of one run: starting up, memory, temperature, and what orchestration cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar, final

from steelyard.analysis import timing
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.vitals import Vitals

T = TypeVar("T", int, float)
ModelTimeBasis: TypeAlias = Literal["engine", "client", "mixed"]


@final
@dataclass(frozen=True, slots=True)
class Overhead:
    """Model time and elapsed time, side by side; `basis` says whose word the model time is."""

    model_s: float
    elapsed_s: float
    basis: ModelTimeBasis

    @property
    def ratio(self) -> float:
        """The share of elapsed time in which the engine worked on nothing."""
        return (self.elapsed_s - self.model_s) / self.elapsed_s


def overhead(record: RunRecord) -> Reading[Overhead]:
    """Return model time and elapsed time over the sections, each from first sent to last ended.

    Requests of an earlier session of a resumed run, outside the span that was sampled, are left
    out: the pause between sessions is nobody's overhead.
    """
    model_ns = elapsed_ns = 0
    bases: set[timing.Basis] = set()
    for section in record.sections:
        attempts = _in_session(record.vitals, section)
        if attempts:
            intervals = [timing.busy_interval(attempt) for attempt in attempts]
            model_ns += timing.union_ns((start, end) for start, end, _ in intervals)
            bases.update(basis for _, _, basis in intervals)
            last = max(attempt.done_ns for attempt in attempts)
            elapsed_ns += last - min(attempt.sent_ns for attempt in attempts)
    if elapsed_ns <= 0:
        return Missing("no_requests", "nothing was sent")
    basis: ModelTimeBasis = "mixed" if len(bases) > 1 else bases.pop()
    found = Overhead(model_ns / timing.NS_PER_S, elapsed_ns / timing.NS_PER_S, basis)
    return Measured(found, "derived")


def _in_session(vitals: Reading[Vitals], section: Section) -> Sequence[Attempt]:
    if isinstance(vitals, Missing) or not vitals.value.samples:
        return section.attempts
    start, end = vitals.value.samples[0].at_ns, vitals.value.samples[-1].at_ns
    return [a for a in section.attempts if start <= a.sent_ns <= end]


def _vital(read: Callable[[Vitals], Reading[T]]) -> Callable[[RunRecord], Reading[float]]:
    def formula(record: RunRecord) -> Reading[float]:
        if isinstance(record.vitals, Missing):
            return record.vitals
        found = read(record.vitals.value)
        return found if isinstance(found, Missing) else Measured(float(found.value), found.source)

    return formula


RUN_METRICS: Final[tuple[Metric[RunRecord], ...]] = (
    Metric(
        name="load_s",
        title="Load time",
        unit="s",
        better="lower",
        definition="From the start of the engine's process until it answered that it was ready.",
        formula=lambda record: record.load_s,
        digits=2,
    ),
    Metric(
        name="first_request_s",
        title="First request after load",
        unit="s",
        better="lower",
        definition="The whole of the first request that a freshly loaded engine answered.",
        formula=lambda record: record.first_request_s,
        digits=2,
    ),
    Metric(
        name="orchestration_overhead_ratio",
        title="Orchestration overhead",
        unit="share",
        better="lower",
        definition="(elapsed - model) / elapsed over the sections. Model time is the union of the"
        " spans in which the engine worked on a request: its own prefill and decoding time, laid"
        " to end with the last token; without its word, the whole request.",
        formula=lambda record: derived(overhead(record), lambda found: found.ratio),
        display_unit="%",
        scale=100.0,
    ),
    Metric(
        name="memory_bytes",
        title="Peak memory",
        unit="bytes",
        better="lower",
        definition="The most memory that the server's process tree held; shared pages count once.",
        formula=_vital(lambda vitals: vitals.peak_memory_bytes),
        display_unit="MiB",
        scale=1 / (1 << 20),
        digits=0,
    ),
    Metric(
        name="cpu_temperature_max_c",
        title="CPU temperature, highest",
        unit="°C",
        better="lower",
        definition="The hottest CPU sensor at any look during the run. Rated on small boards only;"
        " elsewhere throttling decides, not degrees.",
        formula=_vital(lambda vitals: vitals.cpu_temperature_max_c),
        digits=0,
    ),
    Metric(
        name="energy_j",
        title="Energy",
        unit="J",
        better="lower",
        definition="Energy of the processor package over the run, by its own counter.",
        formula=_vital(lambda vitals: vitals.energy_j),
        digits=0,
    ),
)
