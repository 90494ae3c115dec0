"""Items that were not run: for which of the reasons asking again may bring an answer.

A request that failed may be answered another time. What the server does to every such question, an
answer that came whole and is none, and what only mending a file or a judge changes are as they were
however often it is asked. Not aware of how one asks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from steelyard.analysis import barred
from steelyard.analysis.marks import NOT_RUN_MAX
from steelyard.domain.judging import OF_JUDGE, WITHOUT_A_MARK
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.summary import Marks
from steelyard.domain.task import NotRun

# Of these an answer came, and that it has no mark is not for want of one.
_ANSWERED: Final = frozenset({*OF_JUDGE, *WITHOUT_A_MARK})
# Whether a server takes media could not be found out that time: another time it may.
_UNKNOWN: Final = frozenset({"media_untried"})
LASTING: Final = frozenset(
    {
        *(barred.WHY.keys() - _UNKNOWN),
        *("canary_missing", "template_broken", "stale_answer", "other_model", "content_filter"),
        *("scorer_failed", "pattern_too_slow", "schema_of_no_use", "reference_fails"),
        *("no_stored_answer", *_ANSWERED),
    }
)
# Two sides of a pair that lack half of what a verdict allows each may lack all of it together.
_WORTH_ANOTHER: Final = NOT_RUN_MAX / 2


def passing(codes: Iterable[str]) -> tuple[str, ...]:
    """Return those of some reasons that may pass, in order."""
    return tuple(sorted(set(codes) - LASTING))


def missed(record: RunRecord) -> tuple[str, ...]:
    """Return the codes for which a run is worth going on with; empty where it is not.

    It is where so many of its items were not run that a verdict may fail by it, some of them for a
    reason that may pass. A task that counts for nobody says nothing.
    """
    tasks = [each for each in record.sections if each.kind == "task" and not barred.why(each)]
    codes, items = not_run(tasks), sum(len(section.marks) for section in tasks)
    return passing(codes) if codes.total() > _WORTH_ANOTHER * items else ()


def gone_on(before: RunRecord, after: RunRecord) -> RunRecord:
    """Return a run that asked again what was missed, as it was when it asked all the rest.

    Its answers are those of `after`; memory, load and what was seen of the machine are those of
    `before`, and so is what pollutes it: a few more questions say nothing against that.
    """
    codes = {caution.code for caution in after.cautions}
    kept = (each for each in before.cautions if each.pollutes and each.code not in codes)
    return replace(
        after,
        load_s=before.load_s,
        startup=before.startup,
        first_request_s=before.first_request_s,
        vitals=before.vitals,
        server=before.server,
        power=before.power,
        idle=before.idle,
        cautions=(*after.cautions, *kept),
    )


def not_run(sections: Iterable[Section]) -> Counter[str]:
    """Count the items that were not run, by code."""
    outcomes = (mark.outcome for section in sections for mark in section.marks.values())
    return Counter(outcome.why for outcome in outcomes if isinstance(outcome, NotRun))


def unanswered(marks: Marks) -> int:
    """Return how many items no answer counts of, whoever would have marked it."""
    return sum(n for why, n in marks.not_run_why.items() if why not in _ANSWERED)


def too_many(marks: Marks) -> bool:
    """Say whether those are more than 1 % of what was to be asked."""
    whole = marks.right + marks.wrong + marks.invalid + marks.not_run
    return unanswered(marks) > NOT_RUN_MAX * whole
