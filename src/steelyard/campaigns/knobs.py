"""What a search for settings may turn: candidates beside a baseline, the most promising first.

One knob each, and with it what the knob cannot do without (a quantised cache needs flash
attention, a micro-batch lies within its batch: the two sizes are one knob). Pure; not aware of
engines but by the keys of the engine profile that theirs takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from steelyard.campaigns.tuning import Candidate
from steelyard.domain.subject import EngineProfile

_MICRO: Final = (512, 256, 1024, 128, 2048)
_BATCH: Final = (2048, 512, 4096)
_KV: Final = ("q8_0", "f16")
_EXACT: Final = frozenset({"f16", "f32", "bf16"})


def candidates(
    base: EngineProfile, keys: frozenset[str], *, cores: int, streams: int
) -> tuple[Candidate, ...]:
    """Return what to try: `keys` are those that the engine takes, `streams` requests at a time."""
    found: dict[str, Candidate] = {}
    for knob, changes in _changes(base, cores, streams):
        wanted = {key: value for key, value in changes.items() if getattr(base, key) != value}
        if wanted and wanted.keys() <= keys and replace(base, **wanted) != base:
            name = ", ".join(f"{key} {_word(value)}" for key, value in wanted.items())
            found.setdefault(name, Candidate(name, wanted, (knob,)))
    return tuple(found.values())


def _changes(
    base: EngineProfile, cores: int, streams: int
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    exact = (base.kv_type_v or base.kv_type) in _EXACT
    if exact:
        yield "flash_attention", {"flash_attention": not base.flash_attention}
    yield "batch", _micro(base, _MICRO[0])
    yield "slots", {"slots": streams}
    yield "threads", {"threads": cores}
    yield "batch", _micro(base, _MICRO[1])
    yield "threads", {"threads": max(1, cores - 1)}
    yield "kv_type", _kv(base, _KV[0])
    for size in _MICRO[2:]:
        yield "batch", _micro(base, size)
    yield "slots", {"slots": max(1, streams // 2)}
    for size in _BATCH:
        yield "batch", {"batch_tokens": max(size, base.micro_batch_tokens)}
    yield "threads", {"threads": max(1, cores // 2)}
    yield "slots", {"slots": 1}
    yield "kv_type", _kv(base, _KV[1])


def _micro(base: EngineProfile, size: int) -> Mapping[str, Any]:
    return {"micro_batch_tokens": size, "batch_tokens": max(size, base.batch_tokens)}


def _kv(base: EngineProfile, name: str) -> Mapping[str, Any]:
    attention = base.flash_attention or name not in _EXACT
    return {"kv_type": name, "kv_type_v": None, "flash_attention": attention}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
