"""A projector of random weights, by which llama.cpp's real server takes pictures into any model.

What is said of them means nothing; that they arrive, are decoded and are counted does. Keys and
tensors: tools/mtmd/clip-impl.h in ggml-org/llama.cpp, the kind `mlp` (LLaVA 1.5).
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

_WIDE, _INNER, _LAYERS, _PATCH, _SIDE = 32, 64, 2, 14, 56
TOKENS = (_SIDE // _PATCH) ** 2  # of one picture


def write(path: Path, dimension: int) -> Path:
    """Write one for a model whose embeddings have so many dimensions."""
    draw = np.random.default_rng(1)
    file = gguf.GGUFWriter(path, "clip")
    file.add_bool("clip.has_vision_encoder", True)
    file.add_bool("clip.use_gelu", True)
    file.add_string("clip.projector_type", "mlp")
    numbers = {
        "image_size": _SIDE,
        "patch_size": _PATCH,
        "embedding_length": _WIDE,
        "feed_forward_length": _INNER,
        "block_count": _LAYERS,
        "projection_dim": dimension,
        "attention.head_count": 2,
    }
    for name, value in numbers.items():
        file.add_uint32(f"clip.vision.{name}", value)
    file.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for name in ("image_mean", "image_std"):
        file.add_array(f"clip.vision.{name}", [0.5] * 3)
    for name, shape in _shapes(dimension).items():
        file.add_tensor(name, (draw.standard_normal(shape) * 0.05).astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def _shapes(dimension: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "v.class_embd": (_WIDE,),
        "v.patch_embd.weight": (_WIDE, 3, _PATCH, _PATCH),
        "v.position_embd.weight": (TOKENS + 1, _WIDE),
        "mm.0.weight": (dimension, _WIDE),
        "mm.2.weight": (dimension, dimension),
    }
    square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (_WIDE, _WIDE))
    inner = {"ffn_up": (_INNER, _WIDE), "ffn_down": (_WIDE, _INNER)}
    norms = ["pre_ln", "post_ln"]
    for layer in range(_LAYERS):
        norms += [f"blk.{layer}.ln1", f"blk.{layer}.ln2"]
        found |= {f"v.blk.{layer}.{n}.weight": shape for n, shape in (square | inner).items()}
    found |= {f"v.{name}.weight": (_WIDE,) for name in norms}
    heads = {name.removesuffix("weight") + "bias": shape[:1] for name, shape in found.items()}
    return found | {n: s for n, s in heads.items() if n.endswith("bias") and "embd" not in n}
