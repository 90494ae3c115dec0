"""What a file's metadata says of the memory that serving it takes, beside its weights.

Layers of one kind are counted together. Which layers have a sliding window is no number in most
files: llama.cpp knows it by the architecture, and so does this table. Not aware of engine profiles.
Keys: docs/gguf.md in ggml-org/ggml; windows: the architectures' own files in llama.cpp.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from steelyard.domain.subject import LayerCache, MemoryFacts
from steelyard.models import gguf, shards

# Of so many layers in a row the last one looks all the way back.
_FULL_EVERY: Final = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "cohere2": 4,
    "gpt-oss": 2,
    "olmo2": 4,
    "exaone4": 4,
    "llama4": 4,
    "smallthinker": 4,
}
EMBEDDINGS: Final = ("token_embd.", "per_layer_token_embd.", "position_embd.", "token_types.")
_ROWS: Final = 8  # kernels that want weights in another order take so many rows at a time
_FLOAT: Final = 4


def read(model: shards.Model, arch: str) -> MemoryFacts:
    """Return what the metadata and the tensor table say."""
    head = model.head
    layers = head.integer(f"{arch}.block_count", 0)
    heads = _per_layer(head, f"{arch}.attention.head_count", layers, 0)
    kv_heads = _per_layer(head, f"{arch}.attention.head_count_kv", layers, heads)
    wide = _per_layer(head, f"{arch}.feed_forward_length", layers, 0)
    width = head.integer(f"{arch}.embedding_length", 0)
    most = max(heads, default=0)
    size = width // most if most else 0
    keys = head.integer(f"{arch}.attention.key_length", size)
    values = head.integer(f"{arch}.attention.value_length", size)
    window = head.integer(f"{arch}.attention.sliding_window", 0)
    windows = _windows(head, arch, layers, window)
    kinds = Counter(
        (kv_heads[layer] * keys, kv_heads[layer] * values, windows[layer])
        for layer in range(layers)
        if kv_heads[layer]
    )
    merges = head.value("tokenizer.ggml.merges")
    return MemoryFacts(
        caches=tuple(LayerCache(count, *kind) for kind, count in sorted(kinds.items())),
        state_bytes=_state_bytes(head, arch, layers, kv_heads),
        heads=most,
        queries=most * keys,
        feed_forward=_alive(head, arch, wide),
        merges=merges.length if isinstance(merges, gguf.Array) else 0,
        matrix_elements=_matrices(model),
        read_elements=_read(model, arch),
    )


def _per_layer(
    head: gguf.Header, key: str, layers: int, default: int | Sequence[int]
) -> tuple[int, ...]:
    """Return a number for each layer, whether the file gives one for all or one for each."""
    value = head.value(key)
    if isinstance(value, gguf.Array):
        found = tuple(int(item) for item in value.decode() if not isinstance(item, str))
        if len(found) < layers:
            raise gguf.unreadable(head.path, f"its {key} has {len(found)} numbers for {layers}")
        return found[:layers]
    if value is None and not isinstance(default, int):
        return tuple(default)
    return (head.integer(key, default if isinstance(default, int) else None),) * layers


def _windows(head: gguf.Header, arch: str, layers: int, window: int) -> tuple[int, ...]:
    """Return how far back each layer looks, 0 for all the way."""
    if not window:
        return (0,) * layers
    pattern = head.value(f"{arch}.attention.sliding_window_pattern")
    if isinstance(pattern, gguf.Array) and pattern.length >= layers:
        return tuple(window if flag else 0 for flag in pattern.decode()[:layers])
    every = pattern if isinstance(pattern, int) and pattern > 0 else _FULL_EVERY.get(arch)
    if every is None:  # llama.cpp has files whose window it does not use
        return (0,) * layers
    return tuple(window if (layer + 1) % every else 0 for layer in range(layers))


def _state_bytes(head: gguf.Header, arch: str, layers: int, kv_heads: Sequence[int]) -> int:
    """Count what the recurrent layers keep: the last inputs of a convolution, and the state."""
    inner = head.integer(f"{arch}.ssm.inner_size", 0)
    if not inner:
        return 0
    state = head.integer(f"{arch}.ssm.state_size", 0)
    groups = head.integer(f"{arch}.ssm.group_count", 0)
    kernel = head.integer(f"{arch}.ssm.conv_kernel", 0)
    recurrent = sum(1 for count in kv_heads if not count) or layers
    inputs = max(0, kernel - 1) * (inner + 2 * groups * state)
    return _FLOAT * recurrent * (inputs + state * inner)


def _alive(head: gguf.Header, arch: str, wide: Sequence[int]) -> int:
    """Return the widest feed-forward before the last layer, of all experts that are asked."""
    used = head.integer(f"{arch}.expert_used_count", 0)
    if used:
        expert = head.integer(f"{arch}.expert_feed_forward_length", max(wide, default=0))
        return used * expert
    return max(wide[:-1] or wide, default=0)


def _matrices(model: shards.Model) -> dict[str, int]:
    found = Counter[str]()
    for _, tensor in model.tensors():
        rows = tensor.shape[1] if len(tensor.shape) > 1 else 1
        if rows % _ROWS == 0 and not tensor.name.startswith(EMBEDDINGS):
            found[tensor.type.name] += tensor.elements
    return dict(sorted(found.items()))


def _read(model: shards.Model, arch: str) -> dict[str, int]:
    """Count the elements that a token reads, by type."""
    found = Counter[str]()
    for tensor, share in read_by_a_token(model, arch):
        found[tensor.type.name] += int(tensor.elements * share)
    return dict(sorted(found.items()))


def read_by_a_token(model: shards.Model, arch: str) -> Iterator[tuple[gguf.Tensor, Fraction]]:
    """Yield each tensor with its share that a token reads.

    An embedding is one row unless it is the output, too; of experts those that are asked.
    """
    experts = model.head.integer(f"{arch}.expert_count", 0)
    used = model.head.integer(f"{arch}.expert_used_count", 0)
    tensors = [tensor for _, tensor in model.tensors()]
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    for tensor in tensors:
        if tensor.name.startswith(EMBEDDINGS) and not (tied and tensor.name.startswith("token_e")):
            yield tensor, Fraction(tensor.shape[0], max(1, tensor.elements))
        elif "_exps." in tensor.name and 0 < used < experts:
            yield tensor, Fraction(used, experts)
        else:
            yield tensor, Fraction(1)
