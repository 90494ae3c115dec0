"""Run an engine with its context filled to the last token, after a look at what it can do empty.

The look ends it early where that already decides: a speed that is too low with an empty context is
no higher with a full one (a draft model's aside), and buffers that the engine has asked for are
not given back. Prompts are tokens that never repeat, the counts are the server's, speeds are the
client's own. Not aware of what is searched for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.analysis import timing
from steelyard.domain.errors import EngineError
from steelyard.domain.load import Closed
from steelyard.domain.prompts import Synthetic
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.workload import Shape, Workload
from steelyard.engines import devices
from steelyard.engines.wires import llama_buffers
from steelyard.engines.wires.llama_buffers import Buffers
from steelyard.models.disk import size
from steelyard.runs.execute import ENGINE_LOG, Session

_LOOK_OUT: Final = 32
_LOOK_IN: Final = (32, 256)
_OUT: Final = (32, 128)
_SHARE: Final = 8  # of the context: one token in so many is generated
# A fast engine on a busy machine: the answer may come in one burst, which cannot be timed.
_TIMES: Final = 3
_PATIENCE_S: Final = 20.0
_NS_PER_S: Final = 1e9
LEAST_CONTEXT: Final = 256


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is for. `draft`: an empty context says nothing of a full one's speed."""

    context_tokens: int
    output_tps: float
    memory_bytes: int
    limit_s: float
    draft: bool
    on_gpu: bool


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What the requests showed: `refused` where the early look decided, `late` for want of time.

    `least_bytes` is what weights and cache alone take, by the engine's own log; 0: not told.
    """

    output_tps: Reading[float]
    prompt_tps: Reading[float]
    tokens: int = 0
    refused: str = ""
    late: str = ""
    least_bytes: int = 0


@final
@dataclass(frozen=True, slots=True)
class Held:
    """What it held: on this machine, what the system may take back left out, and on a GPU."""

    memory_bytes: Reading[int]
    gpu_bytes: Reading[int]


def look_load(context_tokens: int) -> Workload:
    """Return the load that shows an engine with its context empty."""
    low, high = _LOOK_IN
    prompt = max(low, min(high, context_tokens // 8))
    return _load("interactive", prompt, _LOOK_OUT)


def full_load(context_tokens: int) -> Workload:
    """Return the load that fills the context: prompt and answer together are all of it."""
    low, high = _OUT
    answer = max(low, min(high, context_tokens // _SHARE))
    return _load("depth", context_tokens - answer, answer)


def run(session: Session, asked: Asked) -> Found:
    """Look, then fill. Raises `EngineError` where a request failed for another reason than time."""
    least = 0 if asked.on_gpu else _least_bytes(session)
    if least > asked.memory_bytes:
        why = f"weights and cache alone are {size(least)}, and {size(asked.memory_bytes)} may be"
        nothing = Missing("not_run", "what the engine asked for was too much already")
        return Found(nothing, nothing, refused=f"{why} taken", least_bytes=least)
    look = _timed(session, look_load(asked.context_tokens))
    if isinstance(look.outcome, Failed):
        raise EngineError(f"a short request failed: {_why(look.outcome)}")
    empty, prompt = timing.output_tps(look), timing.prompt_tps(look)
    if isinstance(empty, Measured) and empty.value < asked.output_tps and not asked.draft:
        return Found(empty, prompt, refused=_too_slow(empty.value, asked))
    load = full_load(asked.context_tokens)
    seconds = _foreseen_s(load, empty, prompt)
    if seconds > asked.limit_s:
        return Found(empty, prompt, late=_late(seconds, asked.limit_s))
    # Prefill slows down with depth, so that the foresight may be short: then patience ends it.
    patience_s = max(_PATIENCE_S, 1.25 * asked.limit_s)
    session.opened.stall_ns = round(patience_s * _NS_PER_S)
    return _filled(_timed(session, load), asked)


def held(record: RunRecord, folder: Path) -> Held:
    """Read from a run that has ended what its engine held."""
    try:
        log = (folder / ENGINE_LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        log = ""
    gpu: Reading[int] = Measured(0, "derived")
    # Without layers on it a GPU may still be computed with, and holds the buffers for that.
    if record.spec.controls.device not in (None, devices.CPU):
        gpu = llama_buffers.on_devices(log)
    vitals = record.vitals
    peak = vitals if isinstance(vitals, Missing) else vitals.value.peak_memory_bytes
    return Held(_of_process(peak, llama_buffers.read(log), gpu), gpu)


def _of_process(peak: Reading[int], buffers: Reading[Buffers], gpu: Reading[int]) -> Reading[int]:
    """Return what a process held, without what the system may take back from it.

    Where the system does not tell, what the engine logs of its buffers stands for it.
    """
    if isinstance(buffers, Missing):  # then nothing is known that could be taken back
        return peak
    if isinstance(peak, Missing):
        elsewhere = gpu.value if isinstance(gpu, Measured) else 0
        own = buffers.value.total - buffers.value.reordered - elsewhere
        return Measured(max(0, own), "engine")
    # Pages of the file whose weights were copied into another order are never read again.
    return Measured(max(0, peak.value - buffers.value.reordered), "derived")


def _least_bytes(session: Session) -> int:
    path = session.opened.engine.log_path
    if not isinstance(path, Path) or not path.exists():
        return 0
    match llama_buffers.read(path.read_text(encoding="utf-8", errors="replace")):
        case Measured(value=buffers):
            return buffers.weights + buffers.kv_cache + buffers.state
        case Missing():
            return 0


def _foreseen_s(load: Workload, output: Reading[float], prompt: Reading[float]) -> float:
    total = 0.0
    for tokens, speed in ((load.prompt_tokens, prompt), (load.output_tokens, output)):
        if isinstance(speed, Measured) and speed.value > 0:
            total += tokens / speed.value
    return total


def _load(shape: Shape, prompt: int, answer: int) -> Workload:
    prompts = Synthetic(prompt, answer)
    return Workload(shape, prompt, answer, 1, warmup=0, load=Closed(1), prompts=prompts)


def _timed(session: Session, load: Workload) -> Attempt:
    """Return the first attempt that can be timed, each with a prompt of its own, or the last."""
    attempt = _one(session.measure(load))
    for _ in range(_TIMES - 1):
        failed = isinstance(attempt.outcome, Failed)
        if failed or isinstance(timing.output_tps(attempt), Measured):
            break
        attempt = _one(session.measure(load))
    return attempt


def _filled(attempt: Attempt, asked: Asked) -> Found:
    output, prompt = timing.output_tps(attempt), timing.prompt_tps(attempt)
    match attempt.outcome:
        case Failed(why="stalled"):
            return Found(output, prompt, late=f"filling it took longer than {asked.limit_s:.0f} s")
        case Failed() as failed:
            raise EngineError(f"the request that fills the context failed: {_why(failed)}")
        case Completed():
            pass
    if isinstance(attempt.usage, Missing):
        raise EngineError(f"the server did not count the tokens: {attempt.usage}")
    usage = attempt.usage.value
    if usage.prompt_tokens != attempt.prompt_tokens_wanted:
        raise EngineError(
            f"the server counted {usage.prompt_tokens:,} tokens of a prompt of "
            f"{attempt.prompt_tokens_wanted:,}"
        )
    return Found(output, prompt, tokens=usage.prompt_tokens + usage.output_tokens)


def _too_slow(tps: float, asked: Asked) -> str:
    return f"{tps:.1f} tok/s with an empty context, and {asked.output_tps:g} are wanted"


def _late(seconds: float, limit_s: float) -> str:
    return f"filling it would take about {seconds:.0f} s, and {max(0.0, limit_s):.0f} s are left"


def _one(section: Section) -> Attempt:
    if not section.attempts:
        raise EngineError(f"{section.name} ended without an answer: {section.reason}")
    return section.attempts[-1]


def _why(failed: Failed) -> str:
    return failed.why.replace("_", " ") + (f" ({failed.detail})" if failed.detail else "")
