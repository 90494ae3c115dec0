"""The plan of a sweep: which cells, in which order, what is skipped and why, what it will take.

Plain data that round-trips through JSON. Its identity covers what is run and in which order; the
estimates in it are this machine's and part of no identity. Made by `campaigns.planner`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.campaign import Role
from steelyard.domain.ids import content_id
from steelyard.domain.run import RunSpec
from steelyard.domain.workload import Workload


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One run to be made: the n-th block it belongs to, and what it is expected to take."""

    spec: RunSpec
    role: Role
    label: str
    block: int
    estimate_s: float = 0.0
    requests: int = 0

    @property
    def mandatory(self) -> bool:
        """The reference and its A/A twin answer the tasks whatever the budget says."""
        return self.role in ("reference", "aa") and self.block == 0


@final
@dataclass(frozen=True, slots=True)
class Skip:
    """A variant that is not run, and why: known before the start."""

    label: str
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """A whole sweep in order. `fidelity` names the variants whose probabilities are compared.

    `raw` names those with which the bare engine is timed at the end. `overhead_s` is calibration,
    proof and canary; `disk_bytes` what the campaign's folder grows by. `smallest_visible_loss` is
    the loss that all items show with power 0.8: of the `items` asked, `different_items` are no
    form of another, and `design_effect` of them count as one. `soak` is for what will be chosen.
    """

    sweep_id: str
    cells: tuple[Cell, ...]
    canary: RunSpec | None
    fidelity: tuple[str, ...]
    skipped: tuple[Skip, ...]
    items: int
    smallest_visible_loss: float
    items_for_margin: int
    overhead_s: float = 0.0
    fidelity_s: float = 0.0
    disk_bytes: int = 0
    raw: tuple[str, ...] = ()
    raw_s: float = 0.0
    soak: Workload | None = None
    different_items: int = 0
    design_effect: float = 1.0

    @property
    def id(self) -> str:
        """Content hash of what is run, in order; estimates left out."""
        return content_id(
            {
                "sweep": self.sweep_id,
                "cells": [cell.spec.id for cell in self.cells],
                "canary": self.canary.id if self.canary else None,
                "fidelity": self.fidelity,
                **({"raw": self.raw} if self.raw else {}),
            }
        )

    @property
    def seconds(self) -> float:
        """Return the expected elapsed time of the whole sweep."""
        cells = sum(cell.estimate_s for cell in self.cells)
        screened = self.fidelity_s * len(self.fidelity)
        return self.overhead_s + cells + screened + self.raw_s * len(self.raw) + self.soak_s

    @property
    def soak_s(self) -> float:
        """Return how long what is chosen is to be kept under load."""
        return (self.soak.duration_s or 0.0) if self.soak is not None else 0.0

    @property
    def requests(self) -> int:
        """Return how many requests will be sent, warm-up included."""
        return sum(cell.requests for cell in self.cells)

    @property
    def blocks(self) -> int:
        """Return the number of timing blocks."""
        return 1 + max((cell.block for cell in self.cells), default=-1)
