"""What llama.cpp's log says of the settings in force, beside what the engine profile asked for.

Lines as llama.cpp b9870 and the pinned wheel write them while a model loads: `llama_context`,
`llama_kv_cache`, `load_tensors`. The wheel's server writes them always, `llama-server` only from
`--verbosity 4` on; what a log does not tell is not told here either. Not aware of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import AppliedControl, Controls
from steelyard.domain.subject import EngineProfile
from steelyard.engines import devices

_USUAL: Final = EngineProfile()
_OPEN: Final = "engine's choice"
_DETAILED: Final = "llama_context:"
_OFFLOADED: Final = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_DEVICE: Final = re.compile(r"using device (\S+)")
_DRAFT: Final = "loading draft model"
_PATTERNS: Final = {
    "batch_tokens": re.compile(r"llama_context: n_batch\s*= (\d+)"),
    "micro_batch_tokens": re.compile(r"llama_context: n_ubatch\s*= (\d+)"),
    "flash_attention": re.compile(r"llama_context: flash_attn\s*= (\w+)"),
    "kv_type": re.compile(r"llama_kv_cache: size = .*? K \((\w+)\)"),
    "kv_type_v": re.compile(r"llama_kv_cache: size = .*? V \((\w+)\)"),
}
_ATTENTION: Final = {"enabled": "on", "disabled": "off"}
_OFF: Final = "off"


def settings_readback(
    profile: EngineProfile, controls: Controls, log: str
) -> tuple[AppliedControl, ...]:
    """Read back what the profile sets beyond the usual, and what the engine computes on."""
    return (*_settings(profile, log), *_device(profile, controls, log))


def _settings(profile: EngineProfile, log: str) -> Iterator[AppliedControl]:
    # llama.cpp cuts a batch to the whole context, and a micro-batch to the batch.
    batch = min(profile.batch_tokens, profile.context_tokens * profile.slots)
    asked = {
        "batch_tokens": (profile.batch_tokens, str(batch)),
        "micro_batch_tokens": (
            profile.micro_batch_tokens,
            str(min(profile.micro_batch_tokens, batch)),
        ),
        "flash_attention": (profile.flash_attention, "on" if profile.flash_attention else _OFF),
        "kv_type": (profile.kv_type, profile.kv_type),
        "kv_type_v": (profile.kv_type_v, profile.kv_type_v or profile.kv_type),
    }
    for name, (set_to, in_words) in asked.items():
        if set_to != getattr(_USUAL, name):
            cut = str(set_to) if name.endswith("_tokens") and str(set_to) != in_words else None
            yield AppliedControl(name, in_words, _told(name, log), cut)
    if profile.draft_sha256 is not None:
        yield AppliedControl("draft_model", "on", _draft(log))


def _told(name: str, log: str) -> Reading[str]:
    found = _PATTERNS[name].search(log)
    if found is None:
        return _silent(name)
    return Measured(_ATTENTION.get(found[1], found[1]), "engine")


def _draft(log: str) -> Reading[str]:
    if _DETAILED in log or _DRAFT in log:
        return Measured("on" if _DRAFT in log else _OFF, "engine")
    return _silent("draft_model")


def _device(profile: EngineProfile, controls: Controls, log: str) -> Iterator[AppliedControl]:
    wanted = controls.device
    if wanted is None and not profile.gpu_layers:
        if _DETAILED in log:
            yield AppliedControl("device", _OPEN, Measured(_used(log), "engine"))
        return
    used = Measured(_used(log), "engine") if _DETAILED in log else _silent("device")
    yield AppliedControl("device", _named(wanted, profile.gpus), used)
    layers = _OFFLOADED.search(log)
    asked = 0 if wanted == devices.CPU else profile.gpu_layers
    over = str(profile.gpu_layers) if asked != profile.gpu_layers else None
    if layers is not None:
        there = int(layers[2])
        told: Reading[str] = Measured(layers[1], "engine")
        yield AppliedControl("gpu_layers", str(min(asked, there)), told, over)
    else:
        # A build without a GPU does not speak of layers on one.
        none = Measured("0", "engine") if _DETAILED in log else _silent("gpu_layers")
        yield AppliedControl("gpu_layers", str(asked), none, over)


def _named(device: str | None, gpus: int) -> str:
    """Return the devices that were asked for: several GPUs are those from the named one on."""
    if device is None or device == devices.CPU:
        return device or _OPEN
    kind, number = devices.split(device)
    return ", ".join(f"{kind}:{number + each}" for each in range(gpus))


def _used(log: str) -> str:
    found = dict.fromkeys(devices.from_llama(name) for name in _DEVICE.findall(log))
    return ", ".join(found) or devices.CPU


def _silent(name: str) -> Missing:
    return Missing(
        "not_controllable", f"{name} was given to llama-server, whose log does not repeat it"
    )
