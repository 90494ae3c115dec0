"""A GGUF file with random weights in the shape of a published model: for memory and speed only.

The file has the metadata, tensors and types that the real one of that quant has, so it takes the
same memory and reads the same bytes for a token; what it says means nothing. Its name and its
metadata say so: `general.name` begins with "synthetic", `steelyard.synthetic` is true. Its words
are those of the bundled model, and then pairs of them, up to the real vocabulary's size, each with
its merge; a vocabulary in SentencePiece's form, which has none, is not imitated. Not aware of
engines.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np

from steelyard.domain.errors import BadInput
from steelyard.domain.subject import ArtifactFacts
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models import artifacts, disk, gguf, noise, quants, recipes, shards, writer
from steelyard.models.shapes import Shape
from steelyard.platform import atomic

KEY: Final = artifacts.SYNTHETIC
PREFIX: Final = "synthetic"
_SPREAD: Final = 0.02
_KEPT: Final = (
    *("tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.eos_token_id"),
    *("tokenizer.ggml.eot_token_id", "tokenizer.ggml.padding_token_id"),
    *("tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token", "tokenizer.chat_template"),
)
_TOKENS, _MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.merges"
_KINDS: Final = "tokenizer.ggml.token_type"
_NORMAL: Final = 1
_I32, _STRING = 5, 8
_WORD_BYTES: Final = 12
_ALIGNMENT: Final = 32
_EPSILON: Final = 1e-5
_QUANTISATION_VERSION: Final = 2

Progress = Callable[[int, int], None]


@final
@dataclass(frozen=True, slots=True)
class Order:
    """One synthetic file, decided: its tensors with their types, and its metadata."""

    shape: Shape
    quant: quants.Quant
    targets: tuple[recipes.Target, ...]
    entries: tuple[bytes, ...]
    seed: int

    @property
    def rows(self) -> list[writer.Row]:
        """The tensor table."""
        return [writer.Row(t.tensor.name, t.tensor.shape, t.type) for t in self.targets]

    @property
    def file_bytes(self) -> int:
        """Bytes that the file will have."""
        return writer.file_bytes(self.entries, self.rows, _ALIGNMENT)

    @property
    def file_name(self) -> str:
        """The name under which it is written."""
        return f"{PREFIX}-{self.shape.name}-{self.quant.name}.gguf"


def parameters(shape: Shape) -> int:
    """Count the weights of a shape."""
    return sum(math.prod(lengths) for _, lengths in shape.tensors())


def targets(shape: Shape, quant: quants.Quant) -> list[recipes.Target]:
    """Return every tensor of a shape with the type that a published file of that quant has."""
    # What llama.cpp asks an importance matrix for needs none here: nothing is lost by guessing.
    return recipes.plan(quant, _tensors(shape), _model(shape), imatrix=True, fall_back=True)


def plan(shape: Shape, quant: str, words: gguf.Header, *, seed: int = 0) -> Order:
    """Decide a file without writing it; `words` is the head of a file with a tokenizer."""
    kind = quants.find(quant)
    chosen = tuple(targets(shape, kind))
    for target in chosen:
        noise.require(target.type)
    return Order(shape, kind, chosen, tuple(_entries(shape, kind, words, seed)), seed)


def pure(shape: Shape, type_name: str, words: gguf.Header, *, seed: int = 0) -> Order:
    """Decide a file all of whose matrices are of one type: it shows what that type costs."""
    kind = BY_NAME[type_name]
    noise.require(kind)
    quant = next(quant for quant in quants.BY_NAME.values() if quant.default == type_name)
    order = Order(shape, quant, (), tuple(_entries(shape, quant, words, seed)), seed)
    plain = recipes.plan(quants.find("F16"), _tensors(shape), _model(shape), imatrix=True)
    changed = tuple(
        recipes.Target(t.tensor, kind if t.type.name == "F16" else t.type, needs_imatrix=False)
        for t in plain
    )
    return replace(order, targets=changed)


def facts(shape: Shape, quant: str) -> ArtifactFacts:
    """Return the facts that a published file of this shape and quant has, without any file."""
    kind = quants.find(quant)
    values: dict[str, gguf.Value] = {
        "general.architecture": shape.architecture,
        "general.file_type": kind.file_type,
        _MERGES: gguf.Array(_STRING, shape.vocabulary, b""),
        **{f"{shape.architecture}.{key}": value for key, value in _settings(shape)},
    }
    rows = [writer.Row(t.tensor.name, t.tensor.shape, t.type) for t in targets(shape, kind)]
    head = gguf.Header(
        path=Path(shape.name),
        version=3,
        file_bytes=0,
        alignment=_ALIGNMENT,
        entries={key: gguf.Entry(value, 0, b"") for key, value in values.items()},
        tensors=tuple(gguf.Tensor(r.name, r.shape, r.type, 0, r.size_bytes) for r in rows),
    )
    return artifacts.facts_of(shards.Model((head,)))


def write(order: Order, folder: Path, progress: Progress | None = None) -> Path:
    """Write the file into a folder, whole or not at all; `progress` gets (bytes done, in all)."""
    path = folder / order.file_name
    if path.exists():
        raise BadInput(f"{path} exists", hint="remove it, or choose another --out")
    disk.require(folder, order.file_bytes, what=order.file_name)
    rng, total, done = np.random.default_rng(order.seed), order.file_bytes, 0
    with atomic.replacing(path) as out:
        out.write(writer.header(order.entries, order.rows, _ALIGNMENT))
        for target in order.targets:
            done += writer.write_weights(out, _weights(target, rng), _ALIGNMENT)
            if progress is not None:
                progress(done, total)
    return path


def _tensors(shape: Shape) -> list[gguf.Tensor]:
    full, whole = BY_NAME["F16"], BY_NAME["F32"]
    return [
        gguf.Tensor(name, lengths, whole if _stays(name, lengths) else full, 0, 0)
        for name, lengths in shape.tensors()
    ]


def _model(shape: Shape) -> recipes.ModelShape:
    return recipes.ModelShape(
        architecture=shape.architecture,
        layers=shape.layers,
        heads=shape.most(shape.heads),
        kv_heads=shape.most(shape.kv_heads),
        experts=shape.experts,
    )


def _weights(target: recipes.Target, rng: np.random.Generator) -> Iterator[bytes]:
    name, elements = target.tensor.name, target.tensor.elements
    if name == "rope_freqs.weight" or "norm" in name:
        yield np.ones(elements, np.float32).tobytes()
    elif name.endswith(".bias"):
        yield np.zeros(elements, np.float32).tobytes()
    else:
        yield from noise.pieces(target.type, elements, _SPREAD, rng)


def _stays(name: str, lengths: tuple[int, ...]) -> bool:
    """Whether published files keep a tensor in full precision: norms, biases, the router."""
    return len(lengths) == 1 or "ffn_gate_inp" in name


def _entries(shape: Shape, quant: quants.Quant, words: gguf.Header, seed: int) -> Iterator[bytes]:
    yield writer.text("general.architecture", shape.architecture)
    yield writer.text("general.type", "model")
    yield writer.text("general.name", f"{PREFIX} {shape.name}")
    yield writer.text(
        "general.description", "random weights in the shape of a model: for memory and speed only"
    )
    yield writer.flag(KEY, value=True)
    yield writer.text(f"{KEY}.shape", shape.name)
    yield writer.number(f"{KEY}.seed", seed)
    yield writer.number("general.file_type", quant.file_type)
    yield writer.number("general.quantization_version", _QUANTISATION_VERSION)
    for key, value in _settings(shape):
        yield _written(f"{shape.architecture}.{key}", value)
    yield from _words(shape.vocabulary, words)


def _settings(shape: Shape) -> Iterator[tuple[str, gguf.Value]]:
    """Yield what the architecture wants to know, by its keys without the architecture's name."""
    counts: dict[str, int | tuple[int, ...]] = {
        "context_length": shape.context,
        "embedding_length": shape.width,
        "block_count": shape.layers,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_dim,
        "attention.value_length": shape.head_dim,
        "rope.dimension_count": shape.head_dim,
        "vocab_size": shape.vocabulary,
    }
    if shape.window:
        counts["attention.sliding_window"] = shape.window
    if shape.experts:
        counts |= {"expert_count": shape.experts, "expert_used_count": shape.experts_used}
        counts["expert_feed_forward_length"] = shape.feed_forward
    for key, value in counts.items():
        if isinstance(value, int):
            yield key, value
        else:
            yield key, gguf.Array(_I32, len(value), struct.pack(f"<{len(value)}i", *value))
    yield "attention.layer_norm_rms_epsilon", _EPSILON
    yield "rope.freq_base", shape.rope_base
    yield from shape.settings


