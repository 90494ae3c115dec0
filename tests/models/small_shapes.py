"""Shapes of our own for tests: what the published ones differ by, at a size that loads at once."""

from __future__ import annotations

from steelyard.models.shapes import Shape

PLAIN = Shape(
    *("small", "llama", 3, 256, 8, 2, 32, 768, 4096, 4096),
    rope_factors=True,
)
WINDOWED = Shape(
    *("windowed", "gemma3", 7, 256, 4, 1, 64, 512, 4096, 8192),
    window=256,
    full_every=6,
    qk_norm=64,
    post_norms=True,
)
MIXTURE = Shape(
    *("mixture", "qwen3moe", 2, 256, 8, 2, 32, 256, 4096, 4096),
    tied=False,
    experts=8,
    experts_used=2,
    qk_norm=32,
)
UNEVEN = Shape(
    *("uneven", "openelm", 3, 256),
    heads=(4, 6, 8),
    kv_heads=(1, 2, 2),
    head_dim=64,
    feed_forward=(256, 512, 768),
    vocabulary=4096,
    context=4096,
    qk_norm=64,
    fused_qkv=True,
)
ALL = (PLAIN, WINDOWED, MIXTURE, UNEVEN)
