"""What a fit frontier found, in words, as JSON, and as the head of the profile that it writes.

Computes nothing but what lies on the frontier and which cell came nearest. Not aware of engines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from steelyard import __version__
from steelyard.analysis.frontier import undominated
from steelyard.app.frontier.prepare import Prepared
from steelyard.campaigns.cells import Cell
from steelyard.campaigns.fit_limits import Seen, miss
from steelyard.campaigns.fit_search import Finished, Standing
from steelyard.domain.ids import plain
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Device
from steelyard.domain.summary import Estimate
from steelyard.models.disk import size
from steelyard.platform import clock

FILE: Final = "frontier.json"
_FACTOR: Final = 2


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A search that has ended; `written` is the profile's file, `usage` how to name it."""

    prepared: Prepared
    found: Finished
    seconds: float
    written: Path | None
    usage: str

    @property
    def frontier(self) -> frozenset[Cell]:
        """The cells, really filled, that no other beats in quality, memory and speed at once."""
        ranks = {standing.candidate.rank: 0 for standing in self.found.standings}
        order = {rank: number for number, rank in enumerate(sorted(ranks))}
        points = [
            (one.candidate.cell, (order[one.candidate.rank], one.memory_bytes, -one.output_tps))
            for one in self.found.standings
            if one.memory_bytes is not None and one.output_tps is not None
        ]
        on_it = undominated([point for _, point in points])
        return frozenset(cell for (cell, _), kept in zip(points, on_it, strict=True) if kept)

    @property
    def answered(self) -> bool:
        """Whether it is known that one fits or that none does."""
        standings = self.found.standings
        ran = any(one.seen for one in standings)
        return ran or all(one.state == "out" for one in standings)

    @property
    def nearest(self) -> tuple[Standing, float] | None:
        """The cell nearest to the limits, where none met them; as measured, if any was."""
        if self.found.winner is not None:
            return None
        limits, standings = self.prepared.ground.limits, self.found.standings
        found = [(one, far) for one in standings if (far := miss(one.seen, limits)) is not None]
        if not found:
            found = [(one, self._foreseen_miss(one)) for one in standings if one.state == "out"]
        return min(found, key=lambda pair: pair[1], default=None)

    def _foreseen_miss(self, one: Standing) -> float:
        ground, foreseen = self.prepared.ground, self.prepared.foreseen[one.candidate.cell]
        parts = [foreseen.memory_bytes / max(1, min(ground.limits.memory_bytes, ground.free_bytes))]
        if ground.limits.gpu_bytes is not None:
            parts.append(foreseen.gpu_bytes / max(1, ground.limits.gpu_bytes))
        if isinstance(foreseen.output_tps.value, Measured):
            parts.append(ground.limits.output_tps / foreseen.output_tps.value.value)
        return max(parts)


def as_text(report: Report) -> str:
    """Return the last screen."""
    return "\n".join(_lines(report))


def as_json(report: Report) -> str:
    """Return the same for programs, each missing number with its reason."""
    ground, found, frontier = report.prepared.ground, report.found, report.frontier
    near = report.nearest
    out = {
        "subject": ground.request.subject,
        "context_tokens": ground.base.context_tokens,
        "limits": {
            "memory_bytes": ground.limits.memory_bytes,
            "gpu_bytes": ground.limits.gpu_bytes,
            "output_tps": ground.limits.output_tps,
            "kld": ground.request.max_kld,
            "file_bpw": ground.request.min_bpw,
        },
        "threads": ground.threads,
        "seconds": round(report.seconds, 3),
        "budget_s": ground.request.budget,
        "ended": found.reason,
        "quality": report.prepared.quality.words,
        "not_searched": dict(ground.skipped),
        "winner": None if found.winner is None else found.winner.candidate.cell.name,
        "confirmed": found.confirmed,
        "nearest": None if near is None else near[0].candidate.cell.name,
        "profile": None if report.written is None else str(report.written),
        "cells": [_cell(report, one, frontier) for one in found.standings],
    }
    return json.dumps(out, indent=1, sort_keys=True)


