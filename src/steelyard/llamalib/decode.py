"""Decode by llama.cpp's C API: tokens in, logits of every position out.

The server gives log-probabilities of generated tokens only, so fidelity needs this road. Structures
are opaque and proved by `conformance` before anything is loaded, and what the library then says of
its context is read back. Run it in a process of its own: a crash here is the process's. Not aware
of texts that are scored or of quants.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt

from steelyard.domain.errors import (
    ConformanceError,
    EngineError,
    TooLittleRoom,
    UnknownName,
    UnreadableModel,
)
from steelyard.llamalib import conformance, layout, library
from steelyard.llamalib.library import bind
from steelyard.llamalib.tensor_types import BY_NAME

_BATCH: Final = 512
_FLASH: Final = {True: 1, False: 0}

# (tensor address, whether the scheduler only asks, user data) -> go on
EvalCallback = Callable[[int, bool, int | None], bool]
_EVAL: Final = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_bool, ctypes.c_void_p)


@final
class Decoder:
    """One loaded model with one context; a context manager, since both are native memory."""

    __slots__ = ("_batch", "_callback", "_context", "_model", "_vocab", "context", "vocabulary")

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        threads: int,
        kv_type: str = "f16",
        kv_type_v: str | None = None,
        flash_attention: bool = False,
        watch: EvalCallback | None = None,
    ) -> None:
        """Load the model. `watch` sees every node of the graph, see `importance`.

        `kv_type_v` is the type of the values in the cache where it is another than the keys'.
        """
        conformance.require_decoding()
        if watch is not None:
            conformance.require_callback()
        kinds = (kv_type, kv_type_v or kv_type)
        for kind in kinds:
            if kind not in library.KV_TYPES:
                raise UnknownName.among("KV type", kind, library.KV_TYPES)
        library.hush()
        bind("llama_backend_init", None)()
        self._context = self._vocab = 0
        self._batch: layout.Batch | None = None
        self._callback: Any = _EVAL(watch) if watch is not None else None
        self._model = _load(path)
        self.context, self.vocabulary = context, 0
        try:
            self._vocab = bind("llama_model_get_vocab", ctypes.c_void_p, ctypes.c_void_p)(
                self._model
            )
            count = bind("llama_vocab_n_tokens", ctypes.c_int32, ctypes.c_void_p)
            self.vocabulary = int(count(self._vocab))
            self._open(threads, kinds, flash=flash_attention)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the native memory; closing twice is no error."""
        if self._batch is not None:
            bind("llama_batch_free", None, layout.Batch)(self._batch)
            self._batch = None
        if self._context:
            bind("llama_free", None, ctypes.c_void_p)(self._context)
            self._context = 0
        if self._model:
            bind("llama_model_free", None, ctypes.c_void_p)(self._model)
            self._model = 0

    def tokenise(self, text: str, *, special: bool = False) -> list[int]:
        """Return the model's tokens of a text, without adding a beginning of sequence."""
        raw = text.encode()
        room = len(raw) + 16
        out = (ctypes.c_int32 * room)()
        call = bind(
            "llama_tokenize",
            *(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32),
            *(ctypes.POINTER(ctypes.c_int32), ctypes.c_int32, ctypes.c_bool, ctypes.c_bool),
        )
        count = call(self._vocab, raw, len(raw), out, room, False, special)
        if count < 0:
            raise EngineError(f"the tokenizer wanted room for {-count} tokens of {room}")
        return list(out[:count])

    def logits(self, tokens: Sequence[int]) -> Iterator[npt.NDArray[np.float32]]:
        """Decode a fresh sequence; yield (some positions, vocabulary) logits, in order.

        The block is the library's own memory: use it before asking for the next.
        """
        if len(tokens) > self.context:
            raise TooLittleRoom(
                f"{len(tokens)} tokens do not fit into a context of {self.context}",
                hint="ask for a larger context, or score shorter passages",
            )
        outside = [token for token in tokens if not 0 <= token < self.vocabulary]
        if outside:
            raise EngineError(
                f"token {outside[0]} is outside the model's vocabulary of {self.vocabulary}",
                hint="the passages were tokenised with another model",
            )
        memory = bind("llama_get_memory", ctypes.c_void_p, ctypes.c_void_p)(self._context)
        bind("llama_memory_clear", None, ctypes.c_void_p, ctypes.c_bool)(memory, True)
        for first in range(0, len(tokens), _BATCH):
            piece = tokens[first : first + _BATCH]
            yield self._decode(piece, first)

    def _decode(self, tokens: Sequence[int], first: int) -> npt.NDArray[np.float32]:
        batch = self._batch
        if batch is None:
            raise EngineError("the decoder is closed")
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = first + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = 1
        status = bind("llama_decode", ctypes.c_int32, ctypes.c_void_p, layout.Batch)(
            self._context, batch
        )
        if status != 0:
            raise EngineError(f"llama_decode ended with {status} at position {first}")
        pointer = bind("llama_get_logits", ctypes.POINTER(ctypes.c_float), ctypes.c_void_p)(
            self._context
        )
        if not pointer:
            raise EngineError("llama.cpp kept no logits")
        return np.ctypeslib.as_array(pointer, shape=(len(tokens), self.vocabulary))

    def _open(self, threads: int, kinds: tuple[str, str], *, flash: bool) -> None:
        block = layout.defaults("llama_context_default_params")
        address = ctypes.cast(self._callback, ctypes.c_void_p).value if self._callback else 0
        keys, values = (BY_NAME[kind.upper()].id for kind in kinds)
        batch = min(_BATCH, self.context)
        layout.put(
            block,
            layout.CONTEXT_FIELDS,
            n_ctx=self.context,
            n_batch=batch,
            n_ubatch=batch,
            n_seq_max=1,
            n_threads=threads,
            n_threads_batch=threads,
            flash_attn_type=_FLASH[flash],
            type_k=keys,
            type_v=values,
            cb_eval=address or 0,
        )
        pointer = ctypes.c_void_p
        opened = bind("llama_init_from_model", pointer, pointer, layout.Block)(self._model, block)
        if not opened:
            raise TooLittleRoom(
                f"llama.cpp could not make a context of {self.context} tokens with"
                f" {'/'.join(dict.fromkeys(kinds))} KV",
                hint="ask for a smaller context; a quantised KV cache needs flash attention",
            )
        self._context = opened
        self._read_back(threads, batch)
        self._batch = bind(
            "llama_batch_init", layout.Batch, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32
        )(_BATCH, 0, 1)

    def _read_back(self, threads: int, batch: int) -> None:
        """Ask the context what it is: a field set in the wrong place would show here."""
        unsigned, signed = ctypes.c_uint32, ctypes.c_int32
        asked = {
            "llama_n_batch": (batch, unsigned),
            "llama_n_ubatch": (batch, unsigned),
            "llama_n_threads": (threads, signed),
            "llama_n_threads_batch": (threads, signed),
        }
        for name, (wanted, kind) in asked.items():
            found = bind(name, kind, ctypes.c_void_p)(self._context)
            if found != wanted:
                raise ConformanceError(
                    f"{name} is {found} after {wanted} was set: the structure is another one",
                    hint="install the wheel version that constraints.txt pins",
                )
        room = bind("llama_n_ctx", unsigned, ctypes.c_void_p)(self._context)
        if room < self.context:
            raise TooLittleRoom(
                f"llama.cpp made a context of {room} tokens instead of {self.context}",
                hint="ask for a smaller context",
            )


def _load(path: Path) -> int:
    block = layout.defaults("llama_model_default_params")
    layout.put(block, layout.MODEL_FIELDS, n_gpu_layers=0)
    model = bind("llama_model_load_from_file", ctypes.c_void_p, ctypes.c_char_p, layout.Block)(
        str(path).encode(), block
    )
    if not model:
        raise UnreadableModel(
            f"llama.cpp could not load {path.name}",
            hint="its architecture may be newer than the wheel; `steelyard models show` says more",
        )
    return int(model)
