"""The wheel's llama.cpp server behind llama-server's own arguments, in a process of its own.

`python -m steelyard.llamalib.server --model FILE --port N …` serves until SIGTERM or SIGINT and
dies with its parent. The wheel offers no parser of arguments, so the ones that Steelyard uses are
restated here with llama-server's spelling; any other is refused with exit code 2, because a flag
that is silently ignored is a control that was never applied. Logs go to stderr.
Flags: tools/server/README.md in ggml-org/llama.cpp. Not aware of dialects or readiness.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

from steelyard.domain.errors import ConformanceError
from steelyard.llamalib import guardian, library

POOLINGS: Final = ("none", "mean", "cls", "last", "rank")
_LOAD_FAILED: Final = 1
_SETTINGS_TOLD: Final = 4
_SERVING: Final = "steelyard: serving; a stop from here on is a clean one"
_ALL_LAYERS: Final = -2
_AUTO_LAYERS: Final = -1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the llama-server arguments that are honoured here."""
    flags = argparse.ArgumentParser(
        prog="steelyard.llamalib.server", allow_abbrev=False, description="llama.cpp by its wheel"
    )
    add = flags.add_argument
    add("-m", "--model", required=True)
    add("-a", "--alias", default=None)
    add("--host", default="127.0.0.1")
    add("--port", type=_between(0, 65535), default=8080)
    add("-t", "--threads", type=_between(-1, 4096), default=-1)
    add("-tb", "--threads-batch", type=_between(-1, 4096), default=-1)
    add("--threads-http", type=_between(-1, 4096), default=-1)
    add("-np", "--parallel", type=_between(1, 4096), default=1)
    add("-c", "--ctx-size", type=_between(0, 1 << 31), default=0)
    add("-b", "--batch-size", type=_between(1, 1 << 31), default=2048)
    add("-ub", "--ubatch-size", type=_between(1, 1 << 31), default=512)
    add("-ngl", "--gpu-layers", "--n-gpu-layers", dest="gpu_layers", type=_layers, default=-1)
    add("-ctk", "--cache-type-k", choices=library.KV_TYPES, default="f16")
    add("-ctv", "--cache-type-v", choices=library.KV_TYPES, default="f16")
    add("-fa", "--flash-attn", choices=("on", "off", "auto"), default="auto")
    add("-fit", "--fit", choices=("on", "off"), default="on")
    add("-s", "--seed", type=_between(-1, (1 << 32) - 1), default=-1)
    add("-n", "--predict", "--n-predict", dest="predict", type=_between(-2, 1 << 31), default=-1)
    add("-cram", "--cache-ram", type=_between(-1, 1 << 31), default=8192)
    add("-md", "--model-draft", default=None)
    add("-mm", "--mmproj", default=None)
    add("-dev", "--device", default=None)
    add("-C", "--cpu-mask", type=_mask, default=None)
    add("-Cr", "--cpu-range", type=_range, default=None)
    add("-ncmoe", "--n-cpu-moe", dest="cpu_moe", type=_between(0, 4096), default=0)
    add("--poll", type=_between(0, 100), default=50)
    add("-lv", "--verbosity", "--log-verbosity", dest="verbosity", type=int, default=3)
    add("--api-key", action="append", default=[])
    add("--chat-template", default=None)
    add("--embedding", "--embeddings", dest="embedding", action="store_true")
    add("--pooling", choices=POOLINGS, default=None)
    for name, default in _SWITCHES.items():
        add(f"--{name}", action=argparse.BooleanOptionalAction, default=default)
    return flags


