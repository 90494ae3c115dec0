"""What a choice among candidates came to: the cheapest that is good enough, and how little it took.

Not aware of how anything was asked or judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.reading import Reading
from steelyard.domain.summary import Verdict

# How the look at a candidate ended. `decided`: its verdict is reached; `hopeless`: the rest of the
# plan would hardly make it qualify; `all_asked`: the plan ended; `budget`: the time ended;
# `not_needed`: a cheaper one is good enough; `failed`: it could not be asked.
Ending: TypeAlias = Literal[
    "decided", "hopeless", "all_asked", "budget", "not_needed", "not_measured", "failed"
]


@final
@dataclass(frozen=True, slots=True)
class Looked:
    """One candidate as it was left: `items` were asked of it, in the run `run`.

    `more_s` is how much longer an undecided one would take, where that can be told.
    """

    label: str
    name: str
    size_bytes: Reading[int]
    ending: Ending
    verdict: Reading[Verdict]
    items: int
    run: str = ""
    more_s: Reading[float] | None = None


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest candidate that qualifies, or None where none was shown to.

    `requests` are the items that were asked of all subjects, `planned` those of the whole matrix
    (the reference and every candidate, `items` each). `anytime` says that the verdicts hold at
    whatever moment one stops; with a fixed plan they hold at its end only. Half of what
    `confidence` lacks to one is the chance that the chosen one loses the margin or more. `complete`
    is false where the budget ended it.
    """

    reference: str
    reference_run: str
    chosen: str | None
    margin: float
    confidence: float
    items: int
    reference_items: int
    requests: int
    planned: int
    anytime: bool
    complete: bool
    simulated: bool
    tasks: tuple[str, ...]
    candidates: tuple[Looked, ...]
    seconds: float = 0.0

    @property
    def saved(self) -> float:
        """The share of the whole matrix's requests that was not asked."""
        return 1 - self.requests / max(1, self.planned)
