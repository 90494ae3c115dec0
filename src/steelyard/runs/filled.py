"""Start an engine, fill the context of every slot, and look at the memory that it then holds.

The prompts are tokens by number, all different, so that no cache helps and nothing is computed
twice. Not aware of estimates. Speeds are the engine's own: a look, no measurement.
"""

from __future__ import annotations

import http.client
import json
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import EngineError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Subject
from steelyard.engines import api, host
from steelyard.engines.host import RunningEngine
from steelyard.engines.wires import llama_buffers
from steelyard.engines.wires.llama_buffers import Buffers
from steelyard.telemetry import processes

_PROC: Final = Path("/proc")
_FIRST_WORD, _WORDS, _STEP, _APART = 300, 1500, 7, 31
_LEFT: Final = 16
_OK: Final = 200


@final
@dataclass(frozen=True, slots=True)
class Filled:
    """What was held: the peak of the process, the buffers it told of, and speeds on the way.

    `tokens` is how long each slot's prompt was; the speeds are those of one slot.
    """

    resident: Reading[int]
    buffers: Reading[Buffers]
    tokens: int
    prompt_tps: Reading[float]
    output_tps: Reading[float]


def look(
    subject: Subject,
    controls: Controls,
    place: Place,
    *,
    tokens: int | None = None,
    answer: int = 8,
    limit_s: float = 3600.0,
) -> Filled:
    """Fill every slot with `tokens`, by default with all that fits; 0 only loads the model."""
    profile = subject.profile
    most = max(0, profile.context_tokens - answer - _LEFT)
    wanted = most if tokens is None else min(tokens, most)
    with host.start(api.dialect(subject.engine), subject, controls, place) as engine:
        answers: Sequence[dict[str, Any]] = ()
        if wanted:
            bodies = [_prompt(slot, wanted, answer) for slot in range(profile.slots)]
            with ThreadPoolExecutor(profile.slots) as pool:
                answers = list(pool.map(lambda body: _ask(engine, body, limit_s), bodies))
        tree = processes.descendants(processes.parents(_PROC), engine.pid)
        held = processes.memory(_PROC, tree)
        log = engine.log_path.read_text(errors="replace")
    return Filled(
        resident=Missing("not_exposed", "this system does not tell a process's memory")
        if held is None
        else Measured(held.peak, "client"),
        buffers=llama_buffers.read(log),
        tokens=wanted,
        prompt_tps=_speed(answers, "prompt_per_second"),
        output_tps=_speed(answers, "predicted_per_second"),
    )


def _prompt(slot: int, tokens: int, answer: int) -> bytes:
    words = [_FIRST_WORD + (slot * _APART + at * _STEP) % _WORDS for at in range(tokens)]
    asked = {"prompt": words, "n_predict": answer, "cache_prompt": False, "temperature": 0}
    return json.dumps(asked | {"ignore_eos": True}).encode()


def _ask(engine: RunningEngine, body: bytes, limit_s: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection(engine.host, engine.port, timeout=limit_s)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/completion", body, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        state = "is up" if engine.alive() else f"has died: {host.last_lines(engine.log_path)}"
        raise EngineError(f"the engine gave no answer ({error}); it {state}") from None
    finally:
        connection.close()
    if answer.status != _OK:
        raise EngineError(f"the engine refused a prompt: {answer.status} {text[:300]}")
    found: dict[str, Any] = json.loads(text)
    return found


def _speed(answers: Sequence[dict[str, Any]], key: str) -> Reading[float]:
    found = [timings.get(key) for one in answers if isinstance(timings := one.get("timings"), dict)]
    values = [float(value) for value in found if isinstance(value, int | float) and value > 0]
    if not values:
        return Missing("not_reported", f"the engine told no {key}")
    return Measured(statistics.mean(values), "engine")
