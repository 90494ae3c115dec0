"""Small tables that only the long report has: controls in force, totals over the runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Reading
from steelyard.domain.run import AppliedControl, Controls
from steelyard.domain.summary import RunLine
from steelyard.reports.figures import NOTHING, percent, size
from steelyard.reports.story import Line

_WORDS: Final = {
    "seed": "seeds prompts, order and sampling",
    "threads": "processor threads of the engine",
    "affinity": "the cores that the engine may use",
    "warmup": "requests sent before any is timed",
    "reuse_prefix": "whether the engine may keep prompts in its cache",
    "other_cpu_share_max": "a run is polluted if other programs use more of the processor",
    "load_per_core_max": "a run is polluted above this load average by core",
    "orchestration_overhead_max": "a run is polluted if more of its time was not the model's",
    "swap_growth_bytes_max": "a run is polluted if swap grew by more",
    "timing_mismatch_max": "a run is polluted if client and engine clocks differ by more",
    "blocking_noise_cv": "the strict profile refuses to measure above this noise",
}


def controls(asked: Controls) -> tuple[Line, ...]:
    """Return every control with its value; what was left to the engine says so."""
    lines = [
        _line(field.name, getattr(asked, field.name))
        for field in dataclasses.fields(asked)
        if field.name not in ("sampling", "profile")
    ]
    lines += [
        _line(f"sampling {field.name}", getattr(asked.sampling, field.name))
        for field in dataclasses.fields(asked.sampling)
    ]
    lines += [
        _line(field.name, getattr(asked.profile, field.name), absent="no limit")
        for field in dataclasses.fields(asked.profile)
        if field.name != "name"
    ]
    return (*lines, Line("control profile", asked.profile.name))


def applied(found: Sequence[AppliedControl]) -> tuple[Line, ...]:
    """Return what was asked of each control and what the engine or the system says is in force."""
    return tuple(
        Line(
            control.name,
            control.applied.value
            if isinstance(control.applied, Measured)
            else f"{NOTHING} ({control.applied})",
            f"asked: {control.asked}{_over(control)}",
        )
        for control in found
    )


def _over(control: AppliedControl) -> str:
    return "" if control.overrides is None else f", over the engine profile's {control.overrides}"


def run_totals(runs: Sequence[RunLine]) -> tuple[Line, ...]:
    """Add up tokens and attempts over all runs; what no engine reported is counted too."""
    return (
        Line("runs", _compared(runs)),
        Line("prompt tokens", _total([run.prompt_tokens for run in runs])),
        Line("output tokens", _total([run.output_tokens for run in runs])),
        Line(
            "attempts",
            f"{sum(run.attempts for run in runs):,},"
            f" {sum(run.failed_attempts for run in runs):,} failed",
        ),
    )


def _compared(runs: Sequence[RunLine]) -> str:
    untimed = sum(run.answers and not run.included for run in runs)
    text = f"{len(runs)}, {sum(run.included for run in runs)} of them compared"
    return f"{text}, {untimed} more by their answers alone" if untimed else text


def _total(readings: Sequence[Reading[int]]) -> str:
    known = [reading.value for reading in readings if isinstance(reading, Measured)]
    silent = len(readings) - len(known)
    if not known:
        return f"{NOTHING} (no run reported any)"
    return f"{sum(known):,}" + (f" ({counted(silent, 'run')} reported none)" if silent else "")


def _line(name: str, value: object, *, absent: str = "left to the engine") -> Line:
    match value:
        case None:
            text = absent
        case bool():
            text = "yes" if value else "no"
        case tuple():
            text = ", ".join(map(str, value))
        case int() if name.endswith("_bytes_max"):
            text = size(value)
        case float() if name.endswith(
            ("_share_max", "_overhead_max", "_mismatch_max", "_drop_max")
        ):
            text = percent(value, 0)
        case _:
            text = str(value)
    return Line(name.replace("_", " "), text, _WORDS.get(name, ""))
