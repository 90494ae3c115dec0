"""The shapes of published models: layers, heads, widths, vocabulary; and the tensors they have.

A shape says how large a model is and what it keeps in memory, before a byte of it is fetched; with
random weights it becomes a file (`models.synth`). Numbers: the `config.json` that each publisher
ships. Names and order of tensors: llama.cpp's own files. Not aware of quants or of engines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, final

from steelyard.domain.errors import UnknownName

PerLayer: TypeAlias = int | tuple[int, ...]
Lengths: TypeAlias = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Shape:
    """One published model. Where layers differ, a number is a tuple with one entry a layer.

    `window` is the sliding window, which all layers but every `full_every`-th have; `feed_forward`
    is one expert's width in a mixture. `settings` are numbers of the architecture's own.
    """

    name: str
    architecture: str
    layers: int
    width: int
    heads: PerLayer
    kv_heads: PerLayer
    head_dim: int
    feed_forward: PerLayer
    vocabulary: int
    context: int
    tied: bool = True
    rope_base: float = 10_000.0
    window: int = 0
    full_every: int = 0
    experts: int = 0
    experts_used: int = 0
    qkv_bias: bool = False
    qk_norm: int = 0
    post_norms: bool = False
    rope_factors: bool = False
    fused_qkv: bool = False
    settings: tuple[tuple[str, float], ...] = ()

    def at(self, value: PerLayer, layer: int) -> int:
        """Return what a number is at one layer."""
        return value if isinstance(value, int) else value[layer]

    def most(self, value: PerLayer) -> int:
        """Return the largest that a number is at any layer."""
        return value if isinstance(value, int) else max(value)

    def tensors(self) -> Iterator[tuple[str, Lengths]]:
        """Yield the name and lengths of every tensor, the row's length first."""
        yield "token_embd.weight", (self.width, self.vocabulary)
        if self.rope_factors:
            yield "rope_freqs.weight", (self.head_dim // 2,)
        for layer in range(self.layers):
            for name, lengths in (*self._attention(layer), *self._feed_forward(layer)):
                yield f"blk.{layer}.{name}", lengths
        yield "output_norm.weight", (self.width,)
        if not self.tied:
            yield "output.weight", (self.width, self.vocabulary)

    def _attention(self, layer: int) -> Iterator[tuple[str, Lengths]]:
        queries = self.at(self.heads, layer) * self.head_dim
        keys = self.at(self.kv_heads, layer) * self.head_dim
        yield "attn_norm.weight", (self.width,)
        if self.fused_qkv:
            yield "attn_qkv.weight", (self.width, queries + 2 * keys)
        else:
            for name, rows in (("attn_q", queries), ("attn_k", keys), ("attn_v", keys)):
                yield f"{name}.weight", (self.width, rows)
                if self.qkv_bias:
                    yield f"{name}.bias", (rows,)
        if self.qk_norm:
            yield "attn_q_norm.weight", (self.qk_norm,)
            yield "attn_k_norm.weight", (self.qk_norm,)
        yield "attn_output.weight", (queries, self.width)
        if self.post_norms:
            yield "post_attention_norm.weight", (self.width,)

    def _feed_forward(self, layer: int) -> Iterator[tuple[str, Lengths]]:
        wide = self.at(self.feed_forward, layer)
        yield "ffn_norm.weight", (self.width,)
        if self.experts:
            yield "ffn_gate_inp.weight", (self.width, self.experts)
        more, mark = ((self.experts,), "_exps") if self.experts else ((), "")
        yield f"ffn_gate{mark}.weight", (self.width, wide, *more)
        yield f"ffn_up{mark}.weight", (self.width, wide, *more)
        yield f"ffn_down{mark}.weight", (wide, self.width, *more)
        if self.post_norms:
            yield "post_ffw_norm.weight", (self.width,)


def find(name: str) -> Shape:
    """Return the shape of that name, in any case; raise `UnknownName` with the nearest."""
    shape = BY_NAME.get(name.lower())
    if shape is None:
        raise UnknownName.among("shape", name, BY_NAME)
    return shape


def _smollm(name: str, layers: int, width: int, heads: int, kv_heads: int, wide: int) -> Shape:
    return Shape(
        *(name, "llama", layers, width, heads, kv_heads, 64, wide, 49_152, 8192),
        rope_base=100_000.0,
    )


def _llama3(name: str, layers: int, width: int, heads: int, wide: int, *, tied: bool) -> Shape:
    return Shape(
        *(name, "llama", layers, width, heads, 8, width // heads, wide, 128_256, 131_072),
        tied=tied,
        rope_base=500_000.0,
        rope_factors=True,
    )


def _qwen2(
    name: str, layers: int, width: int, heads: int, kv_heads: int, wide: int, vocabulary: int
) -> Shape:
    return Shape(
        *(name, "qwen2", layers, width, heads, kv_heads, width // heads, wide, vocabulary, 32_768),
        tied=vocabulary == _QWEN_WORDS,
        rope_base=1e6,
        qkv_bias=True,
    )


def _qwen3(name: str, layers: int, width: int, heads: int, wide: int, *, tied: bool) -> Shape:
    return Shape(
        *(name, "qwen3", layers, width, heads, 8, 128, wide, _QWEN_WORDS, 40_960),
        tied=tied,
        rope_base=1e6,
        qk_norm=128,
    )


_QWEN_WORDS: Final = 151_936
_SOFTCAPS: Final = (("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0))
_GRANITE_1B: Final = (
    *(("embedding_scale", 12.0), ("residual_scale", 0.22)),
    *(("attention.scale", 0.015625), ("logit_scale", 6.0)),
)
_OPENELM_WIDE: Final = (
    *(768, 1024, 1280, 1536, 1792, 2048, 2560, 2816),
    *(3072, 3328, 3584, 3840, 4352, 4608, 4864, 5120),
)
_TABLE: Final = (
    _smollm("smollm2-135m", 30, 576, 9, 3, 1536),
    _smollm("smollm2-360m", 32, 960, 15, 5, 2560),
    _smollm("smollm2-1.7b", 24, 2048, 32, 32, 8192),
    Shape(
        *("openelm-270m", "openelm", 16, 1280),
        heads=(12,) * 5 + (16,) * 7 + (20,) * 4,
        kv_heads=(3,) * 5 + (4,) * 7 + (5,) * 4,
        head_dim=64,
        feed_forward=_OPENELM_WIDE,
        vocabulary=32_000,
        context=2048,
        qk_norm=64,
        fused_qkv=True,
    ),
    _qwen2("qwen2.5-0.5b", 24, 896, 14, 2, 4864, _QWEN_WORDS),
    _qwen2("qwen2.5-1.5b", 28, 1536, 12, 2, 8960, _QWEN_WORDS),
    _qwen2("qwen2.5-3b", 36, 2048, 16, 2, 11_008, _QWEN_WORDS),
    _qwen2("qwen2.5-7b", 28, 3584, 28, 4, 18_944, 152_064),
    _qwen2("qwen2.5-14b", 48, 5120, 40, 8, 13_824, 152_064),
    _qwen2("qwen2.5-32b", 64, 5120, 40, 8, 27_648, 152_064),
    _qwen3("qwen3-0.6b", 28, 1024, 16, 3072, tied=True),
    _qwen3("qwen3-1.7b", 28, 2048, 16, 6144, tied=True),
    _qwen3("qwen3-4b", 36, 2560, 32, 9728, tied=True),
    _qwen3("qwen3-8b", 36, 4096, 32, 12_288, tied=False),
    _qwen3("qwen3-14b", 40, 5120, 40, 17_408, tied=False),
    _qwen3("qwen3-32b", 64, 5120, 64, 25_600, tied=False),
    Shape(
        *("qwen3-30b-a3b", "qwen3moe", 48, 2048, 32, 4, 128, 768, _QWEN_WORDS, 40_960),
        tied=False,
        rope_base=1e6,
        experts=128,
        experts_used=8,
        qk_norm=128,
    ),
    _llama3("llama-3.2-1b", 16, 2048, 32, 8192, tied=True),
    _llama3("llama-3.2-3b", 28, 3072, 24, 8192, tied=True),
    _llama3("llama-3.1-8b", 32, 4096, 32, 14_336, tied=False),
    _llama3("llama-3.3-70b", 80, 8192, 64, 28_672, tied=False),
    Shape(
        *("gemma-2-2b", "gemma2", 26, 2304, 8, 4, 256, 9216, 256_000, 8192),
        window=4096,
        full_every=2,
        post_norms=True,
        settings=_SOFTCAPS,
    ),
    Shape(
        *("gemma-3-1b", "gemma3", 26, 1152, 4, 1, 256, 6912, 262_144, 32_768),
        rope_base=1e6,
        window=512,
        full_every=6,
        qk_norm=256,
        post_norms=True,
    ),
    Shape(
        *("gemma-3-4b", "gemma3", 34, 2560, 8, 4, 256, 10_240, 262_208, 131_072),
        rope_base=1e6,
        window=1024,
        full_every=6,
        qk_norm=256,
        post_norms=True,
    ),
    Shape(
        *("granite-3.1-1b-a400m", "granitemoe", 24, 1024, 16, 8, 64, 512, 49_155, 131_072),
        rope_base=5e6,
        experts=32,
        experts_used=8,
        settings=_GRANITE_1B,
    ),
    Shape(
        *("olmoe-1b-7b", "olmoe", 16, 2048, 16, 16, 128, 1024, 50_304, 4096),
        tied=False,
        experts=64,
        experts_used=8,
        qk_norm=2048,
    ),
)
BY_NAME: Final[Mapping[str, Shape]] = MappingProxyType({shape.name: shape for shape in _TABLE})
