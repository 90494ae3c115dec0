"""What of a GPU a fit frontier searches: its room, the layers that were named, and why not more.

Takes the devices that are here from its caller. Not aware of how they are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured
from steelyard.engines.devices import ALL_LAYERS, CPU
from steelyard.platform.accelerators import Accelerator

Skipped: TypeAlias = tuple[tuple[str, str], ...]
LAYERS: Final = "GPU layers"
EXPERTS: Final = "expert offload"


@final
@dataclass(frozen=True, slots=True)
class Gpu:
    """Room on a GPU in bytes, None without one; layers that were named; axes that fall away."""

    bytes: int | None = None
    layers: tuple[int, ...] | None = None
    skipped: Skipped = ()


def without(layers: tuple[int, ...] | None, device: str | None, why: str) -> Gpu:
    """Return that nothing is put on a GPU; refuse layers that were asked for all the same."""
    if device == CPU:
        why = "--device cpu was asked for"
    if layers is not None and any(layers):
        raise BadInput(
            f"layers on a GPU were asked for, and none is used: {why}",
            hint="leave out --device cpu, or the layers",
        )
    return Gpu(skipped=((LAYERS, why), (EXPERTS, why)))


def on(
    device: str,
    here: Sequence[Accelerator],
    *,
    memory: int | None,
    layers: tuple[int, ...] | None,
    mixture: bool,
) -> Gpu:
    """Return what is searched on a device; `memory` is the room that was asked for."""
    found = next((each for each in here if each.id == device), None)
    if found is not None and isinstance(found.memory_bytes, Measured):
        own = found.memory_bytes.value
        room = own if memory is None else min(own, memory)
    elif memory is not None:
        room = memory
    else:
        raise BadInput(
            f"{device} does not tell how much memory it has", hint="say it with --memory"
        )
    skipped: Skipped = ()
    if not mixture:
        skipped = ((EXPERTS, "the model is no mixture of experts"),)
    elif layers is not None:
        skipped = ((EXPERTS, "what lies on the GPU was said"),)
    return Gpu(room, layers, skipped)


def read_layers(words: tuple[str, ...] | None) -> tuple[int, ...] | None:
    """Read `0,20,all`."""
    if words is None:
        return None
    found = []
    for word in words:
        if word == "all":
            found.append(ALL_LAYERS)
        elif word.isdecimal() and int(word) < ALL_LAYERS:
            found.append(int(word))
        else:
            raise BadInput(f"--gpu-layers {word!r} is no number of layers", hint="write 0,20,all")
    return tuple(found)
