"""Cautions: typed caveats stored beside the numbers. Run quality is derived from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, final

Quality: TypeAlias = Literal["CLEAN", "POLLUTED"]
# What of a run a caution may cast doubt on: all that is timed, the memory seen, what was answered.
Doubt: TypeAlias = Literal["clock", "memory", "answers"]

_CLOCK: Final = frozenset[Doubt]({"clock"})
# Only these make a run unfit for comparison; the others inform. Each of them doubts the clock.
POLLUTING: Final[Mapping[str, frozenset[Doubt]]] = MappingProxyType(
    {
        "MISSING_TOKEN_TIMINGS": _CLOCK,
        # Another seed, sampler or cache than was asked for: another experiment.
        "MISSING_EXPERIMENTAL_CONTROLS": frozenset[Doubt]({"clock", "memory", "answers"}),
        "HIGH_CPU_SATURATION": _CLOCK,
        "HIGH_SYSTEM_LOAD": _CLOCK,
        "HIGH_ORCHESTRATION_OVERHEAD": _CLOCK,
        "THERMAL_THROTTLING": _CLOCK,
        # What lies in swap is in no process's resident memory.
        "SWAPPING": frozenset[Doubt]({"clock", "memory"}),
        "CLIENT_BOTTLENECK": _CLOCK,
        "TIMING_MISMATCH": _CLOCK,
        "CLOCK_JUMP": _CLOCK,
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

    def doubts(self, of: Doubt) -> bool:
        """Whether this alone makes that part of the run unfit for comparison."""
        return of in POLLUTING.get(self.code, ())


def quality(cautions: Iterable[Caution]) -> Quality:
    """Derive the run quality: polluted if any caution's code pollutes."""
    return "POLLUTED" if any(caution.pollutes for caution in cautions) else "CLEAN"


def doubted(cautions: Iterable[Caution], of: Doubt) -> tuple[str, ...]:
    """Return the codes that cast doubt on that part of a run; empty where it stands."""
    return tuple(sorted({caution.code for caution in cautions if caution.doubts(of)}))