# llama-server's switches that come in a --x / --no-x pair, and their defaults.
_SWITCHES: Final = {
    "kv-unified": False,
    "warmup": True,
    "slots": True,
    "metrics": False,
    "props": False,
    "mmap": True,
    "jinja": True,
    "cont-batching": True,
    "context-shift": False,
    "cache-prompt": True,
    "ui": False,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return 0 after a stop and 1 when the model did not load.

    A stop while the model loads ends the process by the signal itself.
    """
    options = parser().parse_args(argv)
    guardian.bind()
    _confine(options)
    # Loading is one native call that holds the interpreter: only a default handler can end it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    import xllamacpp

    try:
        server = xllamacpp.Server(params(options))
    except (RuntimeError, ValueError) as error:
        sys.stderr.write(f"server did not start: {error}\n")
        return _LOAD_FAILED
    _hush(options.verbosity)
    guardian.watch()
    _wait_for_stop()
    del server  # its destructor ends the main loop and frees the slots
    return 0


def params(options: argparse.Namespace) -> Any:
    """Return the wheel's `CommonParams` for the parsed arguments."""
    import xllamacpp as x

    p = x.CommonParams()
    p.model.path = options.model
    if options.alias is not None:
        p.model_alias = {options.alias}
    p.hostnames, p.port = [options.host], options.port
    p.n_parallel, p.kv_unified = options.parallel, options.kv_unified
    p.n_ctx, p.n_batch, p.n_ubatch = options.ctx_size, options.batch_size, options.ubatch_size
    p.n_gpu_layers, p.fit_params = options.gpu_layers, options.fit == "on"
    p.cache_type_k = _ggml_type(x, options.cache_type_k)
    p.cache_type_v = _ggml_type(x, options.cache_type_v)
    attention = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}[options.flash_attn]
    p.flash_attn_type = x.llama_flash_attn_type[f"LLAMA_FLASH_ATTN_TYPE_{attention}"]
    p.n_predict, p.cache_ram_mib = options.predict, options.cache_ram
    p.sampling.seed = options.seed % (1 << 32)
    p.n_threads_http, p.api_keys = options.threads_http, options.api_key
    if options.chat_template is not None:
        p.chat_template = options.chat_template
    p.embedding = options.embedding
    if options.pooling is not None:
        kind = f"LLAMA_POOLING_TYPE_{options.pooling.upper()}"
        p.pooling_type = x.llama_pooling_type[kind]
    if options.model_draft is not None:
        p.speculative.draft.mparams.path = options.model_draft
        p.speculative.types = [x.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    if options.mmproj is not None:
        p.mmproj.path = options.mmproj
    # While it loads it tells which settings are in force; requests are logged as asked for.
    p.verbosity = max(_SETTINGS_TOLD, options.verbosity)
    if options.cpu_moe:
        p.tensor_buft_overrides = experts_aside(options.cpu_moe)
    _device(x, p, options.device)
    _threads(p, options)
    _switches(x, p, options)
    return p


def experts_aside(layers: int) -> str:
    """Return llama.cpp's word for keeping the experts of the first layers on the processor."""
    first = "|".join(str(layer) for layer in range(layers))
    return rf"blk\.({first})\.ffn_(up|down|gate)_(ch|)exps=CPU"


def _device(x: Any, p: Any, name: str | None) -> None:
    """Compute on one device: `none` is the processor alone, whatever else is there."""
    if name is None:
        return
    if name == "none":
        p.n_gpu_layers, p.no_op_offload, p.no_kv_offload = 0, True, True
        return
    gpus = [each["name"] for each in gpus_of(x)]
    if name not in gpus:
        raise ValueError(f"no device {name}; there is {', '.join(gpus) or 'no GPU'}")
    p.split_mode = x.llama_split_mode.LLAMA_SPLIT_MODE_NONE
    p.main_gpu = gpus.index(name)


def gpus_of(x: Any) -> list[dict[str, Any]]:
    """Return what the library knows of each GPU that it can compute on."""
    kinds = (
        x.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU,
        x.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_IGPU,
    )
    return [device for device in x.get_device_info() if device["type"] in kinds]


def _hush(verbosity: int) -> None:
    """Log from now on as was asked for, where the library lets us: nothing depends on it."""
    with contextlib.suppress(ConformanceError):
        library.bind("_Z30common_log_set_verbosity_tholdi", None, ctypes.c_int)(verbosity)


def _threads(p: Any, options: argparse.Namespace) -> None:
    threads = options.threads if options.threads > 0 else _cores()
    p.cpuparams.n_threads = threads
    p.cpuparams_batch.n_threads = options.threads_batch if options.threads_batch > 0 else threads
    p.cpuparams.poll = p.cpuparams_batch.poll = options.poll


def _switches(x: Any, p: Any, options: argparse.Namespace) -> None:
    p.warmup, p.use_jinja, p.ui = options.warmup, options.jinja, options.ui
    p.endpoint_slots, p.endpoint_metrics = options.slots, options.metrics
    p.endpoint_props, p.cont_batching = options.props, options.cont_batching
    p.ctx_shift, p.cache_prompt = options.context_shift, options.cache_prompt
    if not options.mmap:
        p.load_mode = x.llama_load_mode.LLAMA_LOAD_MODE_NONE


def _ggml_type(x: Any, name: str) -> Any:
    return x.ggml_type[f"GGML_TYPE_{name.upper()}"]


def _confine(options: argparse.Namespace) -> None:
    """Bind every thread to come to the cores asked for, so that the mask can be read back."""
    cores = options.cpu_mask or options.cpu_range
    if cores is None:
        return
    if not hasattr(os, "sched_setaffinity"):
        parser().error("this system cannot bind a process to cores: leave out --cpu-mask")
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        parser().error(f"cannot run on cores {sorted(cores)}: {error.strerror}")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _wait_for_stop() -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stderr.write(f"{_SERVING}\n")
    sys.stderr.flush()
    try:
        while True:
            signal.pause()
    except SystemExit:
        # A second signal while the destructor works is for the impatient: let it kill.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _between(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    read.__name__ = "number"
    return read


def _layers(text: str) -> int:
    named = {"auto": _AUTO_LAYERS, "all": _ALL_LAYERS}
    return named[text] if text in named else int(text)


def _mask(text: str) -> set[int]:
    value = int(text, 16)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} names no core")
    return {core for core in range(value.bit_length()) if value >> core & 1}


def _range(text: str) -> set[int]:
    low, _, high = text.partition("-")
    cores = set(range(int(low), int(high) + 1))
    if not cores:
        raise argparse.ArgumentTypeError(f"{text} names no core")
    return cores


if __name__ == "__main__":
    sys.exit(main())
