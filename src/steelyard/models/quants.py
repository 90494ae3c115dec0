"""The names of quants: llama.cpp's file types, their default tensor type, and what a file shows.

A label is measured: the file's own claim (`general.file_type`) is believed only when the type that
most weights of the body have is one that such a file has. Not aware of recipes.
Source: `llama_ftype` in include/llama.h and `llama_ftype_get_default_type` in src/llama-quant.cpp.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

from steelyard.domain.errors import UnknownName
from steelyard.llamalib import tensor_types
from steelyard.models.gguf import Tensor

_FULL_PRECISION: Final = frozenset({"F32", "F16", "BF16", "F64"})
_NATIVE_LOW: Final = frozenset({"MXFP4", "NVFP4"})


@final
@dataclass(frozen=True, slots=True)
class Quant:
    """One file type: what people call it, its number in the file, what most tensors become."""

    name: str
    file_type: int
    default: str
    needs_imatrix: bool = False


_TABLE: Final = (
    *(Quant("F32", 0, "F32"), Quant("F16", 1, "F16"), Quant("BF16", 32, "BF16")),
    *(Quant("Q8_0", 7, "Q8_0"), Quant("Q6_K", 18, "Q6_K")),
    *(Quant("Q5_K_M", 17, "Q5_K"), Quant("Q5_K_S", 16, "Q5_K")),
    *(Quant("Q5_0", 8, "Q5_0"), Quant("Q5_1", 9, "Q5_1")),
    *(Quant("Q4_K_M", 15, "Q4_K"), Quant("Q4_K_S", 14, "Q4_K")),
    *(Quant("Q4_0", 2, "Q4_0"), Quant("Q4_1", 3, "Q4_1")),
    *(Quant("IQ4_NL", 25, "IQ4_NL"), Quant("IQ4_XS", 30, "IQ4_XS")),
    *(Quant("Q3_K_L", 13, "Q3_K"), Quant("Q3_K_M", 12, "Q3_K"), Quant("Q3_K_S", 11, "Q3_K")),
    *(Quant("IQ3_M", 27, "IQ3_S"), Quant("IQ3_S", 26, "IQ3_S")),
    *(Quant("IQ3_XS", 22, "IQ3_S", True), Quant("IQ3_XXS", 23, "IQ3_XXS", True)),
    *(Quant("Q2_K", 10, "Q2_K"), Quant("Q2_K_S", 21, "Q2_K", True)),
    *(Quant("IQ2_M", 29, "IQ2_S", True), Quant("IQ2_S", 28, "IQ2_XS", True)),
    *(Quant("IQ2_XS", 20, "IQ2_XS", True), Quant("IQ2_XXS", 19, "IQ2_XXS", True)),
    *(Quant("IQ1_M", 31, "IQ1_M", True), Quant("IQ1_S", 24, "IQ1_S", True)),
)
BY_NAME: Final[Mapping[str, Quant]] = MappingProxyType({quant.name: quant for quant in _TABLE})
_BY_FILE_TYPE: Final = {quant.file_type: quant for quant in _TABLE}
# Upgrades and downgrades of single tensors stay within these factors of the default's bits.
_SPREAD: Final = (0.7, 1.6)


def find(name: str) -> Quant:
    """Return the quant of that name, in any case; raise `UnknownName` with the nearest."""
    quant = BY_NAME.get(name.upper().replace("-", "_"))
    if quant is None:
        raise UnknownName.among("quant", name, BY_NAME)
    return quant


def measured_label(body: Iterable[Tensor], file_type: int) -> str:
    """Name the quant that the tensors show; `file_type` decides only between equals (…_S, …_M)."""
    histogram = Counter[str]()
    for tensor in body:
        if len(tensor.shape) > 1:
            histogram[tensor.type.name] += tensor.elements
    if not histogram:
        return "F32"
    dominant = histogram.most_common(1)[0][0]
    claimed = _BY_FILE_TYPE.get(file_type)
    if claimed is not None and _could_be(claimed, dominant, histogram):
        return claimed.name
    return dominant


def is_native(label: str) -> bool:
    """Whether a file of this quant can be a published original, and not a lossy copy of one."""
    return label in _FULL_PRECISION | _NATIVE_LOW


def _could_be(claimed: Quant, dominant: str, histogram: Mapping[str, int]) -> bool:
    if claimed.default == dominant:
        return True
    # Small models have more weights in the upgraded tensors than in the plain ones.
    default = tensor_types.BY_NAME[claimed.default].bits_per_weight
    ratio = tensor_types.BY_NAME[dominant].bits_per_weight / default
    return histogram.get(claimed.default, 0) > 0 and _SPREAD[0] <= ratio <= _SPREAD[1]
