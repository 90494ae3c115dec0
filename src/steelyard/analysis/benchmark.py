"""The summary of a bench, from its run records alone: the same records give the same summary.

One measurement for each record; two records are two subjects that took turns, the first is A. Not
aware of how anything was measured or how it is laid out. Loads: `analysis.levels`; differences:
`analysis.comparison`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.analysis import bench_sentences, rawspeed
from steelyard.analysis.batching import batching
from steelyard.analysis.comparison import differences as differences  # noqa: PLC0414 - a word here
from steelyard.analysis.levels import levels
from steelyard.domain.bench import BenchSummary, Difference, Footprint, Knee, Measurement
from steelyard.domain.caution import quality
from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.serverside import Sidecar
from steelyard.domain.slo import Limit, Slo
from steelyard.domain.summary import NO_SIDECAR
from steelyard.stats.knee import Found
from steelyard.stats.means import mean

NOT_SEARCHED: Final = Missing("not_searched", "no knee was looked for (--find-knee)")
_SIDES: Final = 2


def summary(
    records: Sequence[RunRecord],
    *,
    slo: Slo | None = None,
    knees: Sequence[Reading[Knee]] = (),
    footprints: Sequence[Footprint] = (),
    raws: Sequence[Reading[Sidecar]] = (),
) -> BenchSummary:
    """Return what one run found, or two that took turns; raise `BadInput` on any other number.

    `knees`, `footprints` and `raws` stand in the order of the records, where there are any.
    """
    if not 1 <= len(records) <= _SIDES:
        raise BadInput(
            f"a bench is of one run or of two, not of {len(records)}",
            hint="summarise them two at a time",
        )
    found = tuple(
        measurement(
            record,
            slo=slo,
            knee=knees[place] if place < len(knees) else NOT_SEARCHED,
            footprint=footprints[place] if place < len(footprints) else None,
            raw=raws[place] if place < len(raws) else NO_SIDECAR,
        )
        for place, record in enumerate(records)
    )
    compared = differences(*records) if len(records) == _SIDES else ()
    return BenchSummary(
        device=records[0].device,
        environment=records[0].environment,
        instrument=records[0].instrument,
        measurements=found,
        differences=compared,
        objectives="" if slo is None else ", ".join(_limit(limit) for limit in slo.limits),
        sentences=tuple(_sentences(found, compared)),
    )


def measurement(
    record: RunRecord,
    *,
    slo: Slo | None = None,
    knee: Reading[Knee] = NOT_SEARCHED,
    footprint: Footprint | None = None,
    raw: Reading[Sidecar] = NO_SIDECAR,
) -> Measurement:
    """Return one subject's side; without a `footprint` it is what the vitals saw of the client.

    `raw` is the sidecar of its file: it is put beside the levels, and nothing else reads it.
    """
    return Measurement(
        run_id=record.id,
        subject=_named(record),
        engine=record.spec.subject.engine,
        build=record.environment.engine_build,
        started_at=record.started_at,
        outcome=record.outcome,
        reason=record.reason,
        quality=quality(record.cautions),
        cautions=record.cautions,
        controls=record.controls,
        proofs=record.proofs,
        levels=(found := levels(record, slo)),
        knee=knee,
        footprint=footprint or _footprint(record),
        simulated=record.simulated,
        raw=rawspeed.of_bench(raw, record, found),
        batching=batching(record),
        load_s=record.load_s,
        first_request_s=record.first_request_s,
    )


def _named(record: RunRecord) -> str:
    """Return the file's name, and behind it the profile where one was asked for by name."""
    subject = record.spec.subject
    profile = f"@{subject.engine}/{record.engine_profile}" if record.engine_profile else ""
    return f"{subject.artifact.name}{profile}"


def knee_of(found: Found, *, slo: Slo | None = None) -> Reading[Knee]:
    """Return a finished search as the summary has it, with what it rests on in words."""
    if isinstance(found.knee.value, Missing):
        return found.knee.value
    return Measured(Knee(found.knee, found.probes, "; ".join(_rests_on(found, slo))), "derived")


def _rests_on(found: Found, slo: Slo | None) -> Iterator[str]:
    if found.limit == "objectives" and slo is not None:
        yield f"where {', '.join(_limit(limit) for limit in slo.limits)} are just met"
    elif found.limit == "objectives":
        yield "where the objectives are just met"
    else:
        yield "what the server completes when it always has enough to do"
    if isinstance(found.sustained, Measured):
        yield f"{found.sustained.value:.3g}/s was sustained"
    if isinstance(found.overloaded, Measured):
        yield f"at {found.overloaded.value:.3g}/s requests piled up"
    if not found.precise:
        yield "the interval is wider than was asked for"


def _footprint(record: RunRecord) -> Footprint:
    if isinstance(record.vitals, Missing):
        return Footprint(record.vitals, record.vitals, 1)
    samples = record.vitals.value.samples
    shares = [s.own_cpu_share for s in samples]
    held = [s.own_memory_bytes for s in samples]
    found = [share.value for share in shares if isinstance(share, Measured)]
    sizes = [size.value for size in held if isinstance(size, Measured)]
    return Footprint(
        Measured(mean(found), "derived") if found else _why(shares),
        Measured(max(sizes), "derived") if sizes else _why(held),
        1,
    )


def _why(readings: Sequence[Reading[float]] | Sequence[Reading[int]]) -> Missing:
    none = Missing("not_sampled", "nobody looked at the client")
    return next((reading for reading in readings if isinstance(reading, Missing)), none)


def _sentences(found: Sequence[Measurement], compared: Sequence[Difference]) -> Iterator[str]:
    if compared:
        yield f"A is {found[0].subject}, B is {found[1].subject}."
        yield from (bench_sentences.of_difference(difference) for difference in compared)
    for each in found:
        yield from bench_sentences.of_measurement(each, several=len(found) > 1)


def _limit(limit: Limit) -> str:
    if limit.unit == "share":
        return f"{limit.name} ≤ {100 * limit.most:g} %"
    most = f"{limit.most:g} s" if limit.most >= 1 else f"{1000 * limit.most:g} ms"
    return f"{limit.name} ≤ {most}"
