"""What a choice among candidates came to: the cheapest that is good enough, and how little it took.

Not aware of how anything was asked or judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from steelyard.domain.faults import Faults
from steelyard.domain.metric import Band
from steelyard.domain.reading import Missing, Reading
from steelyard.domain.summary import Estimate, Verdict

# How the look at a candidate ended. `decided`: its verdict is reached; `hopeless`: the rest of the
# plan would hardly make it qualify; `all_asked`: the plan ended; `budget`: the time ended;
# `not_needed`: a cheaper one is good enough; `failed`: it could not be asked.
Ending: TypeAlias = Literal[
    "decided", "hopeless", "all_asked", "budget", "not_needed", "not_measured", "failed"
]


@final
@dataclass(frozen=True, slots=True)
class Rated:
    """How much a subject got right of what it was asked here, and its band.

    The answers decided how much was asked: the interval is that of a number settled beforehand.
    """

    right: Estimate
    band: Reading[Band]


@final
@dataclass(frozen=True, slots=True)
class Looked:
    """One candidate as it was left: `items` were asked of it, in the run `run`.

    `more_s` is how much longer an undecided one would take, where that can be told. `visible` is
    the smallest loss that its items, flipping as often as they did, call worse (power 80 %).
    """

    label: str
    name: str
    size_bytes: Reading[int]
    ending: Ending
    verdict: Reading[Verdict]
    items: int
    run: str = ""
    more_s: Reading[float] | None = None
    rated: Rated | None = None
    visible: Reading[float] = Missing("not_looked_at")


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest candidate that qualifies, or None where none was shown to.

    `requests` are the items that were asked of all subjects, `planned` those of the whole matrix
    (the reference and every candidate, `items` each). `anytime` says that the verdicts hold at
    whatever moment one stops; with a fixed plan they hold at its end only. Half of what
    `confidence` lacks to one is the chance that the chosen one loses the margin or more. `complete`
    is false where the budget ended it. `again_items` of the requests are the reference asked once
    more, in the run `again_run`: `floor` is how far it lies from itself. It names verdicts and
    decides none.
    `rated` is the reference's own share; `faults` says by subject what casts doubt on its run.
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
    rated: Rated | None = None
    faults: Mapping[str, Faults] = field(default_factory=dict)
    floor: Reading[float] = Missing("no_aa_row")
    again_run: str = ""
    again_items: int = 0

    @property
    def saved(self) -> float:
        """The share of the whole matrix's requests that was not asked."""
        return 1 - self.requests / max(1, self.planned)
