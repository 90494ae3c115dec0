"""Speed by layers on a GPU, and by the number of GPUs, as tables for people.

Not aware of how it was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from steelyard.domain.counts import counted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.scaling import GpuCount, LayerLevel, Offload, Parallel
from steelyard.domain.summary import Estimate

_MIB: Final = 1 << 20
_SIMULATED: Final = "  SIMULATED"
_MS: Final = 1e3


def offload(found: Offload) -> str:
    """Return the whole text of a layers sweep."""
    return "\n".join(_offload(found))


def parallel(found: Parallel) -> str:
    """Return the whole text of a scaling campaign."""
    return "\n".join(_parallel(found))


def _offload(found: Offload) -> Iterator[str]:
    mark = _SIMULATED if found.simulated else ""
    yield f"{found.model} on {found.engine}, layers on {found.device}{mark}"
    yield (
        f"Prompts of {found.prompt_tokens} tokens, answers of {found.output_tokens}, one at a "
        "time; 95 % intervals over rounds."
    )
    yield ""
    first = found.levels[0].layers
    heads = ("layers", "decode tok/s", f"over {first} layers", "prefill tok/s", f"over {first}")
    yield _row((*heads, "load s", "host MiB", "GPU MiB"), _OFFLOAD_WIDTHS)
    for level in found.levels:
        yield _level(level, found.all_layers)
    meters = {name for level in found.levels for name in level.joules_per_token}
    for name in sorted(meters):
        yield from _energy(found.levels, name)
    yield ""
    yield from _offload_ends(found)


_OFFLOAD_WIDTHS: Final = (10, 24, 20, 26, 20, 8, 9, 8)


def _level(level: LayerLevel, most: int) -> str:
    name = f"{level.layers}{' (all)' if level.layers == most else ''}"
    if level.failed:
        return f"{name:<10}not measured: {level.failed.splitlines()[0]}"
    own = level.decode_ratio.n == 0
    return _row(
        (
            name,
            _words(level.speeds.decode_tps, _one),
            "–" if own else _words(level.decode_ratio, _two),
            _words(level.speeds.prefill_tps, _none),
            "–" if own else _words(level.prefill_ratio, _two),
            _value(level.speeds.load_s.value, _two),
            _value(level.host_bytes, _mib),
            _value(level.device_bytes, _mib),
        ),
        _OFFLOAD_WIDTHS,
    )


def _energy(levels: Sequence[LayerLevel], name: str) -> Iterator[str]:
    readings = [(level.layers, level.joules_per_token.get(name)) for level in levels]
    told = [(layers, r.value) for layers, r in readings if isinstance(r, Measured)]
    if told:
        yield f"J per output token, {name}: " + ", ".join(f"{n}: {v:.3f}" for n, v in told)
        return
    why = next((r for _, r in readings if isinstance(r, Missing)), None)
    if why is not None:
        yield f"J per output token, {name}: – {why}"


def _offload_ends(found: Offload) -> Iterator[str]:
    match found.knee:
        case Measured(value=layers):
            yield f"Knee: with {counted(layers, 'layer')} it is within a tenth of the fastest."
        case Missing() as why:
            yield f"No knee: {why}."
    match found.pays_from:
        case Measured(value=layers):
            first = found.levels[0].layers
            yield f"From {counted(layers, 'layer')} on it is faster than with {first}."
        case Missing() as why:
            yield f"{str(why)[:1].upper()}{str(why)[1:]}."
    if found.costs_at:
        yield f"Slower than the first level with {', '.join(map(str, found.costs_at))} layers."
    saved = found.saved_s
    if isinstance(saved.value, Measured):
        yield f"One more layer saves {_words(saved, _ms)} ms a token (straight line)."
    for level in found.levels:
        if isinstance(level.told, Measured) and level.told.value != str(level.layers):
            asked = counted(level.layers, "layer")
            yield f"Of {asked} the engine says it has put {level.told.value} there."


def _parallel(found: Parallel) -> Iterator[str]:
    mark = _SIMULATED if found.simulated else ""
    yield f"{found.model} on {found.engine}{mark}"
    yield (
        f"Prompts of {found.prompt_tokens} tokens, answers of {found.output_tokens}, "
        f"{found.streams} at a time; 95 % intervals over rounds. Numbers of GPUs: {found.sizes_by}."
    )
    yield ""
    first = found.sizes[0].gpus
    heads = ("GPUs", "decode tok/s", f"speed-up over {first}", "efficiency", "Karp-Flatt", "lost*")
    yield _row(heads, _PARALLEL_WIDTHS)
    for size in found.sizes:
        yield _size(size)
    for title, formula in (("prefill", _prefill), ("all streams", _system)):
        if title == "prefill" or found.streams > 1:
            yield from _beside(found.sizes, title, formula)
    for skipped in found.skipped:
        yield f"{skipped.what}: {skipped}"
    yield ""
    yield from _parallel_ends(found)


_PARALLEL_WIDTHS: Final = (6, 24, 20, 20, 22, 14)


def _size(size: GpuCount) -> str:
    if size.failed:
        return f"{size.gpus:<6}not measured: {size.failed.splitlines()[0]}"
    gain = size.decode
    own = gain.speedup.n == 0
    return _row(
        (
            str(size.gpus),
            _words(size.speeds.decode_tps, _one),
            "–" if own else _words(gain.speedup, _two),
            "–" if own else _words(gain.efficiency, _percent),
            "–" if own else _words(gain.serial, _three),
            "–" if own else f"{_value(size.overhead_s.value, _ms)} ms a token",
        ),
        _PARALLEL_WIDTHS,
    )


def _beside(
    sizes: Sequence[GpuCount], title: str, formula: Callable[[GpuCount], tuple[Estimate, Estimate]]
) -> Iterator[str]:
    cells = []
    for size in sizes:
        speed, gain = formula(size)
        ratio = f" (x {_words(gain, _two)})" if gain.n else ""
        cells.append(f"{size.gpus}: {_value(speed.value, _none)}{ratio}")
    yield f"{title} tok/s  {'; '.join(cells)}"


def _prefill(size: GpuCount) -> tuple[Estimate, Estimate]:
    return size.speeds.prefill_tps, size.prefill.speedup


def _system(size: GpuCount) -> tuple[Estimate, Estimate]:
    return size.speeds.system_tps, size.system.speedup


def _parallel_ends(found: Parallel) -> Iterator[str]:
    if isinstance(found.serial.value, Measured):
        yield f"Serial fraction by Amdahl's law over all sizes: {_words(found.serial, _three)}"
    growth = found.growth
    if isinstance(growth.low, Measured) and isinstance(growth.value, Measured):
        grows = growth.low.value > 0
        how = "grows" if grows else "is not shown to grow"
        why = ": as communication does, and a serial part does not." if grows else "."
        yield (f"From the smallest size to the largest it {how} ({_words(growth, _three)}){why}")
    yield (
        "* estimated: time per token beyond an even share of the first size's; communication, "
        "waiting and whatever is not shared."
    )


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _words(estimate: Estimate, shown: Callable[[float], str]) -> str:
    match estimate.value:
        case Missing() as why:
            return f"– {why.code}"
        case Measured(value=value):
            bounds = [
                shown(bound.value) if isinstance(bound, Measured) else "?"
                for bound in (estimate.low, estimate.high)
            ]
            return f"{shown(value)} [{bounds[0]}, {bounds[1]}]"


def _value(reading: Reading[float] | Reading[int], shown: Callable[[float], str]) -> str:
    return shown(reading.value) if isinstance(reading, Measured) else "–"


def _none(value: float) -> str:
    return f"{value:,.0f}"


def _one(value: float) -> str:
    return f"{value:,.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _ms(value: float) -> str:
    return f"{value * _MS:.3g}"


def _mib(value: float) -> str:
    return f"{value / _MIB:,.0f}"
