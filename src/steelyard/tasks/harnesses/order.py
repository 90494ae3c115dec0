"""What a harness is asked to do, in words that every harness understands. Not aware of any one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Order:
    """One run: by which interpreter, of which tasks, against whom, and where results go.

    `url` is the API's root of a proxy, `limit` the most items of each task, `streams` the requests
    at a time. `loglikelihood` says that a task compares log-probabilities of prompts.
    """

    python: Path
    tasks: tuple[str, ...]
    url: str
    model: str
    out: Path
    limit: int
    streams: int
    seed: int
    loglikelihood: bool = False
