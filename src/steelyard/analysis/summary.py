"""From a sweep's evidence to its summary: pure, and the same for the same evidence in any order.

Nothing here reads a clock or a folder; what was measured on another day gives the same bytes.
Polluted runs are left out, unless asked for, of what is in doubt of them, and the summary says
which and of what. Not aware of layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import (
    by_family,
    cost_slopes,
    determinism,
    noise,
    recommend,
    sentences,
    soak,
    timing,
    to_decide,
    verdict,
)
from steelyard.analysis import drift as drifts
from steelyard.analysis.barred import refusal
from steelyard.analysis.controls import in_force
from steelyard.analysis.diagnostics import not_measured, proofs, run_line
from steelyard.analysis.drift import Beat, Drift
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.metrics.load import completed, measured
from steelyard.analysis.ratings import rated_metrics
from steelyard.analysis.remarks import remarks
from steelyard.analysis.roster import Entrant, Roster, roster
from steelyard.analysis.rows import IS_REFERENCE, Setting, build
from steelyard.analysis.sizing import different, smallest_visible_loss
from steelyard.domain.campaign import role_of, variant_of
from steelyard.domain.counts import counted
from steelyard.domain.errors import StoreError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Proof, RunRecord
from steelyard.domain.summary import (
    SERVED_VERSION,
    SUMMARY_VERSION,
    Estimate,
    Noise,
    NotMeasured,
    Pick,
    Soak,
    SweepSummary,
    VariantRow,
    Verdict,
)
from steelyard.stats.means import mean

_NO_CANARY: Final = Missing("no_canary", "the canary was not run")


def summarise(evidence: Evidence, *, include_polluted: bool = False) -> SweepSummary:
    """Compute what a sweep found. Raises `StoreError` when there is no run of it at all."""
    sweep = evidence.sweep
    seats = roster(evidence, include_polluted=include_polluted)
    first = _first(evidence, seats)
    watched = _noise(evidence, seats)
    found_drift = _drift(evidence, seats, watched.smallest_speed_difference)
    watched = replace(watched, drift_share=found_drift.share)
    setting = Setting(
        sweep=sweep,
        reference=seats.reference,
        drift=found_drift,
        rated=rated_metrics(first.device, evidence.bands),
        fidelity=evidence.fidelity,
        raw=evidence.raw,
    )
    rows = by_family.add(_rows(seats, setting, watched.aa_floor), seats, sweep.gates)
    rows = tuple(
        replace(row, more_s=_more_s(row, entrant, seats))
        for row, entrant in zip(rows, seats.entrants, strict=True)
    )
    picks = recommend.picks(rows)
    frontier = recommend.frontier(rows)
    label, families = sweep.reference.label, len(seats.reference.tasks)
    rows = tuple(
        replace(
            row,
            on_frontier=row.role != "aa" and row.variant.label in frontier,
            sentences=sentences.of_variant(
                row, picks, label, sweep.gates.confidence, families=families
            ),
        )
        for row in rows
    )
    timed = {run.id for run in seats.timed}
    answered = {e.task_run.id for e in seats.entrants if e.task_run is not None}
    items = sum(task.items for task in sweep.tasks if task.section not in seats.barred)
    worth = different(seats.reference.marked.clusters) if seats.reference.tasks else (items, 1.0)
    left_out = {by_family.family_of(name): why for name, why in seats.barred.items()}
    soaked = _soaked(evidence, picks)
    return SweepSummary(
        campaign_id=sweep.id,
        model=sweep.model,
        reference_label=label,
        reference_kind=sweep.reference.reference or "native",
        suite=sweep.suite,
        items=items,
        margin=sweep.gates.margin,
        smallest_visible_loss=smallest_visible_loss(sweep.gates, len(seats.candidates), *worth),
        different_items=worth[0],
        design_effect=worth[1],
        device=first.device,
        environment=first.environment,
        controls=sweep.controls,
        elapsed_s=evidence.elapsed_s,
        phases_s=dict(sorted(evidence.phases_s.items())),
        proofs=(*proofs(evidence.proofs, _ordered(evidence)), *_sameness(seats)),
        noise=watched,
        per_quant=rows,
        runs=tuple(
            run_line(sweep, run, included=run.id in timed, answers=run.id in answered)
            for run in _ordered(evidence)
        ),
        efficiency_frontier=frontier,
        recommendation=picks,
        sentences=(
            *sentences.leading(rows, picks, label, sweep.gates.confidence, families=families),
            *([soak.sentence(soaked.value)] if isinstance(soaked, Measured) else []),
            *remarks(evidence, seats, rows, found_drift, include_polluted=include_polluted),
        ),
        not_measured=(
            *not_measured(rows, _ordered(evidence), evidence.skipped),
            *(NotMeasured(name, why) for name, why in sorted(left_out.items())),
        ),
        include_polluted=include_polluted,
        simulated=any(run.simulated for run in evidence.runs),
        text_sha256=_text(evidence),
        drift_corrected=found_drift.corrects,
        applied_controls=in_force(_ordered(evidence)),
        soak=soaked,
        confidence=sweep.gates.confidence,
        cost_slopes=cost_slopes.slopes(rows, seats, sweep.gates),
        schema_version=SUMMARY_VERSION if sweep.reference.file else SERVED_VERSION,
    )


def _soaked(evidence: Evidence, picks: Sequence[Pick]) -> Reading[Soak]:
    """Return what long load did to what was chosen, or why nobody knows; the latest run counts."""
    sweep = evidence.sweep
    if sweep.soak is None:
        return Missing("not_asked", "no soak was asked for (--soak)")
    runs = [run for run in _ordered(evidence) if role_of(sweep, run.spec) == "soak"]
    if runs and (variant := variant_of(sweep, runs[-1].spec)) is not None:
        return Measured(soak.soak(runs[-1], variant.label), "derived")
    if recommend.chosen(picks) is None:
        return Missing("none_chosen", "nothing qualifies, so there is nothing to keep under load")
    return Missing("not_run", evidence.skipped.get("soak", "it has not been run yet"))


def _rows(seats: Roster, setting: Setting, aa_floor: Reading[float]) -> tuple[VariantRow, ...]:
    """Judge all candidates at once, the A/A row by itself: it sets the floor, it is not tested."""
    limits = setting.sweep.gates
    reference = seats.reference.marked
    asked = {entrant.variant.label: entrant.marked for entrant in seats.candidates}
    judged = verdict.judge(reference, asked, limits, aa_floor)
    twin = verdict.judge(reference, {"": seats.twin.marked}, limits, aa_floor)[""]
    return (
        build(seats.reference, IS_REFERENCE, setting),
        build(seats.twin, _verdict(twin, seats.twin, seats), setting),
        *(build(e, _verdict(judged[e.variant.label], e, seats), setting) for e in seats.candidates),
    )


def _more_s(row: VariantRow, entrant: Entrant, seats: Roster) -> Reading[float]:
    """Return how much longer an undecided row would take, beside the reference's share of it."""
    both = (seats.reference, entrant)
    for side in both:
        if side.untimed is not None:
            return side.untimed
    return to_decide.more_s(row.verdict, sum(to_decide.item_s(side.tasks) for side in both))


