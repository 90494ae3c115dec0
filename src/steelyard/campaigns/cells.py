"""The cells of a fit frontier: quant × cache types × what lies on a GPU × draft, as a grid.

A cell is what one engine is started with. Pure; not aware of files, machines or measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

from steelyard.domain.errors import BadInput
from steelyard.domain.subject import EngineProfile
from steelyard.engines.devices import ALL_LAYERS
from steelyard.engines.llamacpp import FULL_PRECISION_KV
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models.offload import Placing

ASIDE: Final = "--n-cpu-moe"


@final
@dataclass(frozen=True, slots=True)
class Kv:
    """The types of keys and values in the cache."""

    keys: str
    values: str

    @property
    def name(self) -> str:
        """As users write it."""
        return self.keys if self.keys == self.values else f"{self.keys}/{self.values}"

    @property
    def bits(self) -> float:
        """Bits of a key and a value."""
        return sum(BY_NAME[name.upper()].bits_per_weight for name in (self.keys, self.values))

    @classmethod
    def read(cls, text: str) -> Kv:
        """Read `q8_0`, or `q8_0/q4_0` for keys and values of different types."""
        keys, slash, values = text.strip().lower().partition("/")
        found = cls(keys, values if slash else keys)
        if found.keys.upper() not in BY_NAME or found.values.upper() not in BY_NAME:
            raise BadInput(
                f"{text!r} names no types of a cache",
                hint="write f16, q8_0, or q8_0/q4_0 for keys and values of different types",
            )
        return found


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to be run: `quant` is the label of a file."""

    quant: str
    kv: Kv
    placing: Placing = field(default_factory=Placing)
    draft: bool = False

    @property
    def name(self) -> str:
        """What tells it from the others, in words."""
        parts = [self.quant, f"kv {self.kv.name}"]
        if self.placing.gpu_layers:
            parts.append(f"{layers_word(self.placing.gpu_layers)} on GPU")
        if self.placing.experts_aside:
            parts.append(f"experts of {self.placing.experts_aside} layers on CPU")
        if self.draft:
            parts.append("draft")
        return ", ".join(parts)

    def profile(self, base: EngineProfile, draft_sha256: str | None) -> EngineProfile:
        """Return what its engine is started with; quantised values need flash attention."""
        aside = self.placing.experts_aside
        more = (ASIDE, str(aside)) if aside else ()
        return replace(
            base,
            kv_type=self.kv.keys,
            kv_type_v=None if self.kv.values == self.kv.keys else self.kv.values,
            flash_attention=base.flash_attention or self.kv.values not in FULL_PRECISION_KV,
            gpu_layers=self.placing.gpu_layers,
            extra_args=(*base.extra_args, *more),
            draft_sha256=draft_sha256 if self.draft else None,
        )


def grid(
    quants: Sequence[str],
    kvs: Sequence[Kv],
    placings: Mapping[tuple[str, Kv], Sequence[Placing]],
    *,
    draft: bool,
) -> Iterator[Cell]:
    """Yield every cell; those without a draft come before those with it."""
    for quant in quants:
        for kv in kvs:
            for placing in placings[quant, kv]:
                yield Cell(quant, kv, placing)
                if draft:
                    yield Cell(quant, kv, placing, draft=True)


def layers_word(layers: int) -> str:
    """Say so many layers."""
    return "all layers" if layers >= ALL_LAYERS else f"{layers} layers"
