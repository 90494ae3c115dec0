"""From a sweep's folder to its summary and reports: always computed, never patched.

The evidence is what lies in the folder; the same evidence gives the same files. Not aware of
terminals: text comes back as text.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import recommend
from steelyard.analysis.evidence import Evidence
from steelyard.analysis.metrics.registry import METRICS
from steelyard.analysis.summary import summarise
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.campaigns.events import (
    Calibrated,
    CanaryBlocked,
    CanaryPassed,
    CellFailed,
    CellFinished,
    EngineProven,
    Event,
    FidelityFailed,
    FidelityMeasured,
    RawTimed,
    Soaked,
)
from steelyard.campaigns.instructions import Stop
from steelyard.domain.campaign import Sweep, role_of
from steelyard.domain.instrument import Instrument
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Proof, RunRecord
from steelyard.domain.serverside import Sidecar
from steelyard.domain.summary import Fidelity, SweepSummary
from steelyard.models import find
from steelyard.platform import settings
from steelyard.reports import csv, html, markdown, terminal
from steelyard.reports import json as summary_json
from steelyard.runs import sidecar

SUMMARY: Final = "sweep_summary.json"
REPORT: Final = "report.html"
# What was spent before the journal begins.
LADDER_TIME: Final = "ladder_s.json"
_OWN_MODELS: Final = 3
_OTHER_BYTES: Final = Missing("other_bytes", "the sidecar in this folder is of another file")
_WEIGHED: Final = frozenset({"reference", "aa", "candidate"})


@final
@dataclass(frozen=True, slots=True)
class Written:
    """What the reports say in brief: was anything measured, does any qualify, what was chosen."""

    measured: bool
    qualified: bool
    chosen: str = ""


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sweep ended: the summary where there is one, what to say, the exit code."""

    folder: Path
    stop: Stop
    summary: SweepSummary | None

    @property
    def exit_code(self) -> int:
        """0 done, 1 nothing qualifies, 3 could not measure."""
        return self.stop.exit_code

    @property
    def json(self) -> str:
        """Return the summary as the file has it."""
        if self.summary is None:
            return summary_json.stopped(self.stop.reason, self.stop.advice)
        return summary_json.write(self.summary)

    def text(self, width: int) -> str:
        """Return the last screen."""
        said = [f"{self.stop.reason}."] if self.summary is None or self.exit_code else []
        said += [f"  → {advice}" for advice in self.stop.advice]
        if self.summary is None:
            return "\n".join(said)
        screen = terminal.plain(terminal.screen(self.summary, metrics=METRICS, width=width))
        where = f"Report: {self.folder / REPORT}    All files: {self.folder}/"
        return "\n".join([screen, *said, where, *_own_models(self.summary)])


def evidence(folder: SweepFolder) -> Evidence:
    """Read all that a sweep left behind."""
    sweep = folder.sweep()
    events = folder.events()
    known: dict[str, Reading[Fidelity]] = {}
    for event in events:
        if isinstance(event, FidelityFailed):
            known[event.label] = Missing("fidelity_failed", event.why)
        elif isinstance(event, FidelityMeasured):
            found = folder.read(Fidelity, f"fidelity/{event.label}.json")
            if found is not None:
                known[event.label] = Measured(found, "derived")
    spent = phases(events) | (folder.read(dict[str, float], LADDER_TIME) or {})
    label = sweep.reference.label
    if (own := folder.read(Fidelity, f"fidelity/{label}.json")) is not None:
        known[label] = Measured(own, "derived")
    return Evidence(
        sweep=sweep,
        runs=tuple(_own(folder, events)),
        fidelity=known,
        instrument=folder.read(Instrument, "instrument.json") or Instrument(),
        proofs=tuple(folder.read(tuple[Proof, ...], "proofs.json") or ()),
        phases_s=spent,
        skipped=folder.read(dict[str, str], "skipped.json") or {},
        elapsed_s=Measured(round(sum(spent.values()), 3), "client"),
        bands=settings.load().ratings,
        raw=_raw(folder, sweep),
    )


