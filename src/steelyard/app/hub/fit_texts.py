"""What `models fit` says, for people and as JSON. No number is made here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from steelyard.analysis.rates import Rates
from steelyard.app.hub.fitting import MEMORY_ERROR, FitRow, Fitted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate
from steelyard.models.disk import size


def table(found: Fitted) -> str:
    """Return a line for each file, and below them what they rest on."""
    widest = max((len(row.model) for row in found.rows), default=5)
    head = f"{'model':<{widest}} {'quant':<8} {'weights':>9} {'context':>8} {'memory':>9} "
    lines = [head + f"{'':<6} {'longest':>8}  output tok/s", *_lines(found, widest)]
    profile = found.profile
    free = "free here now" if found.memory_is_free else "as asked for"
    attention = "with flash attention" if profile.flash_attention else "without flash attention"
    slots = "one slot" if profile.slots == 1 else f"{profile.slots} slots"
    lines += [
        "",
        f"Room: {size(found.memory)}, {free}. Memory is for the processor, {slots}, cache"
        f" {profile.kv_type}, {attention}; `tight` is within {MEMORY_ERROR:.0%} of the room.",
    ]
    if found.history:
        lines.append(f"Memory is corrected by what {_runs(found.history)} here took before.")
    lines.append(_speeds(found))
    return "\n".join(lines)


def as_json(found: Fitted) -> str:
    """Return everything, each missing number with its reason."""
    return json.dumps(
        {
            "memory_bytes": found.memory,
            "memory_is_free": found.memory_is_free,
            "threads": found.threads,
            "slots": found.profile.slots,
            "kv_type": found.profile.kv_type,
            "flash_attention": found.profile.flash_attention,
            "memory_error": MEMORY_ERROR,
            "earlier_runs": found.history,
            "calibration": _calibration(found.rates),
            "rows": [_row(row) for row in found.rows],
        },
        indent=1,
        sort_keys=True,
    )


def _lines(found: Fitted, widest: int) -> list[str]:
    lines = []
    for row in found.rows:
        memory = size(row.memory.value) if isinstance(row.memory, Measured) else "?"
        fit = "?" if isinstance(row.fit, Missing) else row.fit
        longest = f"{row.longest.value:,}" if isinstance(row.longest, Measured) else "?"
        notes = [*row.notes]
        if isinstance(row.memory, Missing):
            notes.append(str(row.memory))
        elif isinstance(found.rates, Measured) and isinstance(row.output_tps.value, Missing):
            notes.append(str(row.output_tps.value))
        told = f"  ({'; '.join(notes)})" if notes else ""
        lines.append(
            f"{row.model:<{widest}} {row.quant:<8} {size(row.weights):>9} {row.context:>8,} "
            f"{memory:>9} {fit:<6} {longest:>8}  {_speed(row.output_tps)}{told}"
        )
    return lines


def _speed(estimate: Estimate) -> str:
    if isinstance(estimate.value, Missing):
        return "?"
    text = f"{estimate.value.value:.1f}"
    if isinstance(estimate.low, Measured) and isinstance(estimate.high, Measured):
        text += f" [{estimate.low.value:.1f}, {estimate.high.value:.1f}]"
    return text


def _speeds(found: Fitted) -> str:
    match found.rates:
        case Missing() as why:
            return f"Speeds are not known: {why}."
        case Measured(value=known):
            off = math.exp(known.output_error)
            base = f"off by no more than a factor of {off:.2f} on the {len(known.tried)} models"
            base += " that it was tried on"
            if known.measured:
                base = f"corrected by {_runs(known.measured)} measured here"
            threads = "one thread" if known.threads == 1 else f"{known.threads} threads"
            return (
                f"Speeds are foreseen from a calibration with {threads}, for one stream with its"
                f" context full; {base}."
            )


def _runs(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs"


def _row(row: FitRow) -> dict[str, object]:
    return {
        "model": row.model,
        "quant": row.quant,
        "weights_bytes": row.weights,
        "context": row.context,
        "memory_bytes": _plain(row.memory),
        "fit": _missing(row.fit) if isinstance(row.fit, Missing) else row.fit,
        "longest_context": _plain(row.longest),
        "output_tps": _estimate(row.output_tps),
        "prompt_tps": _estimate(row.prompt_tps),
        "notes": list(row.notes),
    }


def _calibration(found: Reading[Rates]) -> dict[str, object]:
    match found:
        case Missing() as why:
            return _missing(why)
        case Measured(value=known):
            return {
                "threads": known.threads,
                "output_error": known.output_error,
                "prompt_error": known.prompt_error,
                "factor": known.factor,
                "runs_measured_here": known.measured,
                "decode_bytes_per_s": {
                    name: rate.decode_bytes_per_s for name, rate in known.types.items()
                },
                "tried": [
                    {
                        "name": one.name,
                        "output_foreseen": one.output_foreseen,
                        "output_measured": one.output_measured,
                        "prompt_foreseen": one.prompt_foreseen,
                        "prompt_measured": one.prompt_measured,
                    }
                    for one in known.tried
                ],
            }


def _estimate(estimate: Estimate) -> Mapping[str, object]:
    return {
        "value": _plain(estimate.value),
        "low": _plain(estimate.low),
        "high": _plain(estimate.high),
    }


def _plain(reading: Reading[int] | Reading[float]) -> object:
    return reading.value if isinstance(reading, Measured) else _missing(reading)


def _missing(why: Missing) -> dict[str, object]:
    return {"missing": why.code, "detail": str(why)}
