"""Each run in brief, what was proved about all of them, and what nobody measured.

Not aware of variants' worth: these lines say how far the numbers can be trusted, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from steelyard.analysis.metrics.machine import overhead
from steelyard.analysis.validity import telemetry_status
from steelyard.domain.campaign import Sweep, role_of, variant_of
from steelyard.domain.caution import quality
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import Proof, RunRecord
from steelyard.domain.stream import Attempt, Completed, Usage
from steelyard.domain.summary import NotMeasured, RunLine, VariantRow
from steelyard.domain.vitals import Vitals

_VITALS: Final[Mapping[str, Callable[[Vitals], Reading[int] | Reading[float]]]] = {
    "energy": lambda vitals: vitals.energy_j,
    "CPU temperature": lambda vitals: vitals.cpu_temperature_max_c,
    "CPU frequency": lambda vitals: vitals.cpu_frequency_min_hz,
    "throttling": lambda vitals: vitals.throttle_events,
    "swap": lambda vitals: vitals.swap_growth_bytes,
    "memory": lambda vitals: vitals.peak_memory_bytes,
    "background load": lambda vitals: vitals.other_cpu_share,
}


def run_line(sweep: Sweep, run: RunRecord, *, included: bool, answers: bool) -> RunLine:
    """Return one run in brief: whether its times count, and whether its answers do."""
    variant = variant_of(sweep, run.spec)
    attempts = [attempt for section in run.sections for attempt in section.attempts]
    return RunLine(
        id=run.id,
        label=variant.label if variant else run.spec.subject.artifact.name,
        role=role_of(sweep, run.spec),
        repeat=run.spec.repeat,
        outcome=run.outcome,
        quality=quality(run.cautions),
        reasons=_reasons(run),
        telemetry_status=telemetry_status(run),
        orchestration_overhead_ratio=derived(overhead(run), lambda found: found.ratio),
        elapsed_s=run.elapsed_s,
        other_cpu_share=_vital(run, lambda vitals: vitals.other_cpu_share),
        temperature_max_c=_vital(run, lambda vitals: vitals.cpu_temperature_max_c),
        included=included,
        prompt_tokens=_tokens(attempts, lambda usage: usage.prompt_tokens),
        output_tokens=_tokens(attempts, lambda usage: usage.output_tokens),
        attempts=len(attempts),
        failed_attempts=sum(not isinstance(a.outcome, Completed) for a in attempts),
        answers=answers,
    )


def proofs(given: Iterable[Proof], runs: Sequence[RunRecord]) -> tuple[Proof, ...]:
    """Return the engine's proofs, then each kind of run proof once, with the first that failed."""
    by_name: dict[str, list[Proof]] = {}
    for run in runs:
        for proof in run.proofs:
            by_name.setdefault(proof.name, []).append(proof)
    return (*given, *(_summed(name, by_name[name]) for name in sorted(by_name)))


def not_measured(
    rows: Sequence[VariantRow], runs: Sequence[RunRecord], skipped: Mapping[str, str]
) -> tuple[NotMeasured, ...]:
    """Say what a reader may look for and not find, and why."""
    found = [
        NotMeasured(what, str(why))
        for what, read in _VITALS.items()
        if (why := _nowhere([_vital(run, read) for run in runs])) is not None
    ]
    attempts = [a for run in runs for section in run.sections for a in section.attempts]
    if (why := _nowhere([attempt.cost for attempt in attempts])) is not None:
        found.append(NotMeasured("money", str(why)))
    found += [
        NotMeasured(f"fidelity of {row.variant.label}", str(row.fidelity))
        for row in rows
        if row.role == "candidate" and isinstance(row.fidelity, Missing)
    ]
    found += [
        NotMeasured(row.variant.label, row.outcome_reason)
        for row in rows
        if row.outcome != "completed"
    ]
    labels = {row.variant.label for row in rows}
    return (*found, *_skips({k: why for k, why in skipped.items() if k not in labels}))


def _skips(skipped: Mapping[str, str]) -> tuple[NotMeasured, ...]:
    """Tell what was left out, runs that share a reason in one line."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in sorted(skipped.items()):
        by_reason.setdefault(reason, []).append(key)
    return tuple(
        NotMeasured(keys[0] if len(keys) == 1 else f"{len(keys)} runs ({', '.join(keys)})", reason)
        for reason, keys in by_reason.items()
    )


def _summed(name: str, found: Sequence[Proof]) -> Proof:
    failed = [proof for proof in found if not proof.passed]
    text = f"{len(found) - len(failed)} of {counted(len(found), 'run')}"
    if failed:
        return Proof(name, passed=False, found=f"{text}; {failed[0].found}")
    same = {proof.found for proof in found}
    return Proof(name, passed=True, found=f"{text}: {same.pop()}" if len(same) == 1 else text)


def _nowhere(readings: Sequence[Reading[int] | Reading[float]]) -> Missing | None:
    """Return the reason where not one reading has a value; None also where there is no reading."""
    missing = [reading for reading in readings if isinstance(reading, Missing)]
    return missing[0] if missing and len(missing) == len(readings) else None


def _reasons(run: RunRecord) -> tuple[str, ...]:
    codes = sorted({caution.code for caution in run.cautions if caution.pollutes})
    return tuple(codes) if run.outcome == "completed" else (run.reason, *codes)


def _vital(
    run: RunRecord, read: Callable[[Vitals], Reading[int] | Reading[float]]
) -> Reading[float]:
    if isinstance(run.vitals, Missing):
        return run.vitals
    found = read(run.vitals.value)
    return found if isinstance(found, Missing) else Measured(float(found.value), found.source)


def _tokens(attempts: Sequence[Attempt], read: Callable[[Usage], int]) -> Reading[int]:
    total = 0
    for attempt in attempts:
        if not isinstance(attempt.outcome, Completed):
            continue
        if isinstance(attempt.usage, Missing):
            return attempt.usage
        total += read(attempt.usage.value)
    return Measured(total, "engine")
