"""How many weights packed tensors hold, and by which scheme: from names and types, then config.

Quantised weights lie as words of several weights each with scales beside them. What a tensor is,
its own name and type show (`qweight`, `weight_packed`, `…_blocks`, …); the config is asked for what
they cannot show: the bits of a word, and GPTQ from AWQ. A scheme that cannot be counted is refused,
never guessed. Opens no file. Sources: mlx-lm `quantization`; transformers
`quantization_config` of AutoGPTQ, AutoAWQ, bitsandbytes, fine-grained FP8, MXFP4 (gpt-oss), BitNet;
compressed-tensors' and ModelOpt's layouts; ExLlamaV2's and V3's tensor names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import UnreadableModel
from steelyard.models.safetensors import Tensor

_WORD: Final = 32
_TRELLIS: Final = 3
_FLOATS8: Final = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
# Tensors that only serve the weights beside them, by the last part of their name.
_EXTRAS: Final = frozenset(
    {"qzeros", "scales", "g_idx", "weight_scale", "weight_scale_inv", "weight_scale_2"}
    | {"weight_shape", "weight_zero_point", "weight_g_idx", "weight_global_scale", "input_scale"}
    | {"input_global_scale", "input_zero_point", "output_scale", "k_scale", "v_scale"}
    | {"absmax", "quant_map", "nested_absmax", "nested_quant_map", "SCB", "weight_format"}
    | {"bitsandbytes__nf4", "bitsandbytes__fp4", "activation_scale", "activation_scale_ub"}
    | {"q_scale", "q_scale_max", "q_groups", "q_group_map", "q_invperm", "q_perm"}
    | {"suh", "svh", "su", "sv", "mcg", "mul1"}
)
# What no rule below counts: codebooks, lattices, or layouts that keep their shape elsewhere.
_UNCOUNTED: Final = frozenset(
    {"aqlm", "vptq", "quip", "quip#", "spqr", "higgs", "hqq", "quanto", "torchao", "sinq"}
)


@final
@dataclass(frozen=True, slots=True)
class Weights:
    """One tensor as weights: `kind` is what they are stored as; empty for what only serves."""

    name: str
    kind: str
    elements: int
    size_bytes: int


@final
@dataclass(frozen=True, slots=True)
class Scheme:
    """What a config says of how its weights are packed; `method` is empty where they are not."""

    method: str
    bits: int = 0
    detail: str = ""
    layers: Mapping[str, int] | None = None

    def bits_of(self, stem: str) -> int:
        """Return the bits of a layer's weights."""
        return (self.layers or {}).get(stem, self.bits)


def scheme(config: Mapping[str, Any]) -> Scheme:
    """Read `quantization` (mlx-lm) or `quantization_config` (transformers) of a config."""
    own = config.get("quantization")
    if isinstance(own, dict) and _bits(own):
        layers = {
            name: _bits(layer)
            for name, layer in own.items()
            if isinstance(layer, dict) and _bits(layer)
        }
        return Scheme("mlx", _bits(own), str(own.get("mode", "affine")), layers)
    found = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(found, dict):
        return Scheme("")
    method = str(found.get("quant_method") or found.get("quant_algo") or "unnamed").lower()
    if method == "bitsandbytes":
        kind = str(found.get("bnb_4bit_quant_type", "fp4"))
        return Scheme(method, 4 if found.get("load_in_4bit") else 8, kind)
    return Scheme(method, _bits(found), str(found.get("format", "")))


def weights(tensors: Iterable[Tensor], how: Scheme, folder: Path) -> tuple[Weights, ...]:
    """Say of each tensor how many weights it holds, stored as what.

    Raises `UnreadableModel` for packed weights that the table and the config do not tell.
    """
    if how.method in _UNCOUNTED:
        raise _untold(folder, f"its weights are packed by {how.method}")
    every = list(tensors)
    look = _Look(how, {tensor.name: tensor.shape for tensor in every}, folder)
    return tuple(look.at(tensor) for tensor in every)