def comments(
    prepared: Prepared, found: Finished, winner: Standing, device: Device
) -> tuple[str, ...]:
    """Return the head of the written profile: for which file, on what, and what was measured."""
    file = prepared.files[winner.candidate.cell.quant]
    limits = prepared.ground.limits
    runs = "in two runs" if found.confirmed else "in one run, which no second one confirmed"
    return (
        f"Found by steelyard models frontier, Steelyard {__version__}, {clock.wall_time()[:10]}.",
        f"For: {file.path}, sha256 {file.variant.artifact.sha256}.",
        f"Machine: {device.cpu}, {device.cores} cores.",
        f"With {winner.filled[-1].tokens:,} tokens of context full: {_measured(winner)}, {runs}.",
        f"Asked for: {_limits(limits.memory_bytes, limits.gpu_bytes, limits.output_tps)}.",
    )


def _lines(report: Report) -> Iterator[str]:
    ground, found = report.prepared.ground, report.found
    limits, request = ground.limits, ground.request
    ran = sum(bool(one.seen) for one in found.standings)
    out = sum(one.state == "out" for one in found.standings)
    yield (
        f"{request.subject} at {ground.base.context_tokens:,} tokens of context, "
        f"{_limits(limits.memory_bytes, limits.gpu_bytes, limits.output_tps)}:"
    )
    yield (
        f"{ran} of {len(found.standings)} cells run, {out} ruled out, in "
        f"{report.seconds / 60:.1f} min; {found.reason}"
    )
    yield f"Quality is ordered by {report.prepared.quality.words}."
    for axis, why in ground.skipped:
        yield f"Not searched: {axis} ({why})"
    yield from _table(report)
    yield from _end(report)
    dirt = {seen.polluted for one in found.standings for seen in one.seen if seen.polluted}
    if dirt:
        yield f"! Polluted runs ({'; '.join(sorted(dirt))}): on a quiet machine it may be faster."
    yield f"Records: {ground.folder}/"


def _table(report: Report) -> Iterator[str]:
    standings, frontier = report.found.standings, report.frontier
    ran = [one for one in standings if one.state not in ("out", "no_time")]
    width = max((len(one.candidate.cell.name) for one in ran), default=0)
    if ran:
        yield f"  {'cell':<{width}}  {'quality':>10}  {'memory':>9}  {'tok/s':>7}"
    for one in ran:
        yield f"  {_row(report, one, width, on_it=one.candidate.cell in frontier)}"
    groups: dict[tuple[str, str], list[str]] = {}
    for one in standings:
        if one.state in ("out", "no_time"):
            what = "ruled out" if one.state == "out" else "not looked at"
            groups.setdefault((what, one.why), []).append(one.candidate.cell.name)
    for (what, why), names in groups.items():
        yield f"  {what}: {'; '.join(names)}: {why}"


def _row(report: Report, one: Standing, width: int, *, on_it: bool) -> str:
    cell = one.candidate.cell
    last = one.seen[-1] if one.seen else None
    memory = _size(one.memory_bytes) if one.filled else _seen_size(last)
    speed = f"{one.output_tps:.1f}" if one.output_tps is not None else _seen_speed(last)
    marks = []
    winner = report.found.winner
    if winner is not None and winner.candidate.cell == cell:
        marks.append("WINNER, run twice" if report.found.confirmed else "WINNER, run once")
    if on_it:
        marks.append("on the frontier")
    if any(seen.polluted for seen in one.seen):
        marks.append("POLLUTED")
    if one.why:
        marks.append(f"not measured: {one.why}" if one.state == "broke" else one.why)
    quality = _quality(report, cell)
    return (
        f"{cell.name:<{width}}  {quality:>10}  {memory:>9}  {speed:>7}  {'; '.join(marks)}".rstrip()
    )