def _written(key: str, value: gguf.Value) -> bytes:
    if isinstance(value, gguf.Array):
        return writer.numbers(key, [int(item) for item in value.decode()])
    return writer.number(key, value) if isinstance(value, int) else writer.real(key, float(value))


def _words(vocabulary: int, source: gguf.Header) -> Iterator[bytes]:
    """Yield a byte-level vocabulary of the size asked for that still reads every text."""
    tokens, merges = _texts(source, _TOKENS), _texts(source, _MERGES)
    kinds = [int(item) for item in _array(source, _KINDS).decode()]
    if len(tokens) > vocabulary:
        raise BadInput(f"{vocabulary} words are fewer than the {len(tokens)} to begin with")
    for word, merge in _pairs(tokens, vocabulary - len(tokens)):
        tokens.append(word)
        merges.append(merge)
        kinds.append(_NORMAL)
    yield from (source.entries[key].raw for key in _KEPT if key in source.entries)
    yield writer.texts(_TOKENS, tokens)
    yield writer.numbers(_KINDS, kinds)
    yield writer.texts(_MERGES, merges)


def _pairs(tokens: list[str], count: int) -> Iterator[tuple[str, str]]:
    """Yield new words made of two that are there, with the merge that makes them."""
    parts = [word for word in tokens if len(word) > 1 and word.isalpha()]
    known = set(tokens)
    for left in parts:
        for right in parts:
            if count == 0:
                return
            word = left + right
            if len(word) <= _WORD_BYTES and word not in known:
                known.add(word)
                count -= 1
                yield word, f"{left} {right}"


def _texts(head: gguf.Header, key: str) -> list[str]:
    return [str(item) for item in _array(head, key).decode()]


def _array(head: gguf.Header, key: str) -> gguf.Array:
    value = head.value(key)
    if not isinstance(value, gguf.Array):
        raise gguf.unreadable(head.path, f"it has no {key}")
    return value
