"""The machine of a choice: which subject to ask which items next, and when enough is known.

Candidates come cheapest first, and each is looked at until it is sure, so that the dear ones are
asked nothing where a cheap one is good enough. The reference is asked ahead in growing steps: it
is started seldom, and asked little more than what was needed. A candidate's look ends when it
qualifies, when it is shown to be worse, when the rest of the plan would hardly make it qualify, or
with the plan. The more candidates are shown to qualify, the less is asked of the others (Holm): so
where a cheap one missed by no more than that, the dearer ones are looked at too, until it qualifies
or cannot. With a fixed plan all are asked everything and judged once, at the end.

Pure: events in, instructions out, the same marks give the same choice. Not aware of engines,
items' contents or time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis import anytime
from steelyard.analysis.anytime import Known, Tally
from steelyard.analysis.verdict import QUALIFYING, Marked
from steelyard.analysis.verdict import judge as judge_all
from steelyard.domain.campaign import Gates
from steelyard.domain.choice import Ending
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Verdict
from steelyard.domain.task import Mark, NotRun, Outcome, Right, Wrong

REFERENCE: Final = ""  # no candidate has an empty label
LOOK: Final = 20  # items that are asked between two looks, at the clock and at the evidence
_FIRST: Final = 100
_AHEAD: Final = 1.5
_HOPELESS: Final = 0.01
_NEAR: Final = 60
_NOT_BEGUN: Final = Missing("not_looked_at", "no item was asked of it")


@final
@dataclass(frozen=True, slots=True)
class Rules:
    """How many items each subject may be asked, what qualifies, and what is to be known.

    `every` asks for a verdict of every candidate; else the first that qualifies ends it.
    """

    items: int
    gates: Gates
    every: bool = False
    fixed: bool = False


@final
@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a subject the items from `start` up to `stop`, and bring back what it knew."""

    label: str
    start: int
    stop: int


@final
class Choosing:
    """One choice under way; `take` is its only way to learn, `next` what to do now."""

    def __init__(self, labels: Sequence[str], rules: Rules) -> None:
        self.rules = rules
        self._known: dict[str, list[Known]] = {REFERENCE: [], **{label: [] for label in labels}}
        self._tallies = {label: Tally(rules.items) for label in labels}
        self._ended: dict[str, Ending] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._failures: dict[str, str] = {}
        self._goal = 0  # how far the reference is to be asked before a candidate's next turn

    def next(self) -> Ask | None:
        """Return what to ask now, or None when enough is known."""
        label = self.open
        if label is None:
            return None
        ahead, have = self.asked(REFERENCE), self.asked(label)
        if have == ahead >= self._goal:
            self._goal = self._target(ahead)
        if ahead < self._goal:
            return Ask(REFERENCE, ahead, min(self._goal, ahead + LOOK))
        return Ask(label, have, min(ahead, have + LOOK))

    def take(self, label: str, marks: Sequence[Known]) -> None:
        """Take what the next items of a subject came to, in their order."""
        have = self.asked(label)
        self._known[label] += marks
        if label == REFERENCE:
            return
        tally = self._tallies[label]
        reference = self._known[REFERENCE][have : have + len(marks)]
        for ours, theirs in zip(reference, marks, strict=True):
            tally.add(ours, theirs)
        if not self.rules.fixed:
            self._settle(label)
        elif self.asked(label) == self.rules.items:
            self._ended[label] = "all_asked"
            self._judge_fixed()

    def close(self) -> None:
        """End it here: the time is over."""
        for label in self._tallies:
            if label not in self._ended:
                self._ended[label] = "budget"

    def drop(self, label: str, why: str) -> None:
        """Leave a candidate out that cannot be asked; the others go on."""
        self._ended[label] = "failed"
        self._failures[label] = why
        if self.rules.fixed:
            self._judge_fixed()

    @property
    def open(self) -> str | None:
        """Return the candidate to look at now, the cheapest that is open."""
        waiting = [label for label in self._tallies if label not in self._ended]
        if not (self.rules.every or self.rules.fixed):
            chosen = self.chosen
            if chosen is not None and self._cheapest(granted=waiting) == chosen:
                return None
        return next(iter(waiting), None)

    @property
    def chosen(self) -> str | None:
        """Return the cheapest candidate that qualifies."""
        return self._cheapest()

    def asked(self, label: str) -> int:
        """Return how many items a subject was asked."""
        return len(self._known[label])

    def ending(self, label: str) -> Ending:
        """Return how the look at a candidate ended."""
        return self._ended.get(label, "not_needed")

    def verdict(self, label: str) -> Reading[Verdict]:
        """Return a candidate's verdict as it stands."""
        if label in self._failures:
            return Missing("failed", self._failures[label])
        if label in self._verdicts:
            return Measured(self._verdicts[label], "derived")
        if not self._tallies[label].items:
            return _NOT_BEGUN
        if self.rules.fixed:
            return Missing("not_complete", "a fixed plan is judged at its end only")
        return Measured(anytime.judge(self._tallies, self.rules.gates, label), "derived")

    def _cheapest(self, granted: Collection[str] = ()) -> str | None:
        """Return the cheapest that qualifies, or would if the granted ones were shown to."""
        if self.rules.fixed:
            found = self._verdicts.items()
            good = frozenset(label for label, verdict in found if verdict.name in QUALIFYING)
        else:
            good = anytime.qualifying(self._tallies, self.rules.gates, granted)
        left = good - self._failures.keys()
        return next((label for label in self._tallies if label in left), None)

    def _target(self, ahead: int) -> int:
        if self.rules.fixed:
            return self.rules.items
        return min(self.rules.items, max(_FIRST, round(ahead * _AHEAD)))

    def _settle(self, label: str) -> None:
        rules, tally = self.rules, self._tallies[label]
        if tally.items >= rules.items:
            self._end(label, "all_asked")
        elif anytime.is_decided(self._tallies, rules.gates, label):
            self._end(label, "decided")
        elif anytime.chance(tally, rules.items, rules.gates) < _HOPELESS:
            self._give_up(label)

    def _give_up(self, label: str) -> None:
        """End a hopeless look, unless a few items more would say outright that it is worse."""
        needed = anytime.judge(self._tallies, self.rules.gates, label).to_decide_items
        more = needed.value - self.asked(label) if isinstance(needed, Measured) else _NEAR + 1
        if not 0 < more <= _NEAR:
            self._end(label, "hopeless")

    def _end(self, label: str, ending: Ending) -> None:
        self._ended[label] = ending if self._tallies[label].is_measured else "not_measured"

    def _judge_fixed(self) -> None:
        """Judge all at once when the last is through: they share one error."""
        whole = [one for one in self._tallies if one not in self._failures]
        if any(self.asked(one) < self.rules.items for one in whole):
            return
        sides = {one: _marked(self._known[one]) for one in whole}
        floor = Missing("no_floor", "no A/A row was run")
        found = judge_all(_marked(self._known[REFERENCE]), sides, self.rules.gates, floor)
        self._verdicts = {
            one: verdict.value for one, verdict in found.items() if isinstance(verdict, Measured)
        }


def _marked(known: Sequence[Known]) -> Marked:
    outcomes: dict[Known, Outcome] = {True: Right(), False: Wrong(), None: NotRun("not run")}
    return Marked({f"{at:06d}": Mark(outcomes[one]) for at, one in enumerate(known)})
