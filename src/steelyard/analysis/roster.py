"""Which record counts for which row: by role, by variant, and by run quality.

A polluted run is left out, unless asked for, of what its cautions cast doubt on: of all that is
timed, and of memory and answers only where those are in doubt too. Of several runs that hold the
same tasks the clean one counts, then the earlier. Whatever order records come in, the roster is the
same. Not aware of what is computed from it. Decision: docs/decisions/0009-what-a-caution-doubts.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

from steelyard.analysis.barred import barred, refusal
from steelyard.analysis.clusters import clusters_of
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.verdict import Marked
from steelyard.domain.campaign import Role, role_of, variant_of
from steelyard.domain.caution import Doubt, Quality, doubted, quality
from steelyard.domain.reading import Missing, value_of
from steelyard.domain.run import RunOutcome, RunRecord, Section
from steelyard.domain.subject import Variant
from steelyard.domain.summary import NO_TASKS

# What no run has where all are polluted.
_NONE: Final[Mapping[Doubt, str]] = {
    "clock": "no run has a clean clock",
    "memory": "no run shows its whole memory",
    "answers": "no run was asked as it was to be",
}


@final
@dataclass(frozen=True, slots=True)
class Entrant:
    """One row's runs: all that were made, and which of them count for what.

    `barred` are the sections of tasks that some row could not be asked, and why: they count for
    none.
    """

    variant: Variant
    role: Role
    runs: tuple[RunRecord, ...]
    include_polluted: bool = False
    skipped: str = ""
    barred: Mapping[str, str] = field(default_factory=dict)

    def counting(self, of: Doubt) -> tuple[RunRecord, ...]:
        """Return the runs that count for a part of what is known, clean ones first."""
        return counted(self.runs, of, include_polluted=self.include_polluted)

    @property
    def included(self) -> tuple[RunRecord, ...]:
        """Return the runs whose times count."""
        return self.counting("clock")

    @property
    def used(self) -> tuple[RunRecord, ...]:
        """Return the runs that count for times, and the one that counts for its answers."""
        task_run = self.task_run
        if task_run is None or task_run in self.included:
            return self.included
        return (*self.included, task_run)

    @property
    def quality(self) -> Quality:
        """Return POLLUTED where a polluted run counts, or none counts because all are polluted."""
        told = self.used or tuple(run for run in self.runs if run.outcome == "completed")
        return quality(caution for run in told for caution in run.cautions)

    @property
    def outcome(self) -> RunOutcome:
        """Return `completed` where any run is, else what became of the last."""
        outcomes = [run.outcome for run in self.runs]
        if "completed" in outcomes:
            return "completed"
        return outcomes[-1] if outcomes else "skipped"

    def absent(self, of: Doubt = "clock") -> Missing:
        """Return why a part is not known of this row, for readings that have no run behind them."""
        if not self.runs:
            return Missing("not_run", self.skipped or "it was not run")
        if self.outcome != "completed":
            return Missing(f"run_{self.outcome}", self.runs[-1].reason)
        codes = ", ".join(doubted((c for run in self.runs for c in run.cautions), of))
        return Missing("polluted", f"{_NONE[of]} ({codes})")

    @property
    def tasks(self) -> tuple[Section, ...]:
        """Return the task sections of the one run that counts for them."""
        run = self.task_run
        sections = run.sections if run is not None else ()
        return tuple(s for s in sections if s.kind == "task" and s.name not in self.barred)

    @property
    def task_run(self) -> RunRecord | None:
        """Return the run whose answers count."""
        runs = self.counting("answers")
        return next((r for r in runs if any(s.kind == "task" for s in r.sections)), None)

    @property
    def unanswered(self) -> Missing:
        """Return why no task of this row counts, where none does."""
        run = self.task_run
        if run is not None and not self.tasks:
            names = [s.name for s in run.sections if s.kind == "task"]
            why = dict.fromkeys(self.barred[name] for name in names)
            return Missing("barred", f"no task counts: {'; '.join(why)}")
        asked = tuple(each for each in self.runs if each.spec.tasks)
        own = replace(self, runs=asked) if asked else self
        return NO_TASKS if own.counting("answers") else own.absent("answers")

    @property
    def untimed(self) -> Missing | None:
        """Return why the tasks have no times; None where they have, or where none was run."""
        run = self.task_run
        if run is None or run in self.included:
            return None
        codes = ", ".join(doubted(run.cautions, "clock"))
        return Missing("polluted", f"the run that asked its tasks has no clean clock ({codes})")

    @property
    def marked(self) -> Marked:
        """Return all marks, keyed `SECTION/ITEM`; clusters of two tasks are never one."""
        return Marked(
            {f"{s.name}/{item}": mark for s in self.tasks for item, mark in s.marks.items()},
            clusters_of(self.tasks),
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

    @property
    def timed(self) -> tuple[RunRecord, ...]:
        """Return every run whose times count, those that watch the machine among them."""
        included = [run for entrant in self.entrants for run in entrant.included]
        canary = (self.canary,) if self.canary is not None else ()
        return (*included, *self.sentinels, *canary)


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
            include_polluted,
            _skipped(evidence, role, variant),
        )

    label = sweep.reference.label
    watch = by_role.get(("sentinel", label), ())
    canaries = counted(by_role.get(("canary", label), ()), "clock", include_polluted=True)
    by_bits = sorted(sweep.candidates, key=_most_bits_first)
    everybody = [
        entrant(sweep.reference, "reference"),
        entrant(sweep.reference, "aa"),
        *(entrant(variant, "candidate") for variant in by_bits),
    ]
    asked = [(each.variant.label, held) for each in everybody if (held := each.task_run)]
    # Who could be asked nothing has nothing to be compared: the others keep their tasks.
    left_out = barred([(label, held) for label, held in asked if not refusal(held)] or asked)
    reference, twin, *candidates = (replace(each, barred=left_out) for each in everybody)
    return Roster(
        reference=reference,
        twin=twin,
        candidates=tuple(candidates),
        sentinels=counted(watch, "clock", include_polluted=include_polluted),
        canary=canaries[0] if canaries else None,
        barred=left_out,
    )


def _most_bits_first(variant: Variant) -> tuple[float, str]:
    """Order by size; those of unknown size come last, in the order in which they were asked for."""
    bpw = value_of(variant.file_bpw)
    return (0.0, "") if bpw is None else (-bpw, variant.label)


def counted(
    runs: Sequence[RunRecord], of: Doubt, *, include_polluted: bool
) -> tuple[RunRecord, ...]:
    """Return the runs that count for a part, clean ones first: of one spec the latest completed."""
    latest = {run.spec.id: run for run in runs if run.outcome == "completed"}
    sound = [r for r in latest.values() if include_polluted or not doubted(r.cautions, of)]
    return tuple(sorted(sound, key=lambda run: quality(run.cautions) == "POLLUTED"))


def _skipped(evidence: Evidence, role: Role, variant: Variant) -> str:
    """Return why a variant was not run at all, as far as the plan or the machine told."""
    in_first_block = evidence.skipped.get(f"{role}/{variant.label}/0", "")
    return evidence.skipped.get(variant.label, in_first_block)
