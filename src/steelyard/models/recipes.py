"""Which tensor type each tensor of a model becomes under a quant's name.

The rules are llama.cpp's, restated: a full run of them gives the types that `llama-quantize` gives,
tensor by tensor, and the check proves it against the real one. Not aware of files or kernels.
Source: `llama_tensor_get_type_impl`, `tensor_allows_quantization` and `tensor_type_fallback` in
src/llama-quant.cpp. Families whose rules are not restated are refused, never guessed.
"""

# ruff: noqa: PLR2004 -- the numbers are the rules: layers, heads and experts as llama.cpp counts

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.llamalib.tensor_types import BY_NAME, TensorType
from steelyard.models.gguf import Tensor
from steelyard.models.quants import BY_NAME as QUANTS
from steelyard.models.quants import Quant

Role: TypeAlias = Literal[
    "embedding",
    "output",
    "attn_v",
    "attn_k",
    "attn_q",
    "attn_output",
    "ffn_down",
    "ffn_gate",
    "ffn_up",
    "other",
]

_NOT_RESTATED: Final = frozenset({"falcon"})
_EMBEDDINGS: Final = ("token_embd.weight", "per_layer_token_embd.weight")
# The order decides: `attn_qkv.weight` must be seen before `attn_v.weight` would be.
_ROLES: Final[tuple[tuple[str, Role], ...]] = (
    *(("attn_qkv.weight", "attn_v"), ("attn_kv_b.weight", "attn_v"), ("attn_v.weight", "attn_v")),
    *(("attn_k.weight", "attn_k"), ("attn_q.weight", "attn_q")),
    *(("attn_output.weight", "attn_output"), ("ffn_up", "ffn_up"), ("ffn_gate", "ffn_gate")),
    ("ffn_down", "ffn_down"),
)
_NEVER: Final = (
    *("_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel"),
    *("per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight"),
    *("indexer.q_proj.weight", "attn_rel_b.weight", ".position_embd", "sam.pos_embd", "sam.neck."),
    *("sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd"),
    *("time_mix_first.weight", "time_mix_lerp_fused.weight", "time_mix_decay_w1.weight"),
    *("time_mix_decay_w2.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight"),
    *("time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight"),
    *("time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight"),
)
_NEVER_WHOLE: Final = ("position_embd.weight", "token_types.weight")
# Where a row does not fit a block of 256: the type with blocks of 32 that llama.cpp takes instead.
_FALLBACK: Final = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"), "IQ4_NL"),
    **dict.fromkeys(("IQ3_S", "IQ4_XS"), "IQ4_NL"),
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
_LOWEST: Final = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
IMATRIX_TYPES: Final = frozenset({"IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_M", "IQ1_S"})
_BLOCK: Final = re.compile(r"^blk\.(\d+)\.")


@final
@dataclass(frozen=True, slots=True)
class ModelShape:
    """What the rules need to know of a model: its family, layers, heads and experts."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int
    experts: int = 0

    @property
    def queries_per_key(self) -> int:
        """Query heads that share one key head."""
        return self.heads // self.kv_heads if self.kv_heads else 0

    @property
    def is_llama_70b(self) -> bool:
        """The one model size with a rule of its own."""
        grouped = self.heads != self.kv_heads
        return self.architecture == "llama" and self.layers == 80 and grouped


@final
@dataclass(frozen=True, slots=True)
class Target:
    """One tensor and the type it is to become."""

    tensor: Tensor
    type: TensorType
    needs_imatrix: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor in its new type."""
        return self.tensor.elements // self.type.block * self.type.block_bytes