@final
@dataclass(frozen=True, slots=True)
class _Look:
    """A tensor is judged by its name, its type, and what lies beside it."""

    how: Scheme
    shapes: Mapping[str, Sequence[int]]
    folder: Path

    def at(self, tensor: Tensor) -> Weights:
        """Return a tensor as weights."""
        stem, _, last = tensor.name.rpartition(".")
        if self._serves(stem, last):
            return Weights(tensor.name, "", 0, tensor.size_bytes)
        kind, count = self._packed(tensor, stem, last) or (tensor.dtype, tensor.elements)
        return Weights(tensor.name, kind, count, tensor.size_bytes)

    def _serves(self, stem: str, last: str) -> bool:
        if last in _EXTRAS or last.startswith("quant_state"):
            return True
        if self.how.method == "mlx" and last == "biases":
            return True
        # gpt-oss: `gate_up_proj_blocks` with `gate_up_proj_scales`
        blocks = f"{stem}.{last.removesuffix('_scales')}_blocks"
        return last.endswith("_scales") and blocks in self.shapes

    def _packed(self, tensor: Tensor, stem: str, last: str) -> tuple[str, int] | None:
        """Return kind and number of packed weights, or None for a tensor that is what it says."""
        dtype, count = tensor.dtype, tensor.elements
        if last == "trellis" and len(tensor.shape) == _TRELLIS:
            rows, columns, words = tensor.shape
            return f"EXL3_{words // 16}", rows * columns * 256
        if last == "q_weight" and f"{stem}.q_invperm" in self.shapes:
            return "EXL2", self.shapes[f"{stem}.q_invperm"][0] * tensor.shape[-1]
        if last.endswith("_blocks") and dtype == "U8":
            return "MXFP4", count * 2
        if last == "qweight" and dtype in ("I32", "U32"):
            bits = self._bits(stem)
            family = "AWQ" if self.how.method == "awq" else "GPTQ"
            return f"{family}{bits}", count * _WORD // bits
        if last == "weight_packed":
            return self._pressed(tensor, stem)
        return self._plain(tensor, stem) if last == "weight" else None

    def _pressed(self, tensor: Tensor, stem: str) -> tuple[str, int]:
        """Return the same of a tensor of compressed-tensors."""
        if f"{stem}.weight_global_scale" in self.shapes:
            return "NVFP4", tensor.elements * 2
        if "mxfp4" in self.how.detail:
            return "MXFP4", tensor.elements * 2
        bits = self._bits(stem)
        return f"INT{bits}", tensor.size_bytes * 8 // bits

    def _plain(self, tensor: Tensor, stem: str) -> tuple[str, int] | None:
        """Return the same of a tensor that has a plain weight's name."""
        dtype, count = tensor.dtype, tensor.elements
        if self.how.method == "mlx" and dtype == "U32" and f"{stem}.scales" in self.shapes:
            bits = self._bits(stem)
            return f"MLX{bits}", count * _WORD // bits
        if dtype == "U8" and f"{stem}.weight.absmax" in self.shapes:
            return ("NF4" if self.how.detail.lower() == "nf4" else "FP4"), count * 2
        if dtype == "U8" and f"{stem}.weight_scale_2" in self.shapes:
            return "NVFP4", count * 2
        if dtype == "U8" and self.how.method == "bitnet":
            return "BITNET", count * 4
        if dtype in _FLOATS8:
            return "FP8", count
        return ("INT8", count) if dtype == "I8" else None

    def _bits(self, stem: str) -> int:
        bits = self.how.bits_of(stem)
        if not bits:
            raise _untold(self.folder, f"{stem} is packed, and no config says in how many bits")
        return bits


def _bits(found: Mapping[str, Any]) -> int:
    value = found.get("bits", found.get("w_bit"))
    groups = found.get("config_groups")
    if value is None and isinstance(groups, dict):
        first = next(iter(groups.values()), None)
        inner = first.get("weights") if isinstance(first, dict) else None
        value = inner.get("num_bits") if isinstance(inner, dict) else None
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _WORD
    return int(value) if good and value is not None else 0


def _untold(folder: Path, why: str) -> UnreadableModel:
    return UnreadableModel(
        f"{folder.name} cannot be counted: {why}",
        hint="its table does not tell how many weights it holds, and nothing is guessed",
    )
