"""Cautions: typed caveats stored beside the numbers. Run quality is derived from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

Quality: TypeAlias = Literal["CLEAN", "POLLUTED"]

# Only these make a run unfit for comparison; the others inform.
POLLUTING: Final = frozenset(
    {
        "MISSING_TOKEN_TIMINGS",
        "MISSING_EXPERIMENTAL_CONTROLS",
        "HIGH_CPU_SATURATION",
        "HIGH_SYSTEM_LOAD",
        "HIGH_ORCHESTRATION_OVERHEAD",
        "THERMAL_THROTTLING",
        "SWAPPING",
        "CLIENT_BOTTLENECK",
        "TIMING_MISMATCH",
        "CLOCK_JUMP",
    }
)


@final
@dataclass(frozen=True, slots=True)
class Caution:
    """One caveat: a stable code, what was seen, and what to do about it."""

    code: str
    seen: str
    advice: str

    @property
    def pollutes(self) -> bool:
        """Whether this alone makes the run unfit for comparison."""
        return self.code in POLLUTING


def quality(cautions: Iterable[Caution]) -> Quality:
    """Derive the run quality: polluted if any caution's code pollutes."""
    return "POLLUTED" if any(caution.pollutes for caution in cautions) else "CLEAN"