def file_order(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return tensors in the order of llama.cpp's own files: by layer, then by name."""

    def key(tensor: Tensor) -> tuple[int, bytes]:
        match = _BLOCK.match(tensor.name)
        return (int(match[1]) if match else -1, tensor.name.encode())

    return sorted(tensors, key=key)


def role_of(name: str) -> Role:
    """Return the role that decides a tensor's type."""
    if name == "output.weight":
        return "output"
    if name in _EMBEDDINGS:
        return "embedding"
    return next((role for part, role in _ROLES if part in name), "other")


def may_quantise(tensor: Tensor) -> bool:
    """Whether a tensor is a matrix that tolerates fewer bits."""
    shape = list(tensor.shape)
    while shape and shape[-1] == 1:
        shape.pop()
    name = tensor.name
    if len(shape) < 2 or not name.endswith("weight") or name in _NEVER_WHOLE:
        return False
    return not any(part in name for part in _NEVER)


def plan(
    quant: Quant,
    tensors: Sequence[Tensor],
    shape: ModelShape,
    *,
    imatrix: bool,
    exact: bool = True,
    fall_back: bool = False,
) -> list[Target]:
    """Choose every tensor's type; raise `UnsupportedSubject` where rows do not fit the quant.

    Without `exact` the answer only serves to foresee a size: somebody else will choose. With
    `fall_back` rows that do not fit take llama.cpp's smaller blocks, as published files do.
    """
    if exact and shape.architecture in _NOT_RESTATED:
        raise UnsupportedSubject(
            f"the type rules for {shape.architecture!r} models are not restated here",
            hint="use --runtime native, which asks llama-quantize itself",
        )
    ordered = file_order(tensors)
    if not fall_back:
        _refuse_misfit(quant, ordered)
    return _Chooser(quant, ordered, shape, imatrix=imatrix).targets()


def fitting(tensors: Iterable[Tensor], near: Quant) -> list[str]:
    """Return the quants whose blocks fit every row, nearest in bits first."""
    rows = [tensor.shape[0] for tensor in tensors if may_quantise(tensor)]
    wanted = BY_NAME[near.default].bits_per_weight
    fits = [
        quant
        for quant in QUANTS.values()
        if quant.default not in ("F32", "BF16")
        and all(row % BY_NAME[quant.default].block == 0 for row in rows)
    ]
    fits.sort(key=lambda quant: abs(BY_NAME[quant.default].bits_per_weight - wanted))
    return [quant.name for quant in fits]


def _refuse_misfit(quant: Quant, tensors: Sequence[Tensor]) -> None:
    block = BY_NAME[quant.default].block
    for tensor in tensors:
        if may_quantise(tensor) and tensor.shape[0] % block:
            near = ", ".join(fitting(tensors, quant)[:4])
            raise UnsupportedSubject(
                f"{quant.name} stores blocks of {block} weights, and the rows of"
                f" {tensor.name!r} have {tensor.shape[0]}",
                hint=f"quants that fit this model: {near}",
            )


@final
class _Chooser:
    """Walks the tensors in file order, counting roles, since some rules ask for the n-th."""

    __slots__ = ("_quant", "_seen", "_shape", "_tensors", "_tied", "_values", "_with_imatrix")

    def __init__(
        self, quant: Quant, tensors: Sequence[Tensor], shape: ModelShape, *, imatrix: bool
    ) -> None:
        self._quant, self._tensors, self._shape = quant, tensors, shape
        self._with_imatrix = imatrix
        roles = [role_of(tensor.name) for tensor in tensors]
        self._tied = "output" not in roles
        self._values = roles.count("attn_v")
        self._seen: dict[str, int] = {}

    def targets(self) -> list[Target]:
        return [self._target(tensor) for tensor in self._tensors]

    def _target(self, tensor: Tensor) -> Target:
        if not may_quantise(tensor):
            return Target(tensor, tensor.type, needs_imatrix=False)
        default = BY_NAME[self._quant.default]
        kind = BY_NAME[self._choose(tensor)] if default.quantised else default
        kind = _fit(kind, tensor.shape[0])
        return Target(tensor, kind, _needs_imatrix(tensor.name, kind, self._quant))

    def _choose(self, tensor: Tensor) -> str:
        role = role_of(tensor.name)
        if role == "output" or (role == "embedding" and self._tied):
            return self._output(tensor)
        if role == "embedding":
            return self._embedding()
        index = self._seen.get(role, 0)
        self._seen[role] = index + 1
        if self._quant.name in _LOWEST:
            return self._lowest(role, index)
        if role == "attn_v":
            return self._value(index)
        if role in ("attn_k", "attn_q"):
            return self._key_or_query(role)
        if role == "attn_output":
            return self._attention_output()
        if role.startswith("ffn"):
            return self._feed_forward(role, self._layer(tensor, index))
        return self._quant.default

    def _output(self, tensor: Tensor) -> str:
        default = BY_NAME[self._quant.default]
        if tensor.shape[0] % default.block:
            return "Q8_0"
        if self._quant.name in _LOWEST or self._quant.name == "IQ3_XXS":
            return "Q5_K"
        return "Q8_0" if default.name == "Q8_0" else "Q6_K"

    def _embedding(self) -> str:
        name = self._quant.name
        if name in ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"):
            return "Q2_K"
        return "IQ3_S" if name in ("IQ2_S", "IQ2_M", "IQ3_XXS") else self._quant.default

    def _lowest(self, role: Role, index: int) -> str:
        better = "IQ3_S" if self._quant.name in ("IQ2_S", "IQ2_M") else "Q2_K"
        eight = self._shape.experts == 8
        if role == "attn_v":
            shared = self._shape.queries_per_key >= 4 or self._shape.experts >= 4
            return "Q4_K" if shared else better
        if role == "attn_k" and eight:
            return "Q4_K"
        if role == "ffn_down" and index < self._shape.layers // 8:
            return better
        if role == "attn_output":
            return "Q5_K" if eight else self._lowest_attention_output()
        return self._quant.default

    def _lowest_attention_output(self) -> str:
        if self._quant.name in ("IQ1_S", "IQ1_M"):
            return "IQ2_XXS"
        return "IQ3_S" if self._quant.name in ("IQ2_S", "IQ2_M") else self._quant.default

    def _value(self, index: int) -> str:
        if self._shape.experts == 8:
            return "Q8_0"
        kind = self._value_by_quant(index)
        return "Q5_K" if self._shape.is_llama_70b and kind in ("Q3_K", "Q4_K") else kind

    def _value_by_quant(self, index: int) -> str:
        shared = self._shape.queries_per_key >= 4
        default = self._quant.default
        match self._quant.name:
            case "Q2_K":
                return "Q4_K" if shared else "Q3_K"
            case "IQ3_XXS":
                return "Q4_K" if shared else "IQ3_XXS" if self._with_imatrix else "IQ3_S"
            case "Q2_K_S" | "IQ3_XS" | "IQ3_S":
                return "Q4_K" if shared else default
            case "IQ3_M":
                return "Q4_K"
            case "Q3_K_M":
                return "Q5_K" if index < 2 else "Q4_K"
            case "Q3_K_L":
                return "Q5_K"
            case "IQ4_NL" | "IQ4_XS":
                return "Q5_K" if shared else default
            case "Q4_K_M" | "Q5_K_M":
                return "Q6_K" if _more_bits(index, self._values) else default
            case "Q4_K_S":
                return "Q5_K" if index < 4 else default
            case _:
                return default

    def _key_or_query(self, role: Role) -> str:
        if role == "attn_k" and self._shape.experts == 8:
            return "Q8_0"
        smaller = {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}
        return smaller.get(self._quant.name, self._quant.default)

    def _attention_output(self) -> str:
        name = self._quant.name
        if self._shape.experts == 8:
            kept = ("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q4_0", "Q4_1", "Q3_K_L")
            return self._quant.default if name in (*kept, "Q2_K_S") else "Q5_K"
        better = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}
        return {**better, "IQ3_M": "Q4_K"}.get(name, self._quant.default)

    def _feed_forward(self, role: Role, layer: int) -> str:
        layers = self._shape.layers
        if role == "ffn_down":
            return self._down(layer, layers)
        middle = layers // 8 <= layer < 7 * layers // 8
        return "IQ3_XXS" if self._quant.name == "IQ3_XS" and middle else self._quant.default

    def _down(self, layer: int, layers: int) -> str:
        early, default = layer < layers // 8, self._quant.default
        more, imatrix = _more_bits(layer, layers), self._with_imatrix
        rules: dict[str, tuple[bool, str]] = {
            "Q2_K": (True, "Q3_K"),
            "Q2_K_S": (early, "Q4_K"),
            "IQ3_XXS": (not imatrix, "Q4_K" if early else "Q3_K"),
            "Q3_K_M": (True, "Q5_K" if layer < layers // 16 else "Q4_K"),
            "IQ3_M": (early or (self._shape.experts == 8 and more), "Q4_K"),
            "Q3_K_L": (True, "Q5_K"),
            "Q4_K_M": (more, "Q6_K"),
            "Q5_K_M": (more, "Q6_K"),
            "IQ4_NL": (early and not imatrix, "Q5_K"),
            "IQ4_XS": (early and not imatrix, "Q5_K"),
            "Q4_K_S": (early, "Q5_K"),
            "Q4_0": (early and imatrix, "Q4_1"),
            "Q5_0": (early and imatrix, "Q5_1"),
        }
        applies, kind = rules.get(self._quant.name, (False, default))
        return kind if applies else default

    def _layer(self, tensor: Tensor, index: int) -> int:
        """Experts of one layer lie in several tensors, so their layer is read from the name."""
        if self._shape.experts <= 1:
            return index
        match = _BLOCK.match(tensor.name)
        if match is None or int(match[1]) >= self._shape.layers:
            raise UnsupportedSubject(
                f"tensor {tensor.name!r} belongs to no layer of this mixture of experts",
                hint="its block_count does not agree with its tensors: export it again",
            )
        return int(match[1])


def _more_bits(layer: int, layers: int) -> bool:
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def _fit(kind: TensorType, row: int) -> TensorType:
    if row % kind.block == 0:
        return kind
    smaller = BY_NAME[_FALLBACK[kind.name]]
    return smaller if row % smaller.block == 0 else BY_NAME["F16"]


def _needs_imatrix(name: str, kind: TensorType, quant: Quant) -> bool:
    if name in _EMBEDDINGS or name == "output.weight":
        return False
    return kind.name in IMATRIX_TYPES or (kind.name == "Q2_K" and quant.name == "Q2_K_S")
