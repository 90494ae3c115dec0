"""Where the fields of llama.cpp's structures lie, and the proof that they lie there.

Structures are passed as opaque blocks larger than any release's, filled by the library's own
defaults; only the fields named here are touched, and only after their defaults were found at these
offsets. Not aware of what the fields are set to. Measured on llama.cpp 0.6.0-dev.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Mapping
from typing import Any, Final

from steelyard.domain.run import Proof
from steelyard.llamalib.library import bind

SIZE: Final = 1024

# name: (offset, struct code, default)
MODEL_FIELDS: Final[Mapping[str, tuple[int, str, float]]] = {
    "n_gpu_layers": (16, "i", -1),
    "split_mode": (20, "i", 1),
    "vocab_only": (72, "B", 0),
    "check_tensors": (73, "B", 0),
    "use_extra_bufts": (74, "B", 1),
}
CONTEXT_FIELDS: Final[Mapping[str, tuple[int, str, float]]] = {
    "n_ctx": (0, "I", 512),
    "n_batch": (4, "I", 2048),
    "n_ubatch": (8, "I", 512),
    "n_seq_max": (12, "I", 1),
    "n_threads": (28, "i", 4),
    "n_threads_batch": (32, "i", 4),
    "rope_scaling_type": (40, "i", -1),
    "flash_attn_type": (52, "i", -1),
    "yarn_ext_factor": (64, "f", -1.0),
    "yarn_beta_slow": (76, "f", -1.0),
    "defrag_thold": (84, "f", -1.0),
    "cb_eval": (88, "Q", 0),
    "cb_eval_user_data": (96, "Q", 0),
    "type_k": (104, "i", 1),
    "type_v": (108, "i", 1),
    "abort_callback": (112, "Q", 0),
    "embeddings": (136, "B", 0),
    "offload_kqv": (137, "B", 1),
}
# Of `ggml_tensor`: what reading an activation needs.
TENSOR_FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "type": (0, "i"),
    "ne": (16, "4q"),
    "nb": (48, "4Q"),
    "op": (80, "i"),
    "src": (152, "3Q"),
    "data": (248, "Q"),
    "name": (256, "64s"),
}
_POOL_BYTES: Final = 1 << 20


class Block(ctypes.Structure):
    """A structure passed by value whose tail nobody here knows."""

    _fields_ = (("raw", ctypes.c_uint8 * SIZE),)


class Batch(ctypes.Structure):
    """`llama_batch`: parallel arrays, one element per token."""

    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


class Pool(ctypes.Structure):
    """`ggml_init_params`: memory for a few tensors."""

    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


def defaults(function: str) -> Block:
    """Return the library's own defaults for a structure."""
    block: Block = bind(function, Block)()
    return block


def put(block: Block, fields: Mapping[str, tuple[int, str, float]], **values: float) -> None:
    """Set named fields."""
    for name, value in values.items():
        offset, code, _ = fields[name]
        struct.pack_into(f"={code}", block.raw, offset, value)


def model_params_proof() -> Proof:
    """Whether `llama_model_params` shows its defaults where they are expected."""
    return defaults_proof("llama_model_default_params", MODEL_FIELDS)


def context_params_proof() -> Proof:
    """Whether `llama_context_params` shows its defaults where they are expected."""
    return defaults_proof("llama_context_default_params", CONTEXT_FIELDS)


def tensor_field(address: int, name: str) -> tuple[Any, ...]:
    """Return one field of the `ggml_tensor` at an address."""
    offset, code = TENSOR_FIELDS[name]
    raw = ctypes.string_at(address + offset, struct.calcsize(f"={code}"))
    return struct.unpack(f"={code}", raw)


def tensor_name(address: int) -> str:
    """Return a tensor's name."""
    raw: bytes = tensor_field(address, "name")[0]
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


@functools.cache
def operation(name: str) -> int:
    """Return the number of a graph operation by its name, or -1 where the library has none."""
    count, op_name = 256, bind("ggml_op_name", ctypes.c_char_p, ctypes.c_int)
    for number in range(count):
        text = op_name(number)
        if text is None or (text in (b"", b"NONE") and number):
            return -1
        if text == name.encode():
            return number
    return -1


def tensor_proof() -> Proof:
    """Build one product of two matrices and find every field of it where it is expected."""
    pointer, length = ctypes.c_void_p, ctypes.c_int64
    pool = bind("ggml_init", pointer, Pool)(Pool(_POOL_BYTES, None, False))
    try:
        matrix = bind("ggml_new_tensor_2d", pointer, pointer, ctypes.c_int, length, length)
        left, right = matrix(pool, 1, 64, 3), matrix(pool, 0, 64, 5)
        bind("ggml_set_name", pointer, pointer, ctypes.c_char_p)(left, b"steelyard.left")
        product = bind("ggml_mul_mat", pointer, pointer, pointer, pointer)(pool, left, right)
        data = bind("ggml_get_data", pointer, pointer)(right)
        found = {
            "types": (tensor_field(left, "type")[0], tensor_field(right, "type")[0]) == (1, 0),
            "shape": tensor_field(product, "ne") == (3, 5, 1, 1),
            "strides": tensor_field(right, "nb")[:2] == (4, 256),
            "operation": tensor_field(product, "op")[0] == operation("MUL_MAT"),
            "sources": tensor_field(product, "src") == (left, right, 0),
            "data": tensor_field(right, "data")[0] == data,
            "name": tensor_name(left) == "steelyard.left",
        }
    finally:
        bind("ggml_free", None, pointer)(pool)
    wrong = [name for name, right_place in found.items() if not right_place]
    return Proof(
        "ggml_tensor", not wrong, f"not where expected: {wrong}" if wrong else "as expected"
    )


def defaults_proof(function: str, fields: Mapping[str, tuple[int, str, float]]) -> Proof:
    """Compare the library's defaults for a structure with the known ones, field by field."""
    raw = bytes(defaults(function).raw)
    wrong = [
        f"{name}={value!r}"
        for name, (offset, code, default) in fields.items()
        for value in struct.unpack_from(f"={code}", raw, offset)
        if value != default
    ]
    return Proof(function, not wrong, f"unexpected {', '.join(wrong)}" if wrong else "as expected")
