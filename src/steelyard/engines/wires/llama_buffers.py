"""What llama.cpp's log says of the memory it asked for: weights, caches, buffers, in bytes.

Lines as llama.cpp b9870 and the pinned wheel write them while a model loads:
`CPU_REPACK model buffer size = 7.59 MiB`. The wheel's server writes them always, `llama-server`
only from `--verbosity 4` on. Not aware of what was expected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.engines import devices

_LINE: Final = re.compile(r"(\S+)\s+(model|KV|RS|compute|output) buffer size =\s*([\d.]+) MiB")
_MIB: Final = 1 << 20
_REORDERED: Final = "REPACK"


@final
@dataclass(frozen=True, slots=True)
class Buffers:
    """Bytes by what they are for. `reordered` are weights kept once more in another order."""

    weights: int
    reordered: int
    kv_cache: int
    state: int
    compute: int
    output: int

    @property
    def total(self) -> int:
        """All of them."""
        kept = self.kv_cache + self.state
        return self.weights + self.reordered + kept + self.compute + self.output


def on_devices(log: str) -> Reading[int]:
    """Add up the buffers that lie on a GPU; memory of the host that a GPU may reach is none."""
    found = _LINE.findall(log)
    if not found:
        return Missing("not_reported", "the engine's log does not tell the sizes of its buffers")
    there = (float(amount) for place, _, amount in found if _is_gpu(place))
    return Measured(int(sum(there) * _MIB), "engine")


def _is_gpu(place: str) -> bool:
    return devices.from_llama(place.removesuffix("_Mapped")) != devices.CPU


def read(log: str) -> Reading[Buffers]:
    """Add up the buffers that a log tells of."""
    sums: dict[str, float] = {}
    for place, kind, amount in _LINE.findall(log):
        name = "reordered" if kind == "model" and _REORDERED in place else kind
        sums[name] = sums.get(name, 0.0) + float(amount)
    if "model" not in sums or "compute" not in sums:
        return Missing("not_reported", "the engine's log does not tell the sizes of its buffers")
    found = {name: int(amount * _MIB) for name, amount in sums.items()}
    return Measured(
        Buffers(
            weights=found["model"],
            reordered=found.get("reordered", 0),
            kv_cache=found.get("KV", 0),
            state=found.get("RS", 0),
            compute=found["compute"],
            output=found.get("output", 0),
        ),
        "engine",
    )
