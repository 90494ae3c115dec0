"""May the matrix begin? The canary's findings as an event that the campaign's machine takes.

What the repeats of the fixed cell show is read in `analysis.noise`; here it becomes a go or a
stop with the way out. Not aware of how the cell was run.
"""

from __future__ import annotations

from typing import Final

from steelyard.analysis.noise import canary
from steelyard.campaigns.events import CanaryBlocked, CanaryPassed
from steelyard.domain.run import RunRecord

_SEEN: Final = frozenset({"file", "model file", "served model", "identity"})


def judge(
    record: RunRecord, *, seconds: float, deterministic: bool = True, tells: bool = True
) -> CanaryPassed | CanaryBlocked:
    """Judge the canary's record.

    `deterministic`: the engine promises the same text each time. `tells`: it says all of what it
    serves; of one that does not, only what can be seen without its word is held against it.
    """
    run_id = record.spec.id
    if record.outcome != "completed":
        return CanaryBlocked(
            run_id,
            (f"the canary {record.outcome}: {record.reason}",),
            ("read the engine's log and run `steelyard engines check`",),
            seconds,
        )
    found = canary(
        record.sections, record.spec.controls.profile, promises_determinism=deterministic
    )
    wrong = [p for p in record.proofs if not p.passed and (tells or p.name in _SEEN)]
    if found.passed and not wrong:
        return CanaryPassed(run_id, seconds)
    return CanaryBlocked(
        run_id,
        (
            *(f"{proof.name}: {proof.found}" for proof in wrong),
            *(f"{caution.code}: {caution.seen}" for caution in found.blocking),
        ),
        tuple(
            dict.fromkeys(
                (
                    *("check that the right file is served" for _ in wrong[:1]),
                    *(caution.advice for caution in found.blocking),
                )
            )
        ),
        seconds,
    )
