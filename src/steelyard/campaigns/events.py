"""What can happen to a campaign: the events that its journal holds, one line each.

Each is a fact that the shell found, never a wish. `seconds` is elapsed time on the monotonic
clock that the step took: the machine adds them up, so a budget survives a crash. Not aware of
files: `store.journal` keeps the lines, `event_of` reads one back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.caution import Quality
from steelyard.domain.codec import from_plain
from steelyard.domain.run import RunOutcome
from steelyard.domain.serverside import FieldState


@final
@dataclass(frozen=True, slots=True)
class Started:
    """The campaign began: which plan, and how many seconds it may take (None: no limit)."""

    campaign_id: str
    plan_id: str
    budget_s: float | None = None
    kind: Literal["started"] = "started"


@final
@dataclass(frozen=True, slots=True)
class Resumed:
    """A new process took over: what was under way when the old one ended is under way no more.

    `budget_s` replaces the campaign's whole budget; None keeps it, with what was spent of it.
    `again` measures once more what is polluted still. Items that were missed are asked either way.
    """

    budget_s: float | None = None
    again: bool = False
    kind: Literal["resumed"] = "resumed"


@final
@dataclass(frozen=True, slots=True)
class Calibrated:
    """The instrument's own error was measured on this machine, or why it could not be."""

    seconds: float
    failure: str | None = None
    kind: Literal["calibrated"] = "calibrated"


@final
@dataclass(frozen=True, slots=True)
class EngineProven:
    """The engine computes what it should (`passed`), or it does not and `found` says what."""

    passed: bool
    found: str
    seconds: float
    kind: Literal["engine_proven"] = "engine_proven"


@final
@dataclass(frozen=True, slots=True)
class CanaryPassed:
    """The fixed cell ran as often as asked and nothing speaks against the matrix."""

    run_id: str
    seconds: float
    kind: Literal["canary_passed"] = "canary_passed"


@final
@dataclass(frozen=True, slots=True)
class CanaryBlocked:
    """The fixed cell shows that numbers taken now are worth nothing; `advice` is the way out."""

    run_id: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    seconds: float
    kind: Literal["canary_blocked"] = "canary_blocked"


@final
@dataclass(frozen=True, slots=True)
class CellStarted:
    """A cell's server is about to start: if nothing follows, it was under way when we ended."""

    run_id: str
    kind: Literal["cell_started"] = "cell_started"


@final
@dataclass(frozen=True, slots=True)
class CellFinished:
    """A cell ran to its end; a polluted one is kept, and left out of comparisons.

    `missed` are the codes of items that were not run, where a resume is to ask them again.
    """

    run_id: str
    outcome: RunOutcome
    quality: Quality
    seconds: float
    reasons: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    kind: Literal["cell_finished"] = "cell_finished"


@final
@dataclass(frozen=True, slots=True)
class CellFailed:
    """A cell broke off; `engine_died` tells a crash of the server from everything else."""

    run_id: str
    why: str
    seconds: float
    engine_died: bool = False
    kind: Literal["cell_failed"] = "cell_failed"


@final
@dataclass(frozen=True, slots=True)
class FidelityMeasured:
    """A variant's token probabilities were compared with the reference's."""

    label: str
    seconds: float
    kind: Literal["fidelity_measured"] = "fidelity_measured"


@final
@dataclass(frozen=True, slots=True)
class FidelityFailed:
    """The comparison could not be made; the sweep goes on, since fidelity never decides."""

    label: str
    why: str
    seconds: float
    kind: Literal["fidelity_failed"] = "fidelity_failed"


@final
@dataclass(frozen=True, slots=True)
class RawTimed:
    """The bare engine was timed with a variant; whatever came of it, the sweep goes on.

    `state` is the sidecar's.
    """

    label: str
    state: FieldState
    seconds: float
    kind: Literal["raw_timed"] = "raw_timed"


@final
@dataclass(frozen=True, slots=True)
class Soaked:
    """What was chosen was kept under load; whatever came of it, the sweep is at its end."""

    run_id: str
    outcome: RunOutcome
    seconds: float
    kind: Literal["soaked"] = "soaked"


@final
@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """The shell's clock says that the time is up, whatever the estimates say."""

    kind: Literal["budget_spent"] = "budget_spent"


@final
@dataclass(frozen=True, slots=True)
class Interrupted:
    """The user stopped it; what had finished is kept."""

    kind: Literal["interrupted"] = "interrupted"


@final
@dataclass(frozen=True, slots=True)
class Summarised:
    """The summary is written: did any variant qualify, was anything measured at all.

    `chosen` is the label of what was recommended, the best value where there are two.
    """

    qualified: bool
    measured: bool
    chosen: str = ""
    kind: Literal["summarised"] = "summarised"


Event: TypeAlias = (
    Started
    | Resumed
    | Calibrated
    | EngineProven
    | CanaryPassed
    | CanaryBlocked
    | CellStarted
    | CellFinished
    | CellFailed
    | FidelityMeasured
    | FidelityFailed
    | RawTimed
    | Soaked
    | BudgetSpent
    | Interrupted
    | Summarised
)


@final
@dataclass(frozen=True, slots=True)
class _Line:
    event: Event


def event_of(raw: object, *, source: str) -> Event:
    """Read an event from its plain JSON; raise `BadInput` naming `source` for an unknown one."""
    return from_plain(_Line, {"event": raw}, source=source).event
