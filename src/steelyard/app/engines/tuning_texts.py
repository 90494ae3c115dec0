"""What a search for settings found, in words, as JSON, and as the head of the profile it writes.

Computes nothing: ratios and intervals come from the search. Not aware of engines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard import __version__
from steelyard.analysis.tuned import Goal, gain_in_words
from steelyard.campaigns.tuning import CONFIDENCE, ERROR, LOOKS, Finished, Standing
from steelyard.domain.ids import plain
from steelyard.domain.reading import Measured
from steelyard.domain.run import Device
from steelyard.domain.subject import Variant
from steelyard.platform import clock

_QUANTISED: Final = ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl")


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A search that has ended; `written` is the profile's file, `by_name` how to use it."""

    goal: Goal
    subject: str
    found: Finished
    seconds: float
    folder: Path
    written: Path | None
    by_name: str


def as_text(report: Report) -> str:
    """Return the last screen."""
    return "\n".join(_lines(report))


def as_json(report: Report) -> str:
    """Return the same for programs."""
    found = report.found
    out = {
        "subject": report.subject,
        "goal": report.goal,
        "seconds": round(report.seconds, 3),
        "winner": None if found.winner is None else dict(found.winner.changes),
        "best": None if found.best is None else found.best.name,
        "cost_ratio": plain(found.proof.ratio),
        "confidence": CONFIDENCE,
        "reason": found.reason,
        "profile": None if report.written is None else str(report.written),
        "candidates": [
            {
                "name": each.candidate.name,
                "changes": dict(each.candidate.changes),
                "blocks": each.blocks,
                "cost_ratio_in_the_race": each.ratio,
                "left": each.left,
            }
            for each in found.standings
        ],
    }
    return json.dumps(out, indent=1, sort_keys=True)


def comments(goal: Goal, variant: Variant, found: Finished, device: Device) -> tuple[str, ...]:
    """Return the head of the written profile: what was found, on what, how sure."""
    return (
        f"Found by steelyard tune … --for {goal}, Steelyard {__version__}, "
        f"{clock.wall_time()[:10]}.",
        f"Model: {variant.artifact.name}, sha256 {variant.artifact.sha256}.",
        f"Machine: {device.cpu}, {device.cores} cores.",
        f"Gain over the baseline: {_gain(goal, found)}.",
    )


def _lines(report: Report) -> Iterator[str]:
    found = report.found
    tried = [each for each in found.standings if each.blocks]
    yield (
        f"{report.subject} for {report.goal}: {len(tried)} of {len(found.standings)} candidates "
        f"took turns with the baseline, in {report.seconds / 60:.1f} min"
    )
    width = max((len(each.candidate.name) for each in found.standings), default=0)
    for each in found.standings:
        yield f"  {each.candidate.name:<{width}}  {_standing(each)}"
    if found.best is not None:
        yield f"Proof of {found.best.name}: {_gain(report.goal, found)}"
    if report.written is None:
        yield f"No engine profile is written: {found.reason}."
    else:
        yield f"Engine profile: {report.written}"
        if report.by_name:
            yield f"  use it: steelyard bench {report.by_name}"
        if found.winner is not None and found.winner.changes.get("kv_type") in _QUANTISED:
            yield "  ! a quantised cache may change answers: sweep with the profile before using it"
    yield f"Records: {report.folder}/"


def _standing(each: Standing) -> str:
    if each.ratio is None:
        return each.left
    race = f"cost × {each.ratio:.3f} in {each.blocks} blocks"
    return f"{race}; {each.left}" if each.left else race


def _gain(goal: Goal, found: Finished) -> str:
    ratio = found.proof.ratio
    words = gain_in_words(goal, ratio)
    if not isinstance(ratio.low, Measured):
        return words
    return (
        f"{words}, {ratio.n} fresh blocks; {CONFIDENCE:.1%} interval, so that {1 - ERROR:.0%} "
        f"holds over all {len(LOOKS)} looks"
    )
