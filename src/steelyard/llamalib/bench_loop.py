"""llama-bench's loop over the wheel's exported functions, in a process of its own.

`python -m steelyard.llamalib.bench_loop -m FILE --tests P:N:D,… --out FILE.json …` times each test
after a warm-up and writes llama-bench's JSON. A prompt test decodes P random tokens in batches, a
generation test N random tokens one by one, both behind D tokens that are not timed; only the last
token of a batch gives logits, and nothing is sampled. Not aware of who asks. Source of the method:
tools/llama-bench/llama-bench.cpp in ggml-org/llama.cpp.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import EngineError, SteelyardError, TooLittleRoom, UnreadableModel
from steelyard.llamalib import children, conformance, guardian, layout, library
from steelyard.llamalib.library import KV_TYPES, bind
from steelyard.llamalib.tensor_types import BY_NAME

_MODULE: Final = "steelyard.llamalib.bench_loop"
_NS_PER_S: Final = 1e9
_SEED: Final = 1

Key = tuple[int, int, int]


def main(argv: Sequence[str] | None = None) -> int:
    """Be the child: time, and report progress or the error as JSON lines on stdout."""
    flags = argparse.ArgumentParser(prog=_MODULE, allow_abbrev=False)
    add = flags.add_argument
    add("-m", "--model", type=Path, required=True)
    add("--tests", type=_keys, required=True)
    add("--out", type=Path, required=True)
    add("-r", "--repetitions", type=int, default=5)
    add("-t", "--threads", type=int, required=True)
    add("-ngl", "--n-gpu-layers", dest="gpu_layers", type=int, default=0)
    add("-b", "--batch-size", dest="batch", type=int, default=2048)
    add("-ub", "--ubatch-size", dest="micro_batch", type=int, default=512)
    add("-ctk", "--cache-type-k", dest="type_k", choices=KV_TYPES, default="f16")
    add("-ctv", "--cache-type-v", dest="type_v", choices=KV_TYPES, default="f16")
    add("-fa", "--flash-attn", dest="flash", choices=("0", "1"), default="0")
    add("--cores", type=_cores)
    options = flags.parse_args(argv)
    if options.cores:
        os.sched_setaffinity(0, options.cores)
    guardian.bind()
    guardian.watch()
    return children.reporting(lambda: _bench(options))


def _bench(options: argparse.Namespace) -> None:
    conformance.require_decoding()
    library.hush()
    bind("llama_backend_init", None)()
    tests: list[Key] = options.tests
    done, total = 0, len(tests) * options.repetitions
    rows = []
    with _model(options) as model:
        for key in tests:
            taken: list[int] = []
            for took_ns in _times(model, key, options):
                taken.append(took_ns)
                done += 1
                children.show(done, total)
            rows.append(_row(model, key, taken, options))
    try:
        options.out.write_text(json.dumps(rows))
    except OSError as error:
        raise SteelyardError(
            f"{options.out} cannot be written: {error.strerror}", hint="free disk space"
        ) from None


def _times(model: int, key: Key, options: argparse.Namespace) -> Iterator[int]:
    """Yield the nanoseconds of each repetition of a test, after a warm-up."""
    prompt, output, depth = key
    with _context(model, sum(key), options) as context:
        tokens = _tokens(model, max(prompt, output, depth, 1))
        step = int(bind("llama_n_batch", ctypes.c_uint32, ctypes.c_void_p)(context))
        _feed(context, tokens, prompt or 1, step if prompt else 1)
        for _ in range(options.repetitions):
            _clear(context)
            _feed(context, tokens, depth, step)
            started_ns = time.monotonic_ns()
            _feed(context, tokens, prompt or output, step if prompt else 1)
            took_ns = time.monotonic_ns() - started_ns
            _require_held(context, sum(key))
            yield took_ns


def _feed(context: int, tokens: Any, count: int, step: int) -> None:
    """Decode the first `count` tokens, `step` at a time, and wait until all is computed."""
    one = bind("llama_batch_get_one", layout.Batch, ctypes.c_void_p, ctypes.c_int32)
    decode = bind("llama_decode", ctypes.c_int32, ctypes.c_void_p, layout.Batch)
    wait = bind("llama_synchronize", None, ctypes.c_void_p)
    address = ctypes.addressof(tokens)
    for first in range(0, count, step):
        size = min(step, count - first)
        status = decode(context, one(address + first * ctypes.sizeof(ctypes.c_int32), size))
        if status != 0:
            raise EngineError(f"llama_decode ended with {status} after {first} tokens")
        # As llama-bench does: before the next single token is chosen, the last must be computed.
        if step == 1:
            wait(context)
    wait(context)


def _clear(context: int) -> None:
    memory = bind("llama_get_memory", ctypes.c_void_p, ctypes.c_void_p)(context)
    bind("llama_memory_clear", None, ctypes.c_void_p, ctypes.c_bool)(memory, False)


def _require_held(context: int, count: int) -> None:
    """Ask the context what it holds: a speed of tokens that were not decoded is no speed."""
    pointer, signed = ctypes.c_void_p, ctypes.c_int32
    memory = bind("llama_get_memory", pointer, pointer)(context)
    last = bind("llama_memory_seq_pos_max", signed, pointer, signed)(memory, 0)
    if last != count - 1:
        raise EngineError(f"llama.cpp holds {last + 1} tokens after {count} were decoded")


def _tokens(model: int, count: int) -> Any:
    """Return random tokens of the model, its first one in front where it wants one."""
    pointer = ctypes.c_void_p
    vocab = bind("llama_model_get_vocab", pointer, pointer)(model)
    size = bind("llama_vocab_n_tokens", ctypes.c_int32, pointer)(vocab)
    rng = random.Random(_SEED)
    chosen = [rng.randrange(size) for _ in range(count)]
    if bind("llama_vocab_get_add_bos", ctypes.c_bool, pointer)(vocab):
        chosen[0] = bind("llama_vocab_bos", ctypes.c_int32, pointer)(vocab)
    return (ctypes.c_int32 * count)(*chosen)


@contextmanager
def _model(options: argparse.Namespace) -> Iterator[int]:
    block = layout.defaults("llama_model_default_params")
    layout.put(block, layout.MODEL_FIELDS, n_gpu_layers=options.gpu_layers)
    load = bind("llama_model_load_from_file", ctypes.c_void_p, ctypes.c_char_p, layout.Block)
    model = load(str(options.model).encode(), block)
    if not model:
        raise UnreadableModel(
            f"llama.cpp could not load {options.model.name}",
            hint="its architecture may be newer than the wheel; `steelyard models show` says more",
        )
    try:
        yield model
    finally:
        bind("llama_model_free", None, ctypes.c_void_p)(model)


@contextmanager
def _context(model: int, size: int, options: argparse.Namespace) -> Iterator[int]:
    block = layout.defaults("llama_context_default_params")
    layout.put(
        block,
        layout.CONTEXT_FIELDS,
        n_ctx=size,
        n_batch=options.batch,
        n_ubatch=options.micro_batch,
        n_seq_max=1,
        n_threads=options.threads,
        n_threads_batch=options.threads,
        flash_attn_type=int(options.flash),
        type_k=BY_NAME[options.type_k.upper()].id,
        type_v=BY_NAME[options.type_v.upper()].id,
    )
    context = bind("llama_init_from_model", ctypes.c_void_p, ctypes.c_void_p, layout.Block)(
        model, block
    )
    if not context:
        raise TooLittleRoom(
            f"llama.cpp could not make a context of {size} tokens",
            hint="ask for a smaller depth; a quantised KV cache needs flash attention",
        )
    try:
        threads = bind("llama_n_threads", ctypes.c_int32, ctypes.c_void_p)(context)
        if threads != options.threads:
            raise EngineError(f"llama.cpp runs {threads} threads and not {options.threads}")
        yield context
    finally:
        bind("llama_free", None, ctypes.c_void_p)(context)


def _row(
    model: int, key: Key, taken_ns: Sequence[int], options: argparse.Namespace
) -> dict[str, Any]:
    """Return one test in llama-bench's words."""
    prompt, output, depth = key
    speeds = [(prompt + output) * _NS_PER_S / took for took in taken_ns]
    several = len(speeds) > 1
    size = {
        name: int(bind(symbol, ctypes.c_uint64, ctypes.c_void_p)(model))
        for name, symbol in (
            ("model_size", "llama_model_size"),
            ("model_n_params", "llama_model_n_params"),
        )
    }
    info = bind("llama_print_system_info", ctypes.c_char_p)()
    return {
        "cpu_info": info.decode("utf-8", "replace") if info else "",
        "gpu_info": "",
        "backends": "CPU",
        "model_filename": options.model.name,
        "model_type": _described(model),
        **size,
        "n_batch": options.batch,
        "n_ubatch": options.micro_batch,
        "n_threads": options.threads,
        "type_k": options.type_k,
        "type_v": options.type_v,
        "n_gpu_layers": options.gpu_layers,
        "flash_attn": options.flash == "1",
        "n_prompt": prompt,
        "n_gen": output,
        "n_depth": depth,
        "avg_ns": round(statistics.fmean(taken_ns)),
        "stddev_ns": round(statistics.stdev(taken_ns)) if several else 0,
        "avg_ts": statistics.fmean(speeds),
        "stddev_ts": statistics.stdev(speeds) if several else 0.0,
        "samples_ns": list(taken_ns),
        "samples_ts": speeds,
    }


def _described(model: int) -> str:
    room = ctypes.create_string_buffer(256)
    bind("llama_model_desc", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)(
        model, room, len(room)
    )
    return room.value.decode("utf-8", "replace")


def _cores(text: str) -> set[int]:
    return {int(core) for core in text.split(",")}


def _keys(text: str) -> list[Key]:
    """Read `512:0:0,0:128:2048`."""
    found: list[Key] = []
    for part in text.split(","):
        prompt, output, depth = (int(number) for number in part.split(":"))
        if min(prompt, output, depth) < 0 or (prompt > 0) == (output > 0):
            raise argparse.ArgumentTypeError(f"{part} is no test")
        found.append((prompt, output, depth))
    return found


if __name__ == "__main__":
    sys.exit(main())
