"""The shape of a model out of its `config.json`, as publishers ship it beside the weights.

Only families whose layout is known here are read; of any other it is said that it is not. Not
aware of weights: the folder may hold nothing but the config. Keys: Hugging Face's configurations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import UnreadableModel, UnsupportedSubject
from steelyard.models.shapes import Shape

CONFIG: Final = "config.json"
# What a family is called here, and what it does that others do not.
_FAMILIES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "llama": ("llama", {}),
    "mistral": ("llama", {}),
    "qwen2": ("qwen2", {"qkv_bias": True}),
    "qwen3": ("qwen3", {"qk_norm": "head"}),
    "qwen3_moe": ("qwen3moe", {"qk_norm": "head"}),
    "gemma2": ("gemma2", {"post_norms": True, "full_every": 2}),
    "gemma3_text": ("gemma3", {"post_norms": True, "full_every": 6, "qk_norm": "head"}),
    "granitemoe": ("granitemoe", {}),
    "olmoe": ("olmoe", {"qk_norm": "width"}),
}
_TIED: Final = frozenset({"gemma2", "gemma3_text"})  # whose configs need not say so
_EXPERTS: Final = ("num_experts", "num_local_experts")
_MOST: Final = 1 << 24


def read(path: Path) -> Shape:
    """Read the config in a folder. Raises `UnreadableModel`, or `UnsupportedSubject`."""
    file = path / CONFIG if path.is_dir() else path
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(file, f"it cannot be read: {error.strerror}") from None
    except ValueError:
        raise _unusable(file, "it is no JSON") from None
    if not isinstance(found, dict):
        raise _unusable(file, "it holds no settings")
    return of(found, file)


def of(config: Mapping[str, Any], file: Path) -> Shape:
    """Return the shape that a config describes; `file` is for messages."""
    family = str(config.get("model_type", "unknown"))
    if family not in _FAMILIES:
        raise UnsupportedSubject(
            f"{file} is of the family {family!r}, whose layout is not known here",
            hint=f"known: {', '.join(sorted(_FAMILIES))}; a GGUF file says all by itself",
        )
    architecture, ways = _FAMILIES[family]
    width, heads = _count(config, file, "hidden_size"), _count(config, file, "num_attention_heads")
    head = _count(config, file, "head_dim", width // heads)
    experts = next((_count(config, file, key) for key in _EXPERTS if config.get(key)), 0)
    wide = _count(config, file, "intermediate_size")
    if experts:
        wide = _count(config, file, "moe_intermediate_size", wide)
    window = _count(config, file, "sliding_window", 0) if "full_every" in ways else 0
    norm = ways.get("qk_norm")
    name = file.resolve().parent.name
    return Shape(
        name=name,
        architecture=architecture,
        layers=_count(config, file, "num_hidden_layers"),
        width=width,
        heads=heads,
        kv_heads=_count(config, file, "num_key_value_heads", heads),
        head_dim=head,
        feed_forward=wide,
        vocabulary=_count(config, file, "vocab_size"),
        context=_count(config, file, "max_position_embeddings"),
        tied=bool(config.get("tie_word_embeddings", family in _TIED)),
        window=window,
        full_every=int(ways.get("full_every", 0)) if window else 0,
        experts=experts,
        experts_used=_count(config, file, "num_experts_per_tok") if experts else 0,
        qkv_bias=bool(ways.get("qkv_bias")),
        qk_norm={"head": head, "width": width}.get(str(norm), 0),
        post_norms=bool(ways.get("post_norms")),
    )


def _count(config: Mapping[str, Any], file: Path, key: str, default: int | None = None) -> int:
    value = config.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST:
        return value
    raise _unusable(file, f"its {key} is {value!r}")


def _unusable(file: Path, why: str) -> UnreadableModel:
    return UnreadableModel(
        f"{file} does not describe a model: {why}", hint="give the folder of a whole model"
    )
