"""Which record counts for which row: by role, by variant, and by run quality.

Polluted runs are left out unless asked for. Of several runs that hold the same tasks the clean
one counts, then the earlier. Whatever order records come in, the roster is the same. Not aware of
what is computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from steelyard.analysis.barred import barred
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.verdict import Marked
from steelyard.domain.campaign import Role, role_of, variant_of
from steelyard.domain.caution import Quality, quality
from steelyard.domain.reading import Missing, value_of
from steelyard.domain.run import RunOutcome, RunRecord, Section
from steelyard.domain.subject import Variant


@final
@dataclass(frozen=True, slots=True)
class Entrant:
    """One row's runs: all that were made, and those that count.

    `barred` are the sections of tasks that some row could not be asked: they count for none.
    """

    variant: Variant
    role: Role
    runs: tuple[RunRecord, ...]
    included: tuple[RunRecord, ...]
    skipped: str = ""
    barred: frozenset[str] = frozenset()

    @property
    def quality(self) -> Quality:
        """Return POLLUTED where a polluted run counts, or none counts because all are polluted."""
        told = self.included or tuple(run for run in self.runs if run.outcome == "completed")
        return quality(caution for run in told for caution in run.cautions)

    @property
    def outcome(self) -> RunOutcome:
        """Return `completed` where any run is, else what became of the last."""
        outcomes = [run.outcome for run in self.runs]
        if "completed" in outcomes:
            return "completed"
        return outcomes[-1] if outcomes else "skipped"

    @property
    def absent(self) -> Missing:
        """Return why nothing is known of this row, for readings that have no run behind them."""
        if not self.runs:
            return Missing("not_run", self.skipped or "it was not run")
        if self.outcome != "completed":
            return Missing(f"run_{self.outcome}", self.runs[-1].reason)
        codes = sorted({c.code for run in self.runs for c in run.cautions if c.pollutes})
        return Missing("polluted", f"every run is polluted ({', '.join(codes)}) and left out")

    @property
    def tasks(self) -> tuple[Section, ...]:
        """Return the task sections of the one run that counts for them."""
        run = self.task_run
        sections = run.sections if run is not None else ()
        return tuple(s for s in sections if s.kind == "task" and s.name not in self.barred)

    @property
    def task_run(self) -> RunRecord | None:
        """Return the run whose task sections count."""
        return next((r for r in self.included if any(s.kind == "task" for s in r.sections)), None)

    @property
    def marked(self) -> Marked:
        """Return all marks, keyed `SECTION/ITEM`; clusters of two tasks are never one."""
        return Marked(
            {f"{s.name}/{item}": mark for s in self.tasks for item, mark in s.marks.items()},
            {
                f"{s.name}/{item}": f"{s.name}/{c}"
                for s in self.tasks
                for item, c in s.clusters.items()
            },
        )


@final
@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody who takes part, and the runs that watch the machine.

    `barred` says by its section's name which task counts for nobody, and why.
    """

    reference: Entrant
    twin: Entrant
    candidates: tuple[Entrant, ...]
    sentinels: tuple[RunRecord, ...]
    canary: RunRecord | None
    barred: Mapping[str, str] = field(default_factory=dict)

    @property
    def entrants(self) -> tuple[Entrant, ...]:
        """Return the rows of the table: reference, its twin, candidates from most bits to least."""
        return (self.reference, self.twin, *self.candidates)


def roster(evidence: Evidence, *, include_polluted: bool) -> Roster:
    """Sort the records of a sweep."""
    sweep = evidence.sweep
    by_role: dict[tuple[Role, str], list[RunRecord]] = {}
    for run in sorted(evidence.runs, key=lambda run: (run.spec.repeat, run.started_at, run.id)):
        variant = variant_of(sweep, run.spec)
        if variant is not None:
            by_role.setdefault((role_of(sweep, run.spec), variant.label), []).append(run)

    def entrant(variant: Variant, role: Role) -> Entrant:
        runs = tuple(by_role.get((role, variant.label), ()))
        return Entrant(
            variant,
            role,
            runs,
            counted(runs, include_polluted=include_polluted),
            _skipped(evidence, role, variant),
        )

    label = sweep.reference.label
    watch = counted(by_role.get(("sentinel", label), ()), include_polluted=include_polluted)
    canaries = counted(by_role.get(("canary", label), ()), include_polluted=True)
    by_bits = sorted(sweep.candidates, key=_most_bits_first)
    everybody = [
        entrant(sweep.reference, "reference"),
        entrant(sweep.reference, "aa"),
        *(entrant(variant, "candidate") for variant in by_bits),
    ]
    asked = ((each.variant.label, each.task_run) for each in everybody)
    left_out = barred((label, run) for label, run in asked if run is not None)
    names = frozenset(left_out)
    reference, twin, *candidates = (replace(each, barred=names) for each in everybody)
    return Roster(
        reference=reference,
        twin=twin,
        candidates=tuple(candidates),
        sentinels=watch,
        canary=canaries[0] if canaries else None,
        barred=left_out,
    )


def _most_bits_first(variant: Variant) -> tuple[float, str]:
    """Order by size; those of unknown size come last, in the order in which they were asked for."""
    bpw = value_of(variant.file_bpw)
    return (0.0, "") if bpw is None else (-bpw, variant.label)


def counted(runs: Sequence[RunRecord], *, include_polluted: bool) -> tuple[RunRecord, ...]:
    """Return the runs that count, clean ones first: of one spec the latest that was completed."""
    latest = {run.spec.id: run for run in runs if run.outcome == "completed"}
    whole = tuple(latest.values())
    clean = tuple(run for run in whole if quality(run.cautions) == "CLEAN")
    if not include_polluted:
        return clean
    return (*clean, *(run for run in whole if run not in clean))


def _skipped(evidence: Evidence, role: Role, variant: Variant) -> str:
    """Return why a variant was not run at all, as far as the plan or the machine told."""
    in_first_block = evidence.skipped.get(f"{role}/{variant.label}/0", "")
    return evidence.skipped.get(variant.label, in_first_block)
