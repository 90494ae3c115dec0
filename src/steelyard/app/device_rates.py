"""How fast this machine reads each type of weight: measured once on small synthetic files, kept.

Each file has matrices of one type only, and is timed by the bare engine: a few tokens decoded, a
short prompt read. A second, narrower file tells a layer's own time from its weights', a longer
context what kept tokens cost. Then two files in the shapes of real models, whose mix of types none
of the rates came from, show how far their sum is off. About a minute. Not aware of formulas
(`analysis.rates`) or of doors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from steelyard import __version__
from steelyard.analysis import rates
from steelyard.analysis.rates import Rates, Tried, TypeRate
from steelyard.app import subjects
from steelyard.domain.codec import decode, encode
from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Artifact
from steelyard.llamalib import bench, library
from steelyard.llamalib.bench import Test
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models import disk, gguf, shapes, synth
from steelyard.models.shapes import Shape
from steelyard.platform import atomic, clock, hardware, settings

FILE: Final = "rates.json"
TYPES: Final = (
    *("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "IQ4_XS", "Q4_0", "Q5_0", "Q5_1", "F16"),
)
_WIDE: Final = Shape("calibration", "llama", 12, 1024, 16, 8, 64, 4096, 2048, 4096)
_NARROW: Final = Shape("calibration-narrow", "llama", 12, 512, 8, 8, 64, 2048, 2048, 4096)
_MODELS: Final = (("smollm2-135m", "Q4_K_M"), ("qwen3-0.6b", "Q4_K_M"))
_FIRST: Final = "Q8_0"
_PROMPT: Final = Test("prompt_tps", 32, 0)
_OUTPUT: Final = Test("output_tps", 12, 0)
_DEEP: Final = Test("output_tps", 12, 512)
_REPEATS: Final = 3
_KEPT_TYPE_BYTES: Final = 2
_SPACE_BYTES: Final = 600 * 1000 * 1000
_PHASE: Final = "measuring this machine's rates"
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """Rates as they are kept, and what they rest on."""

    rates: Rates
    device: str
    engine: str
    version: str
    at: str


def kept(threads: int) -> Reading[Rates]:
    """Return this machine's rates with so many threads, if they were measured and still hold."""
    try:
        found = decode(Kept, _file().read_bytes(), source=FILE)
    except (OSError, BadInput):
        return Missing(
            "not_calibrated", "this machine was not calibrated: --calibrate takes about a minute"
        )
    if (found.device, found.engine, found.version) != _here():
        return Missing("stale", "the calibration is another machine's or engine's: --calibrate")
    if found.rates.threads != threads:
        was = found.rates.threads
        return Missing("other_threads", f"it was calibrated with {was} threads: --calibrate")
    return Measured(found.rates, "client")


def calibrate(threads: int, emit: Emit) -> Rates:
    """Measure, keep and return this machine's rates. Raises `EngineError` where nothing came."""
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted(_PHASE, len(TYPES) + len(_MODELS) + 1))
    with tempfile.TemporaryDirectory(prefix="steelyard-rates-") as name:
        folder = Path(name)
        disk.require(folder, _SPACE_BYTES, what="the calibration")
        found = _measured(_Bench(folder, threads), threads, emit)
    device, engine, version = _here()
    atomic.write(
        _file(), encode(Kept(found, device, engine, version, clock.wall_time()), indent=1).encode()
    )
    emit(PhaseEnded(_PHASE, (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return found


@final
@dataclass(frozen=True, slots=True)
class _Bench:
    """Writes a file, times it and removes it."""

    folder: Path
    threads: int

    def time(self, order: synth.Order, tests: Sequence[Test]) -> list[float]:
        """Return the seconds per token of each test."""
        path = synth.write(order, self.folder)
        try:
            plan = bench.Plan(threads=self.threads, repeats=_REPEATS, chosen=tuple(tests))
            artifact = Artifact(path.name, "gguf", "")
            found = bench.measure(path, artifact, plan, "wheel", context=order.shape.context)
        finally:
            path.unlink()
        seconds = []
        for speed in found.speeds:
            if not speed.samples_tps:
                raise EngineError(
                    f"{path.name} could not be timed: {speed.detail or found.detail}",
                    hint="`steelyard doctor` looks at the engine",
                )
            # The fastest of a few: what disturbs only ever slows.
            seconds.append(1 / max(speed.samples_tps))
        return seconds


def _measured(timer: _Bench, threads: int, emit: Emit) -> Rates:
    words = gguf.read(subjects.bundled("base.gguf"))
    narrow = synth.pure(_NARROW, _FIRST, words)
    wide = synth.pure(_WIDE, _FIRST, words)
    shallow, deep = timer.time(narrow, (_OUTPUT, _DEEP))
    emit(Advanced(_PHASE, 1, "narrow"))
    found: dict[str, tuple[float, float]] = {}
    for number, kind in enumerate(TYPES):
        prompt, output = timer.time(synth.pure(_WIDE, kind, words), (_PROMPT, _OUTPUT))
        found[kind] = (prompt, output)
        emit(Advanced(_PHASE, number + 2, kind))
    layer_s = _layer_s(narrow.file_bytes, shallow, wide.file_bytes, found[_FIRST][1])
    weights = synth.parameters(_WIDE)
    types = {
        kind: TypeRate(
            decode_bytes_per_s=weights * BY_NAME[kind].bits_per_weight / 8
            / max(output - _WIDE.layers * layer_s, output / 2),
            prompt_weights_per_s=weights / prompt,
        )
        for kind, (prompt, output) in found.items()
    }  # fmt: skip
    kept_bytes = _DEEP.depth * 2 * _NARROW.layers * 8 * _NARROW.head_dim * _KEPT_TYPE_BYTES
    # Where the cost of a context drowns in noise, its bytes are taken for as fast as the weights'.
    slowest = min(rate.decode_bytes_per_s for rate in types.values())
    longer = deep - shallow
    kv_rate = kept_bytes / longer if longer > 0 else slowest
    bare = Rates(threads, layer_s, types, kv_rate, 0.0, 0.0)
    tried = tuple(_tried(timer, bare, words, emit))
    output_error, prompt_error = rates.error_of(tried)
    return replace(bare, output_error=output_error, prompt_error=prompt_error, tried=tried)


def _layer_s(small: int, small_s: float, large: int, large_s: float) -> float:
    """Tell a layer's own time from that of its weights, by two files with as many layers."""
    share = small / large
    return max(0.0, (small_s - share * large_s) / (1 - share)) / _WIDE.layers


def _tried(timer: _Bench, bare: Rates, words: gguf.Header, emit: Emit) -> Iterator[Tried]:
    for number, (name, quant) in enumerate(_MODELS):
        order = synth.plan(shapes.find(name), quant, words)
        facts = synth.facts(order.shape, quant)
        prompt, output = timer.time(order, (_PROMPT, _OUTPUT))
        foreseen = rates.decode_seconds(bare, facts), rates.prompt_seconds(bare, facts)
        match foreseen:
            case Measured(value=out), Measured(value=read):
                yield Tried(f"{name} {quant}", 1 / out, 1 / output, 1 / read, 1 / prompt)
        emit(Advanced(_PHASE, len(TYPES) + 2 + number, name))


def _here() -> tuple[str, str, str]:
    return hardware.device().id, f"{library.WHEEL} {library.version()}", __version__


def _file() -> Path:
    return settings.load().home / FILE
