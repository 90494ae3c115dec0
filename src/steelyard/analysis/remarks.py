"""What a reader has to know about all numbers of a sweep at once, in words.

What was too easy, what is polluted and what a resume would mend, drift, and runs of more than one
machine. Not aware of single variants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Final

from steelyard.analysis import ceilings
from steelyard.analysis.bands import OVERALL
from steelyard.analysis.drift import Drift
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.roster import Roster
from steelyard.domain.campaign import Sweep
from steelyard.domain.caution import doubted, quality
from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured
from steelyard.domain.run import RunRecord
from steelyard.domain.summary import VariantRow

_LEVELS: Final = (1, 2, 3)  # of a sweep's families, by --level
_BY_LENGTH: Final = "long_context"  # its levels are lengths, and --level sets none of them


def remarks(
    evidence: Evidence,
    seats: Roster,
    rows: Sequence[VariantRow],
    found_drift: Drift,
    *,
    include_polluted: bool,
) -> tuple[str, ...]:
    """Say what a reader has to know about all numbers at once."""
    said = list(_too_easy(rows[0], evidence.sweep))
    said += _polluted(seats, evidence.sweep, include_polluted=include_polluted)
    if found_drift.corrects and isinstance(found_drift.share, Measured):
        said.append(
            f"DRIFT: the machine's own speed moved by {found_drift.share.value:.0%} over the "
            "sweep; speeds and times are brought to its median by the sentinel."
        )
    environments = {run.environment.id for run in _counting(seats)}
    devices = {run.device.id for run in evidence.runs}
    if len(devices) > 1 or len(environments) > 1:
        said.append(
            f"MIXED: runs come from {counted(len(devices), 'device')} and "
            f"{counted(len(environments), 'environment')} "
            f"that differ in {', '.join(_differing(evidence, seats))}; "
            "differences between variants may be differences between those."
        )
    return tuple(said)


def _too_easy(reference: VariantRow, sweep: Sweep) -> tuple[str, ...]:
    """Say what is too easy or too hard for the reference to lose anything in it."""
    near = {
        task.family: ceilings.levels(task.level, _LEVELS)
        for task in sweep.tasks
        if task.family != _BY_LENGTH
    }
    families = [
        ceilings.Asked(family, marks.right_share, *near.get(family, (None, None)))
        for family, marks in reference.family_marks.items()
    ]
    usual = next(iter(near.values()), (None, None))
    whole = ceilings.Asked(OVERALL, reference.marks.right_share, *usual)
    return ceilings.remarks(reference.variant.label, whole, families)


def _polluted(seats: Roster, sweep: Sweep, *, include_polluted: bool) -> Iterator[str]:
    """Say what of polluted runs counts, and what can be done about the rest."""
    runs = {r.id: r for e in seats.entrants for r in e.runs if r.outcome == "completed"}
    dirty = [run for run in runs.values() if quality(run.cautions) == "POLLUTED"]
    if not dirty:
        return
    if include_polluted:
        yield f"POLLUTED: {_runs(dirty)} INCLUDED, as asked."
        return
    foreign = [run for run in dirty if doubted(run.cautions, "answers")]
    untimed = [run for run in dirty if not doubted(run.cautions, "answers")]
    parts = [_untimed(untimed, seats)] if untimed else []
    if foreign:
        its = "its" if len(foreign) == 1 else "their"
        parts.append(f"{_runs(foreign)} left out whole, {its} answers too ({_codes(foreign)})")
    clean = {_work(r, sweep) for r in runs.values() if quality(r.cautions) == "CLEAN"}
    owed = sum(_work(run, sweep) not in clean for run in dirty)
    yield (
        f"POLLUTED: {'; '.join(parts)}. {_mended(owed, len(dirty))}; "
        f"--include-polluted takes {'it as it is' if len(dirty) == 1 else 'them as they are'}."
    )


def _untimed(runs: Sequence[RunRecord], seats: Roster) -> str:
    """Say what runs lose of which only clock or memory is in doubt, and whether they answer."""
    swapped = [run for run in runs if doubted(run.cautions, "memory")]
    lost = f"{_runs(runs)} left out of all that is timed ({_codes(runs)})"
    lost += f", {_of_them(len(swapped), len(runs))}of memory as well" if swapped else ""
    ids = {run.id for run in runs}
    answering = sum(e.task_run is not None and e.task_run.id in ids for e in seats.entrants)
    one = len(runs) == 1
    if not answering:
        none = "it is not" if one else "none of them is"
        return f"{lost}; {none} needed for its answers"
    answers = "its answers" if one else f"the answers of {answering} of them"
    return (
        f"{lost}; {answers} count: no clock marks them, and what was too "
        "slow is not run and counts against"
    )


def _of_them(some: int, all_of_them: int) -> str:
    return "" if some == all_of_them else f"{some} of them "


def _mended(owed: int, dirty: int) -> str:
    """Say how many of the polluted runs a resume measures again: those without a clean repeat."""
    if owed == 0:
        each = "It" if dirty == 1 else "Each"
        return f"{each} has a clean repeat, so that --resume measures none again"
    every = "it" if dirty == 1 else "them"
    which = every if owed == dirty else f"{owed} of them"
    clean = "the other has" if dirty - owed == 1 else "the others have"
    rest = "" if owed == dirty else f"; {clean} a clean repeat"
    return f"--resume measures {which} again, on a machine that is quiet{rest}"


def _runs(runs: Sequence[RunRecord]) -> str:
    return f"{counted(len(runs), 'run')} {'is' if len(runs) == 1 else 'are'}"


def _codes(runs: Iterable[RunRecord]) -> str:
    return ", ".join(doubted((c for run in runs for c in run.cautions), "clock"))


def _work(run: RunRecord, sweep: Sweep) -> str:
    """Return one id for a cell and its repeats, which are numbered a whole round of blocks on."""
    return replace(run.spec, repeat=run.spec.repeat % max(1, sweep.repeats)).id


def _differing(evidence: Evidence, seats: Roster) -> list[str]:
    """Name the facts of device and environment that are not the same in all runs."""
    groups = (
        [run.device for run in evidence.runs],
        [run.environment for run in _counting(seats)],
    )
    return [
        field.name.replace("_", " ")
        for group in groups
        for field in fields(group[0])
        if len({repr(getattr(one, field.name)) for one in group}) > 1
    ]


def _counting(seats: Roster) -> tuple[RunRecord, ...]:
    """Return every run that a number rests on."""
    used = {run.id: run for entrant in seats.entrants for run in entrant.used}
    return tuple(({run.id: run for run in seats.timed} | used).values())
