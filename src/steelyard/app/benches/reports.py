"""From the records of a bench to its summary and reports: always computed, never patched.

Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import benchmark
from steelyard.analysis.metrics.registry import METRICS
from steelyard.app.benches.bench_sidecars import INTERRUPTED
from steelyard.domain.bench import BenchSummary, Knee, Level, Measurement
from steelyard.domain.probe import Probed
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.serverside import Sidecar
from steelyard.domain.slo import Slo
from steelyard.platform import atomic
from steelyard.reports import (
    bench_csv,
    bench_html,
    bench_json,
    bench_markdown,
    bench_terminal,
    probed,
    terminal,
)
from steelyard.stats.knee import Found

SUMMARY: Final = "bench_summary.json"
REPORT: Final = "report.html"
# Without a limit of the user's own, a load of which more than this failed has shown nothing.
_FAILED_MOST: Final = 0.1
# How the reason of a run begins that asked for what cannot be (`runs.execute`).
_ASKED_WRONGLY: Final = ("bad_input:", "wrong_model:")
_INTERRUPTED: Final = 130
_CLIENT: Final = "CLIENT_BOTTLENECK"


@final
@dataclass(frozen=True, slots=True)
class Done:
    """What was measured: one record, or two that took turns; and the knee, if one was sought.

    `raws` are the sidecars beside the records, where they were asked for.
    """

    records: tuple[RunRecord, ...]
    knee: Found | None = None
    raws: tuple[Reading[Sidecar], ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Benched:
    """A bench that has ended: its summary, where its files lie, and the exit code."""

    summary: BenchSummary
    folder: Path
    exit_code: int
    ends: tuple[str, ...] = ()
    interrupted: str = ""
    probed: tuple[Probed, ...] = ()

    @property
    def json(self) -> str:
        """Return the summary as the file has it."""
        return bench_json.write(self.summary)

    def text(self, width: int, *, conventions: bool = False) -> str:
        """Return the last screen."""
        screen = bench_terminal.screen(self.summary, width, conventions=conventions)
        where = f"Report: {self.folder / REPORT}    All files: {self.folder}/"
        tried = [f"Tried out:\n{probed.table(each)}" for each in self.probed]
        return "\n".join([terminal.plain(screen), *tried, *self.ends, where])


def write(folder: Path, done: Done, slo: Slo | None, *, strict: bool) -> Benched:
    """Compute the summary and write every report."""
    knees: list[Reading[Knee]] = []
    if done.knee is not None:
        knees = [benchmark.knee_of(done.knee, slo=slo)]
    summary = benchmark.summary(done.records, slo=slo, knees=knees, raws=done.raws)
    texts = {
        SUMMARY: bench_json.write(summary),
        "summary.csv": bench_csv.write(summary),
        "summary.md": bench_markdown.write(summary, conventions=True),
        REPORT: bench_html.render(
            summary, metrics=METRICS, configuration=[record.spec for record in done.records]
        ),
    }
    for name, text in texts.items():
        atomic.write(folder / name, text.encode())
    if any(record.outcome == "cancelled" for record in done.records):
        return Benched(summary, folder, _INTERRUPTED, interrupted=_interrupted(done, folder))
    if any(isinstance(raw, Missing) and raw.code == INTERRUPTED for raw in done.raws):
        kept = f"All loads had ended; they are in {folder / REPORT} and in the store."
        said = f"Interrupted while the bare engine was timed. {kept}"
        return Benched(summary, folder, _INTERRUPTED, interrupted=said)
    code, ends = _ended(summary, slo, strict=strict)
    tried = tuple(r.probe.value for r in done.records if isinstance(r.probe, Measured))
    return Benched(summary, folder, code, ends, probed=tried)


def _interrupted(done: Done, folder: Path) -> str:
    loads = sum(len(record.sections) for record in done.records)
    kept = f"The loads that had finished ({loads}) are in {folder / REPORT} and in the store"
    return f"Interrupted. {kept}; the one under way is lost."


def _ended(summary: BenchSummary, slo: Slo | None, *, strict: bool) -> tuple[int, tuple[str, ...]]:
    """Return the exit code and what led to it.

    3 could not measure, 2 what was asked for could not be, 1 objectives not met.
    """
    broken = [m for m in summary.measurements if m.outcome != "completed" or _nothing(m)]
    if broken:
        asked_wrongly = all(m.reason.startswith(_ASKED_WRONGLY) for m in broken)
        said = tuple(f"{m.subject}: {m.reason or _silence(m)}" for m in broken)
        return (2 if asked_wrongly else 3), said
    limited = [m for m in summary.measurements if any(c.code == _CLIENT for c in m.cautions)]
    if strict and limited:
        return 3, tuple(
            f"{m.subject}: the client is what limits: {c.seen}"
            for m in limited
            for c in m.cautions
            if c.code == _CLIENT
        )
    ends = tuple(line for m in summary.measurements for line in _unmet(m, slo))
    return (1 if ends else 0), ends


def _nothing(measurement: Measurement) -> bool:
    return not any(level.counts.completed for level in measurement.levels)


def _silence(measurement: Measurement) -> str:
    reasons = [level.reason for level in measurement.levels if level.reason]
    return "; ".join(["no request was answered", *reasons[:1]])


def _unmet(measurement: Measurement, slo: Slo | None) -> list[str]:
    """Say which objectives were failed, and which load ended early or lost too many requests."""
    found = []
    limited = slo is not None and any(limit.metric == "errors" for limit in slo.limits)
    for level in measurement.levels:
        if level.reason:
            found.append(f"{level.load}: {level.reason}")
        if not limited and (why := _lost(level)):
            found.append(f"{level.load}: {why}")
        gates = level.goodput.value.gates if isinstance(level.goodput, Measured) else ()
        found += [
            f"{level.load}: {gate.name} failed: {gate.found}"
            for gate in gates
            if gate.state == "failed"
        ]
    return found


def _lost(level: Level) -> str:
    """Say how many failed, where they are too many; what an early end kept from being sent did.

    What an end of the user's own leaves unsent was not asked for.
    """
    counts = level.counts
    unsent = counts.dropped if level.reason else 0
    lost, asked = counts.failed + unsent, counts.sent + unsent
    if lost <= _FAILED_MOST * max(1, asked):
        return ""
    failures = dict(counts.failures) | ({"never sent": unsent} if unsent else {})
    why = ", ".join(f"{code} {n}" for code, n in sorted(failures.items()))
    return f"{lost} of {asked} requests failed ({why})"
