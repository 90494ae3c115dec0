"""ggml's tensor types: identity, block length and block bytes. Pure; a test asks the library.

Source: `ggml_type`, `ggml_blck_size` and `ggml_type_size` of ggml. Types that ggml has removed are
kept by name, so that a reader can say why it refuses them; those of ik_llama.cpp (`ggml.h` and the
row sizes of `ggml.c` in ikawrakow/ik_llama.cpp, 2026-11) are known, so that its files can be told
apart and read about, and are loaded by nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final


@final
@dataclass(frozen=True, slots=True)
class TensorType:
    """One way to store weights: `block` consecutive weights of a row take `block_bytes` bytes.

    Each row begins with `row_bytes_more`, a scale of its own, in some types of ik_llama.cpp.
    """

    id: int
    name: str
    block: int
    block_bytes: int
    row_bytes_more: int = 0

    @property
    def quantised(self) -> bool:
        """Whether weights share a block (and so lost precision together)."""
        return self.block > 1

    @property
    def bits_per_weight(self) -> float:
        """Bits that one weight takes."""
        return 8.0 * self.block_bytes / self.block

    def row_bytes(self, elements: int) -> int:
        """Return the bytes of one row; `elements` must be a multiple of the block."""
        return self.row_bytes_more + elements // self.block * self.block_bytes


_TABLE: Final = (
    *(TensorType(0, "F32", 1, 4), TensorType(1, "F16", 1, 2), TensorType(2, "Q4_0", 32, 18)),
    *(TensorType(3, "Q4_1", 32, 20), TensorType(6, "Q5_0", 32, 22), TensorType(7, "Q5_1", 32, 24)),
    *(
        TensorType(8, "Q8_0", 32, 34),
        TensorType(9, "Q8_1", 32, 36),
        TensorType(10, "Q2_K", 256, 84),
    ),
    *(TensorType(11, "Q3_K", 256, 110), TensorType(12, "Q4_K", 256, 144)),
    *(TensorType(13, "Q5_K", 256, 176), TensorType(14, "Q6_K", 256, 210)),
    *(TensorType(15, "Q8_K", 256, 292), TensorType(16, "IQ2_XXS", 256, 66)),
    *(TensorType(17, "IQ2_XS", 256, 74), TensorType(18, "IQ3_XXS", 256, 98)),
    *(TensorType(19, "IQ1_S", 256, 50), TensorType(20, "IQ4_NL", 32, 18)),
    *(TensorType(21, "IQ3_S", 256, 110), TensorType(22, "IQ2_S", 256, 82)),
    *(TensorType(23, "IQ4_XS", 256, 136), TensorType(24, "I8", 1, 1), TensorType(25, "I16", 1, 2)),
    *(TensorType(26, "I32", 1, 4), TensorType(27, "I64", 1, 8), TensorType(28, "F64", 1, 8)),
    *(TensorType(29, "IQ1_M", 256, 56), TensorType(30, "BF16", 1, 2)),
    *(TensorType(34, "TQ1_0", 256, 54), TensorType(35, "TQ2_0", 256, 66)),
    *(TensorType(39, "MXFP4", 32, 17), TensorType(40, "NVFP4", 64, 36)),
    *(TensorType(41, "Q1_0", 128, 18), TensorType(42, "Q2_0", 64, 18)),
)
_IK: Final = (
    *(TensorType(133, "Q6_0", 32, 26), TensorType(137, "IQ2_K", 256, 76)),
    *(TensorType(138, "IQ3_K", 256, 110), TensorType(139, "IQ4_K", 256, 144)),
    *(TensorType(140, "IQ5_K", 256, 176), TensorType(141, "IQ6_K", 256, 212)),
    *(TensorType(144, "IQ4_KS", 256, 136, 4), TensorType(145, "IQ2_KS", 256, 70, 2)),
    *(TensorType(146, "IQ4_KSS", 256, 128, 4), TensorType(152, "IQ5_KS", 256, 168, 4)),
    *(TensorType(153, "IQ2_KT", 256, 68, 4), TensorType(154, "IQ3_KT", 256, 100, 4)),
    *(TensorType(155, "IQ4_KT", 256, 128, 4), TensorType(156, "IQ3_KS", 256, 102, 2)),
    *(TensorType(157, "IQ2_KL", 256, 86, 2), TensorType(158, "IQ1_KT", 256, 56, 4)),
)
_ALL: Final = (*_TABLE, *_IK)
BY_ID: Final[Mapping[int, TensorType]] = MappingProxyType({kind.id: kind for kind in _ALL})
BY_NAME: Final[Mapping[str, TensorType]] = MappingProxyType({kind.name: kind for kind in _ALL})
OF_IK: Final[frozenset[str]] = frozenset(kind.name for kind in _IK)

REMOVED: Final[Mapping[int, str]] = MappingProxyType(
    {
        4: "Q4_2",
        5: "Q4_3",
        31: "Q4_0_4_4",
        32: "Q4_0_4_8",
        33: "Q4_0_8_8",
        36: "IQ4_NL_4_4",
        37: "IQ4_NL_4_8",
        38: "IQ4_NL_8_8",
    }
)
