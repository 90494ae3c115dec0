"""What an evaluation found, and what one found beside another.

Shares are fractions. Not aware of how marks were counted or judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from steelyard.domain.metric import Band
from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate, Marks, Verdict


@final
@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task of a run: the four counts, the format kept, and how rightly an answer was read.

    `disagreement` is the share of the answers found by both extractions, the strict and the
    flexible one, that they read differently; `output_tokens` and `answer_s` are means
    for each item that was run.
    """

    task: str
    marks: Marks
    adherence: Estimate
    disagreement: Reading[float]
    output_tokens: Reading[float]
    answer_s: Reading[float]
    band: Reading[Band]


@final
@dataclass(frozen=True, slots=True)
class Evaluation:
    """All tasks of one run, and the pooled result over every item."""

    run: str
    model: str
    engine: str
    outcome: str
    reason: str
    simulated: bool
    tasks: tuple[TaskScore, ...]
    overall: TaskScore


@final
@dataclass(frozen=True, slots=True)
class Pairing:
    """The second run against the first on the items of one task, or of all.

    `p` is McNemar's, exact and two-sided; `p_adjusted` is Holm's over the tasks compared. `odds`
    is flips won over flips lost. `visible` is the smallest loss that so many items, flipping as
    often as these did, show with a power of 80 %.
    """

    task: str
    first_share: Estimate
    second_share: Estimate
    verdict: Reading[Verdict]
    p: Reading[float]
    p_adjusted: Reading[float]
    odds: Reading[float]
    visible: Reading[float]
    left_out: int


@final
@dataclass(frozen=True, slots=True)
class Contrast:
    """Two evaluations side by side; `differs` names everything that is not the same in them."""

    first: str
    second: str
    first_name: str
    second_name: str
    differs: tuple[str, ...]
    simulated: bool
    margin: float
    tasks: tuple[Pairing, ...]
    overall: Pairing
    unpaired: Mapping[str, str]