def _end(report: Report) -> Iterator[str]:
    winner = report.found.winner
    if winner is not None:
        yield f"Best quality that fits: {winner.candidate.cell.name}; {_measured(winner)} measured."
        standings = report.found.standings
        if better := _unlooked(standings[: standings.index(winner)]):
            yield f"Of better quality and not looked at: {_cells(better)}, so that one may fit."
        file = report.prepared.files[winner.candidate.cell.quant].path
        yield f"Its file: {file}"
        yield f"Engine profile: {report.written}"
        if report.usage:
            yield f"  use it: steelyard bench {report.usage}"
        return
    if not report.answered:
        yield "No cell was run to its end, so that it is not known whether one fits."
        yield "A longer --budget, fewer --quants or --kv, or the reasons above may help."
        return
    if unlooked := _unlooked(report.found.standings):
        yield f"Nothing that was run fits; not looked at: {_cells(unlooked)}, so that one may."
        yield "No engine profile is written."
    else:
        yield "Nothing fits, and no engine profile is written."
    if report.nearest is not None:
        one, far = report.nearest
        seen = "" if one.seen else ", by what is foreseen"
        yield f"Nearest{seen}: {one.candidate.cell.name}: {_far(far)}{one.why}"


def _unlooked(standings: Sequence[Standing]) -> int:
    return sum(one.state == "no_time" for one in standings)


def _cells(count: int) -> str:
    return "one cell" if count == 1 else f"{count} cells"


def _far(far: float) -> str:
    if far <= 1:
        return ""
    return f"off by {far - 1:.0%}: " if far < _FACTOR else f"off by a factor of {far:.1f}: "


def _quality(report: Report, cell: Cell) -> str:
    match report.prepared.quality.divergence(cell):
        case Measured(value=value):
            return f"KLD {value:.4f}"
        case Missing():
            return f"{report.prepared.rungs[cell.quant].facts.file_bpw:.2f} bpw"


def _limits(memory: int, gpu: int | None, tps: float) -> str:
    room = f"{size(memory)} of memory" if gpu is None else f"{size(gpu)} on the GPU"
    return f"within {room}, at least {tps:g} tok/s"


def _measured(one: Standing) -> str:
    memory = _size(one.memory_bytes)
    return f"{memory} and {one.output_tps:.1f} tok/s" if one.output_tps is not None else memory


def _size(value: int | None) -> str:
    return "?" if value is None else size(value)


def _seen_size(seen: Seen | None) -> str:
    if seen is None or not isinstance(seen.memory_bytes, Measured):
        return "?"
    return size(seen.memory_bytes.value)


def _seen_speed(seen: Seen | None) -> str:
    if seen is None or not isinstance(seen.output_tps, Measured):
        return "?"
    return f"{seen.output_tps.value:.1f}"


def _cell(report: Report, one: Standing, frontier: frozenset[Cell]) -> dict[str, Any]:
    cell, prepared = one.candidate.cell, report.prepared
    foreseen, facts = prepared.foreseen[cell], prepared.rungs[cell.quant].facts
    return {
        "name": cell.name,
        "quant": cell.quant,
        "kv_type": cell.kv.keys,
        "kv_type_v": cell.kv.values,
        "gpu_layers": cell.placing.gpu_layers,
        "experts_aside": cell.placing.experts_aside,
        "draft": cell.draft,
        "file_bpw": facts.file_bpw,
        "kld": _plain(prepared.quality.divergence(cell)),
        "fidelity": plain(prepared.quality.fidelity(cell)),
        "state": one.state,
        "why": one.why,
        "on_frontier": cell in frontier,
        "foreseen": {
            "memory_bytes": foreseen.memory_bytes,
            "gpu_bytes": foreseen.gpu_bytes,
            "output_tps": _estimate(foreseen.output_tps),
        },
        "runs": [_run(seen) for seen in one.seen],
    }


def _run(seen: Seen) -> dict[str, Any]:
    return {
        "memory_bytes": _plain(seen.memory_bytes),
        "gpu_bytes": _plain(seen.gpu_bytes),
        "output_tps": _plain(seen.output_tps),
        "prompt_tps": _plain(seen.prompt_tps),
        "context_tokens_filled": seen.tokens,
        "seconds": round(seen.seconds, 3),
        "polluted": seen.polluted,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {name: _plain(getattr(estimate, name)) for name in ("value", "low", "high")}


def _plain(reading: Reading[int] | Reading[float]) -> Any:
    if isinstance(reading, Measured):
        return reading.value
    return {"missing": reading.code, "detail": str(reading)}
