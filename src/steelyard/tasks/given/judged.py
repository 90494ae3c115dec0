"""A scorer that leaves the mark to a judge: what can be told without one is told at once.

An answer that fails the check that goes first, was cut off or is empty needs no judge. Any other
waits: nobody is asked here. Not aware of who judges.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import final

from steelyard.domain.judging import NOT_JUDGED
from steelyard.domain.task import Answer, Invalid, Mark, NotRun, Right
from steelyard.tasks.items import Scorer
from steelyard.tasks.scoring import is_cut, without_thought


@final
@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """By a rubric; `accepted` are the answers that are known, which may be none.

    From the score `pass_mark` on an answer is right; without one nothing is right or wrong. Only
    what `first` marks as right comes before the judge.
    """

    rubric: str
    accepted: tuple[str, ...] = ()
    pass_mark: float | None = None
    first: Scorer | None = None

    @property
    def rubric_sha256(self) -> str:
        """Return the hash of the rubric's text."""
        return hashlib.sha256(self.rubric.encode()).hexdigest()

    def mark(self, answer: Answer) -> Mark:
        """Return the mark that needs no judge, or that the answer waits for one."""
        checked = Mark(Right()) if self.first is None else self.first.mark(answer)
        if not isinstance(checked.outcome, Right):
            return checked
        if is_cut(answer):
            return replace(checked, outcome=Invalid("truncated"))
        if not without_thought(answer):
            return replace(checked, outcome=Invalid("unparsable"))
        return replace(checked, outcome=NotRun(NOT_JUDGED))