def _raw(folder: SweepFolder, sweep: Sweep) -> dict[str, Reading[Sidecar]]:
    """Return each variant's sidecar: the sweep's own, or what `engines bench --out` left here.

    One of other bytes is none. Without any, and with none asked for, nothing is said of it.
    """
    left = folder.read(dict[str, str], "skipped.json") or {}
    beside = sidecar.read(folder.root)
    found: dict[str, Reading[Sidecar]] = {}
    for variant in sweep.variants:
        own = sidecar.read(folder.root / sidecar.FOLDER, f"{variant.label}.json")
        for reading in (own, beside):
            for one in reading.value if isinstance(reading, Measured) else ():
                if one.sha256 == variant.artifact.sha256:
                    found.setdefault(variant.label, Measured(one, "engine"))
        if variant.label not in found and sweep.raw_repeats:
            why = left.get(f"raw/{variant.label}") or left.get(variant.label)
            none = Missing("not_timed", why) if why else own
            found[variant.label] = none if isinstance(none, Missing) else _OTHER_BYTES
    return found


def phases(events: Sequence[Event]) -> dict[str, float]:
    """Return the seconds of each phase, summed over all sessions of the campaign."""
    spent: dict[str, float] = {}
    for event in events:
        match event:
            case Calibrated(seconds=seconds):
                name = "calibration"
            case EngineProven(seconds=seconds):
                name = "arithmetic proof"
            case CanaryPassed(seconds=seconds) | CanaryBlocked(seconds=seconds):
                name = "canary"
            case CellFinished(seconds=seconds) | CellFailed(seconds=seconds):
                name = "runs"
            case FidelityMeasured(seconds=seconds) | FidelityFailed(seconds=seconds):
                name = "fidelity"
            case RawTimed(seconds=seconds):
                name = "raw speed"
            case Soaked(seconds=seconds):
                name = "soak"
            case _:
                continue
        spent[name] = spent.get(name, 0.0) + seconds
    return {name: round(seconds, 3) for name, seconds in sorted(spent.items())}


def write(folder: SweepFolder, *, include_polluted: bool) -> Written:
    """Write every report; return what they say in brief."""
    found = evidence(folder)
    summary = summarise(found, include_polluted=include_polluted)
    texts = {
        SUMMARY: summary_json.write(summary),
        "summary.csv": csv.write(summary, metrics=METRICS),
        "summary.md": markdown.write(summary, metrics=METRICS),
        REPORT: html.render(
            summary,
            metrics=METRICS,
            series={r.id: r.vitals.value for r in found.runs if isinstance(r.vitals, Measured)},
            logs={r.id: r.log_excerpt for r in found.runs if r.log_excerpt},
            configuration=found.sweep,
        ),
    }
    for name, text in texts.items():
        folder.write_text(name, text)
    # A canary or a sentinel that ran says nothing about any variant.
    measured = any(
        run.outcome == "completed" and run.sections and role_of(found.sweep, run.spec) in _WEIGHED
        for run in found.runs
    )
    return Written(
        measured,
        any(p.label and not p.binding_gate for p in summary.recommendation),
        recommend.chosen(summary.recommendation) or "",
    )


def outcome(folder: SweepFolder, stop: Stop) -> Outcome:
    """Return how a sweep ended, with the summary if one was written."""
    path = folder.root / SUMMARY
    summary = None
    if path.exists():
        summary = summary_json.read(path.read_text(encoding="utf-8"), source=str(path))
    return Outcome(folder.root, stop, summary)


def report_again(root: Path, *, include_polluted: bool) -> Outcome:
    """Write the reports of a finished sweep again, from its records."""
    folder = SweepFolder(root)
    found = write(folder, include_polluted=include_polluted)
    if not found.measured:
        return outcome(folder, Stop("nothing could be measured", 3))
    return outcome(folder, Stop("done", 0) if found.qualified else Stop("no variant qualifies", 1))


def _own(folder: SweepFolder, events: Sequence[Event]) -> list[RunRecord]:
    """Return the records of runs that the journal calls ended, the canary's among them."""
    ends = CellFinished | CellFailed | CanaryPassed | Soaked
    ended = {e.run_id for e in events if isinstance(e, ends)}
    return [record for record in folder.records() if record.spec.id in ended]


def _own_models(summary: SweepSummary) -> list[str]:
    """Say how to sweep models of the user's own, after the bundled one."""
    if summary.model != "bundled":
        return []
    found = find.scan(find.usual_folders()).models[:_OWN_MODELS]
    if not found:
        return ["Now yours: steelyard sweep PATH/TO/MODEL.gguf"]
    return ["Now yours:", *(f"  steelyard sweep {shlex.quote(str(path))}" for path, _ in found)]
