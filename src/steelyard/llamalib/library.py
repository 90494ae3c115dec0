"""The shared object inside the llama.cpp wheel, opened as a C library.

Its exports are an accident of linking, not a promise: `conformance` asks it what it computes before
anybody trusts it, and the wheel's version and hash stand in every record. Not aware of models.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any, Final

from steelyard.domain.errors import ConformanceError

# Of a cache: those that the library can be told.
KV_TYPES: Final = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
WHEEL: Final = "xllamacpp"
_CHUNK: Final = 1 << 22
_LOG_CALLBACK: Final = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_INSTALL: Final = "install the engine extra: python3 start.py sets it up"


@functools.cache
def load() -> ctypes.CDLL:
    """Open the library; raise `ConformanceError` where it is absent or cannot be loaded."""
    path = shared_object()
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ConformanceError(
            f"the llama.cpp wheel's library {path.name} cannot be loaded: {error}", hint=_INSTALL
        ) from None


def shared_object() -> Path:
    """Return the path of the wheel's shared object."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ConformanceError(f"the llama.cpp wheel ({WHEEL}) is not installed", hint=_INSTALL)
    folder = Path(spec.origin).parent
    found = sorted(p for p in folder.glob(f"{WHEEL}*") if p.suffix in (".so", ".pyd", ".dylib"))
    if not found:
        raise ConformanceError(f"the wheel {WHEEL} holds no shared object", hint=_INSTALL)
    return found[0]


def version() -> str:
    """Return the wheel's version."""
    try:
        return importlib.metadata.version(WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise ConformanceError(f"the wheel {WHEEL} is not installed", hint=_INSTALL) from None


@functools.cache
def sha256() -> str:
    """Return the hash of the shared object: the wheel says no build number of llama.cpp."""
    digest = hashlib.sha256()
    with shared_object().open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def bind(name: str, returns: Any, *takes: Any) -> Any:
    """Return an exported function with its types set, or raise naming the missing symbol."""
    try:
        function = load()[name]
    except AttributeError:
        raise ConformanceError(
            f"the llama.cpp wheel {version()} does not export {name}",
            hint="use --runtime native, or the wheel version that constraints.txt pins",
        ) from None
    function.restype, function.argtypes = returns, takes
    return function


@functools.cache
def hush() -> Any:
    """Keep the library's chatter off stderr; the returned callback lives as long as the process."""
    callback = _LOG_CALLBACK(lambda _level, _text, _data: None)
    bind("llama_log_set", None, _LOG_CALLBACK, ctypes.c_void_p)(callback, None)
    return callback
