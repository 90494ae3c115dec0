"""What repeats of the same items with the same seeds have in common. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate


@final
@dataclass(frozen=True, slots=True)
class Parting:
    """An item whose texts are not all the same, and where the first difference comes.

    `at` counts characters from 0 and `share` is that of the longest text. `repeats` are the two
    that part there, counted from 1; `texts` is what either says around it, `marks` how each repeat
    was marked.
    """

    task: str
    item: str
    at: int
    share: float
    repeats: tuple[int, int]
    texts: tuple[str, str]
    marks: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Sameness:
    """The items of one task, or of all: shares with the same text and mark in every repeat.

    Items that were not run in any one repeat are `left_out`. `parts_at` is the median share of the
    text at which the first difference comes, `earliest` the smallest one.
    """

    task: str
    left_out: int
    texts: Estimate
    marks: Estimate
    parts_at: Reading[float]
    earliest: Reading[float]


@final
@dataclass(frozen=True, slots=True)
class Determinism:
    """Repeats of the same items with the same seeds, over all tasks and task by task.

    `anew` says that the engine was started for each repeat; otherwise a server that ran already
    was asked again. `partings` holds every item whose texts differ.
    """

    runs: tuple[str, ...]
    model: str
    engine: str
    simulated: bool
    anew: bool
    seed: int
    temperature: float
    streams: int
    tasks: tuple[Sameness, ...]
    overall: Sameness
    partings: tuple[Parting, ...]
