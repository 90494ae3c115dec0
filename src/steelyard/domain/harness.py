"""What a harness of somebody else's says of a model: its own scores, labelled as its own.

They never enter a mark, a right% or a verdict of ours. Not aware of how a harness is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.reading import Reading


@final
@dataclass(frozen=True, slots=True)
class HarnessScore:
    """One number of one task, by the harness' own scorer: its metric, over `items`, in its unit.

    `variant` is what the harness tells metrics of one name apart by (lm-eval's filter).
    """

    task: str
    metric: str
    value: Reading[float]
    stderr: Reading[float]
    items: Reading[int]
    variant: str = ""


@final
@dataclass(frozen=True, slots=True)
class HarnessRun:
    """One run of a harness: which, of which versions, what it was asked, what it scored."""

    harness: str
    versions: str
    tasks: tuple[str, ...]
    limit: int
    scores: tuple[HarnessScore, ...] = ()
