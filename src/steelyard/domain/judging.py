"""What a judge said of answers: who it was, what it was told, and every word of its replies.

A judge's score is kept apart from right and wrong. Not aware of how replies are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.reading import Missing, Reading
from steelyard.domain.stream import Attempt
from steelyard.domain.subject import Subject

# What a judge's replies were asked to keep to: a schema that also limits the length of its reason,
# one that does not, or words alone. Whether an engine does bind them shows in the replies.
Bound: TypeAlias = Literal["schema with lengths", "schema", "words"]

NOT_JUDGED: Final = "not_judged"  # answered, and the judge has not been asked yet
UNSCORABLE: Final = "unscorable"  # the judge was asked and gave no score
ONLY_SCORED: Final = "only_scored"  # scored, and nobody said from which score on it is right
# An answer came, and a whole run may well be of such: it has no right and no wrong ones.
WITHOUT_A_MARK: Final = frozenset({"no_known_answer", ONLY_SCORED})
# Of a mark with one of these, an answer came: the judge alone decides what becomes of it.
OF_JUDGE: Final = (NOT_JUDGED, UNSCORABLE, ONLY_SCORED)


@final
@dataclass(frozen=True, slots=True)
class Judging:
    """One judge's work on a run.

    `judge` is what was served, whose artifact is identity by content where a file was; `build` is
    its engine's. `revision` is that of the instructions around a rubric, `rubrics` the SHA-256 of
    each task's rubric, `pass_marks` the scores from which on an answer is right. `trial` are the
    requests that found out how replies can be bound; `attempts` those that judged, by task, each
    under the sample that it is about. `outcome` and `reason` are those of the judge's own run.
    """

    judge: Subject
    revision: int
    rubrics: Mapping[str, str]
    bound: Bound
    outcome: str
    reason: str = ""
    trial: tuple[Attempt, ...] = ()
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)
    build: Reading[str] = Missing("not_started")
    pass_marks: Mapping[str, float] = field(default_factory=dict)
