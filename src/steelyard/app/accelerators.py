"""Which device an engine computes on: what was asked, what is here, what its build can use.

Asking for what is not there is refused with what is there. Not aware of how an engine is told:
that is its dialect's (`engines.devices`).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.errors import BadInput, EngineError, UnknownName, UnsupportedSubject
from steelyard.domain.reading import Measured
from steelyard.domain.scaling import Skipped
from steelyard.engines import api, devices, images
from steelyard.engines.api import Contained
from steelyard.engines.images import RUNTIME
from steelyard.llamalib import devices as llama_devices
from steelyard.models.disk import size
from steelyard.platform import accelerators
from steelyard.platform.accelerators import Accelerator

AUTO: Final = "auto"
_SHOWS: Final = "`steelyard doctor` shows what is here"
_LLAMA: Final = "llamacpp"


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """The device to ask for, or None for the engine's own choice; `gpu_layers` beside it.

    `said` is for people: why it is this one, where that is worth a line.
    """

    device: str | None = None
    gpu_layers: int = 0
    said: str = ""


def choose(asked: str | None, engine: str, runtime: str) -> Choice:
    """Return what an engine is to compute on. Raises `BadInput` with what is there instead."""
    contained = runtime == RUNTIME
    able = _published(engine) if contained else api.dialect(engine).capabilities.devices
    if asked in (None, AUTO):
        if not able:
            return Choice()
        return _best_image(engine, able) if contained else _best(engine, runtime)
    device = _read(str(asked))
    if not able:
        raise UnsupportedSubject(
            f"{engine} cannot be told what to compute on; --device asks for {asked}",
            hint="leave --device out: it takes what its build is made for",
        )
    if device == devices.CPU and (device in able or not contained):
        return Choice(device)
    here = accelerators.detect()
    found = next((each for each in here if each.id == device), None)
    if found is None:
        raise BadInput(f"there is no {device} here", hint=f"there is {_listed(here)}")
    if found.unusable:
        raise BadInput(
            f"{device} ({found.name}) cannot be used: {found.unusable}",
            hint=f"there is {_listed(here)}",
        )
    if found.kind not in able:
        raise UnsupportedSubject(
            f"no image of {engine} is made for {found.kind}"
            if contained
            else f"{engine} does not compute on {found.kind}",
            hint=f"it takes {', '.join(sorted(able))}",
        )
    if engine == _LLAMA and not contained:
        _require_built_for(device, runtime)
    return Choice(device, devices.ALL_LAYERS)


def require_gpu(runtime: str, count: int = 1) -> None:
    """Raise `BadInput` unless llama.cpp can put layers on so many GPUs here."""
    there = len(llama_devices.gpus(runtime))
    if not there:
        raise BadInput(
            f"llama.cpp ({runtime}) can compute on no GPU here: layers on one cannot be had",
            hint="set gpu_layers to 0, or use --runtime native with a build for your GPU",
        )
    if there < count:
        raise BadInput(
            f"llama.cpp ({runtime}) can compute on {there} of the {count} GPUs that are asked for",
            hint=f"set gpus to {there}",
        )


def usable(engine: str, runtime: str) -> tuple[Accelerator, ...] | Skipped:
    """Return the GPUs that an engine's build computes on here, or why there is none.

    Asks drivers and the build; loads nothing.
    """
    here = [each for each in accelerators.detect() if each.kind != devices.CPU]
    ready = [each for each in here if not each.unusable]
    if not ready:
        why = f": {here[0].id} ({here[0].name}) cannot be used, {here[0].unusable}" if here else ""
        return Skipped("gpu", "no_gpu", f"this machine has no GPU that could be used{why}", _SHOWS)
    names = {devices.from_llama(name) for name, _ in llama_devices.gpus(runtime)}
    able = tuple(each for each in ready if each.id in names)
    if able:
        return able
    return Skipped(
        "gpu",
        "not_built",
        f"{engine} ({runtime}) is not built for {ready[0].id} ({ready[0].name})",
        "put a llama-server built for CUDA, HIP, Vulkan or Metal on PATH"
        + (" and use --runtime native" if runtime == "wheel" else ""),
    )


def lines(here: tuple[Accelerator, ...], runtime: str = "wheel") -> tuple[str, ...]:
    """Describe each device in one line, and say whether llama.cpp of this runtime computes on it.

    Empty words in place of a verdict where llama.cpp itself does not answer.
    """
    try:
        usable = {devices.from_llama(name) for name, _ in llama_devices.gpus(runtime)}
    except EngineError as error:
        return tuple(_line(each, f" · {error}") for each in here)
    return tuple(
        _line(
            each,
            ""
            if each.id == devices.CPU
            else f" · llama.cpp ({runtime}) uses it"
            if each.id in usable
            else f" · llama.cpp ({runtime}) is not built for it",
        )
        for each in here
    )


def _read(asked: str) -> str:
    kind, colon, number = asked.partition(":")
    if kind not in devices.KINDS:
        raise UnknownName.among("device", kind, (AUTO, *devices.KINDS))
    if kind == devices.CPU and not colon:
        return kind
    if kind == devices.CPU or (colon and not number.isdigit()):
        raise BadInput(f"{asked!r} is no device", hint="write cpu, cuda, or cuda:1")
    return f"{kind}:{int(number or 0)}"


def _best(engine: str, runtime: str) -> Choice:
    """Take the first GPU that is here and that llama.cpp is built for, else the processor."""
    here = [each for each in accelerators.detect() if each.kind != devices.CPU]
    ready = [each for each in here if not each.unusable]
    if engine != _LLAMA or not ready:
        return Choice()
    usable = {devices.from_llama(name) for name, _ in llama_devices.gpus(runtime)}
    first = next((each for each in ready if each.id in usable), None)
    if first is None:
        return Choice(
            said=f"{ready[0].name} is here, and llama.cpp ({runtime}) is not built for it: "
            "everything is computed on the processor"
        )
    return Choice(first.id, devices.ALL_LAYERS, f"computing on {first.id} ({first.name})")


def _published(engine: str) -> frozenset[str]:
    dialect = api.dialect(engine)
    found = dialect.images if isinstance(dialect, Contained) else ()
    return frozenset(images.kinds(found, platform.machine()))


def _best_image(engine: str, able: frozenset[str]) -> Choice:
    """Take the first GPU here that an image is made for, else the processor where one is."""
    here = [each for each in accelerators.detect() if each.kind != devices.CPU]
    for each in here:
        if not each.unusable and each.kind in able:
            said = f"computing on {each.id} ({each.name})"
            return Choice(each.id, devices.ALL_LAYERS, said)
    if devices.CPU in able:
        return Choice(devices.CPU)
    raise UnsupportedSubject(
        f"the images of {engine} compute on {', '.join(sorted(able))}, and there is none of these",
        hint="llamacpp and vllm have images for the processor too",
    )


def _require_built_for(device: str, runtime: str) -> None:
    names = {devices.from_llama(name): what for name, what in llama_devices.gpus(runtime)}
    if device not in names:
        there = ", ".join(f"{name} ({what})" for name, what in names.items())
        raise BadInput(
            f"llama.cpp ({runtime}) is not built for {device}: it computes on "
            f"{there or 'the processor only'}",
            hint="use --runtime native with a build for it on PATH"
            if runtime == "wheel"
            else "put a build for it on PATH",
        )


def _listed(here: tuple[Accelerator, ...]) -> str:
    return "; ".join(f"{each.id} ({each.name})" for each in here if not each.unusable)


def _line(each: Accelerator, verdict: str) -> str:
    parts = [each.name, each.architecture, each.driver]
    if isinstance(each.memory_bytes, Measured):
        parts.insert(1, size(each.memory_bytes.value))
    told = ", ".join(part for part in parts if part)
    return f"{each.id}: {told}{f' · NOT USABLE: {each.unusable}' if each.unusable else verdict}"