def _verdict(found: Reading[Verdict], entrant: Entrant, seats: Roster) -> Reading[Verdict]:
    """Return the verdict, or the real reason why there is none."""
    if isinstance(found, Measured):
        return found
    if not entrant.tasks:
        return entrant.unanswered
    if not seats.reference.tasks:
        return Missing("no_reference", f"the reference: {seats.reference.unanswered}")
    if why := refusal(entrant.task_run):
        return Missing("no_paired_items", why)
    if why := refusal(seats.reference.task_run):
        return Missing("no_paired_items", f"the reference: {why}")
    return found


def _noise(evidence: Evidence, seats: Roster) -> Noise:
    reference, twin = seats.reference.marked, seats.twin.marked
    cv = Estimate(_NO_CANARY, _NO_CANARY, _NO_CANARY, 0)
    smallest: Reading[float] = _NO_CANARY
    if seats.canary is not None:
        found = noise.canary(seats.canary.sections, seats.canary.spec.controls.profile)
        cv, smallest = found.latency_cv, found.smallest_difference
    again = Missing("no_aa_row", "the reference was not run twice")
    same_text = same_mark = Estimate(again, again, again, 0)
    if (one := seats.reference.task_run) and (other := seats.twin.task_run):
        same_text, same_mark = determinism.of_pair(
            replace(one, sections=seats.reference.tasks), replace(other, sections=seats.twin.tasks)
        )
    return Noise(
        client_error_ttft_s=evidence.instrument.ttft_error_s,
        client_error_gap_s=evidence.instrument.gap_error_s,
        canary_cv=cv,
        smallest_speed_difference=smallest,
        aa_flips=verdict.flip_count(reference, twin),
        aa_floor=verdict.floor(reference, twin, evidence.sweep.gates),
        drift_share=Missing("not_computed"),
        aa_same_text=same_text,
        aa_same_mark=same_mark,
    )


def _drift(evidence: Evidence, seats: Roster, least: Reading[float]) -> Drift:
    """Read the sentinels' series; across a restart of the machine its clocks cannot be joined."""
    if _restarted(evidence.runs):
        why = Missing("clock_restarted", "its clocks ran backwards: a restart, or the date was set")
        return Drift((), why, corrects=False)
    beats = []
    for run in seats.sentinels:
        attempts = [a for section in run.sections for a in completed(section)]
        values = measured(timing.output_tps, attempts)
        if values:
            middle = (run.sections[0].started_ns + run.sections[-1].ended_ns) / 2
            beats.append(Beat(middle, mean(values)))
    return drifts.drift(beats, least)


def _restarted(runs: Sequence[RunRecord]) -> bool:
    """Say whether the monotonic clock ran backwards between runs in their order by wall time."""
    ends = sorted(
        (run.started_at, max(section.ended_ns for section in run.sections))
        for run in runs
        if run.sections
    )
    by_clock = [end for _, end in ends]
    return by_clock != sorted(by_clock)


def _sameness(seats: Roster) -> tuple[Proof, ...]:
    """Say what the repeated cells showed: the canary's texts, the A/A row's marks."""
    found = []
    if seats.canary is not None:
        seen = noise.canary(seats.canary.sections, seats.canary.spec.controls.profile)
        same = seen.identical_share
        if isinstance(same, Measured):
            repeats = counted(seen.latency_cv.n, "repeat")
            text = f"{same.value:.0%} of {repeats} of one request gave one text"
            found.append(Proof("determinism", passed=same.value >= 1, found=text))
    return tuple(found)


def _first(evidence: Evidence, seats: Roster) -> RunRecord:
    """Return the run whose device and environment stand for the sweep's."""
    runs = seats.reference.included or seats.reference.runs or _ordered(evidence)
    if not runs:
        raise StoreError(
            f"sweep {evidence.sweep.id} has no run to summarise",
            hint="run it again with --resume",
        )
    return runs[0]


def _ordered(evidence: Evidence) -> tuple[RunRecord, ...]:
    return tuple(sorted(evidence.runs, key=lambda run: (run.started_at, run.spec.replica, run.id)))


def _text(evidence: Evidence) -> str | None:
    found = [r.value.text_sha256 for r in evidence.fidelity.values() if isinstance(r, Measured)]
    return min(found, default=None)
