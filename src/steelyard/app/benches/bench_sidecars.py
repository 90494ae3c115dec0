"""`bench --sidecar`: the bare engine timed with the files that a bench has served, afterwards.

Nothing of ours runs beside it: the servers have ended and their records are written. Not aware of
how the bench was measured; how the two are put side by side: `analysis.rawspeed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from steelyard.domain.progress import Emit
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.serverside import Sidecar
from steelyard.runs import sidecar
from steelyard.runs.identity import Verifier

if TYPE_CHECKING:
    from steelyard.app.benches.benching import Target

INTERRUPTED: Final = "interrupted"
_REPEATS: Final = 5


def require(targets: Sequence[Target]) -> None:
    """Raise `BadInput` where no subject is a file of which the bare engine can be timed."""
    files = [target.spec.subject for target in targets if target.variant is not None]
    able = [subject for subject in files if subject.engine == sidecar.ENGINE]
    for subject in able or files[:1]:
        sidecar.require(subject.engine, subject.runtime)


def taken(
    targets: Sequence[Target], records: Sequence[RunRecord], verifier: Verifier, emit: Emit
) -> tuple[Reading[Sidecar], ...]:
    """Time each file once, keep `sidecar.json` beside its record, and return one for each side.

    An interrupt ends this and not the bench, whose loads have all been measured.
    """
    found: dict[str, Reading[Sidecar]] = {}
    out: list[Reading[Sidecar]] = []
    for target, record in zip(targets, records, strict=True):
        key = f"{target.spec.subject.id} {target.spec.workloads}"
        if key not in found:
            try:
                found[key] = _timed(target, record, verifier, out, emit)
            except KeyboardInterrupt:
                found[key] = Missing(INTERRUPTED, "the bare engine's timing was interrupted")
        out.append(one := found[key])
        if isinstance(one, Measured):
            sidecar.write(target.place.folder, [one.value])
    return tuple(out)


def _timed(
    target: Target,
    record: RunRecord,
    verifier: Verifier,
    before: Sequence[Reading[Sidecar]],
    emit: Emit,
) -> Reading[Sidecar]:
    subject = target.spec.subject
    if target.variant is None:
        return Missing("not_applicable", "somebody else runs this server: its file is not here")
    if subject.engine != sidecar.ENGINE:
        return Missing("not_applicable", f"raw speed is llama.cpp's, and this is {subject.engine}")
    if record.outcome == "failed":
        return Missing("run_failed", "nothing was served that it could stand beside")
    stopped = any(isinstance(each, Missing) and each.code == INTERRUPTED for each in before)
    if record.outcome == "cancelled" or stopped:
        return Missing(INTERRUPTED, "the bench was interrupted before its turn")
    wanted = sidecar.plan(target.spec.workloads, target.spec.controls, subject, _REPEATS)
    by = sidecar.runtime_program(subject.runtime)
    path = target.place.path_of(subject.artifact)
    return Measured(
        sidecar.taken(path, target.variant, wanted, by, verifier.verify, emit), "engine"
    )
