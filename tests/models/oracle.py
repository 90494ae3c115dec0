"""llama.cpp's own quantiser, called as a library in a process of its own.

`python oracle.py LIBRARY_FOLDER SOURCE OUT FILE_TYPE [IMATRIX]` runs `llama_model_quantize`. The
library is a pinned data file that the tests fetch and never ship; nothing of ours quantises here.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from pathlib import Path

import numpy as np

from steelyard.models import imatrix as imatrices

_PARAMS_BYTES = 256
_FILE_TYPE_AT, _REQUANTISE_AT, _IMATRIX_AT = 4, 16, 24
_DEFAULT_FILE_TYPE = 7


class Params(ctypes.Structure):
    """`llama_model_quantize_params`, opaque."""

    _fields_ = (("raw", ctypes.c_uint8 * _PARAMS_BYTES),)


class Importance(ctypes.Structure):
    """`llama_model_imatrix_data`: one tensor's importances; a nameless one ends the list."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("data", ctypes.POINTER(ctypes.c_float)),
        ("size", ctypes.c_size_t),
    )


def main(folder: Path, source: str, out: str, file_type: int, matrix: Path | None) -> int:
    """Quantise as llama.cpp does; return its status."""
    base = ctypes.CDLL(str(folder / "libggml-base.so"), mode=ctypes.RTLD_GLOBAL)
    ggml = ctypes.CDLL(str(next(folder.glob("libggml.v*.so"))), mode=ctypes.RTLD_GLOBAL)
    llama = ctypes.CDLL(str(next(folder.glob("libllama.v*.so"))), mode=ctypes.RTLD_GLOBAL)
    ggml.ggml_backend_load_all_from_path(str(folder).encode())
    llama.llama_backend_init()
    llama.llama_model_quantize_default_params.restype = Params
    params = llama.llama_model_quantize_default_params()
    found = struct.unpack_from("=i", params.raw, _FILE_TYPE_AT)[0]
    if found != _DEFAULT_FILE_TYPE:
        sys.stderr.write(f"unexpected layout: default file type {found}\n")
        return 3
    struct.pack_into("=ii", params.raw, 0, 2, file_type)
    struct.pack_into("=B", params.raw, _REQUANTISE_AT, 1)
    keep: list[object] = [base]
    if matrix is not None:
        array = importances(matrix, keep)
        struct.pack_into("=Q", params.raw, _IMATRIX_AT, ctypes.addressof(array))
    argument = ctypes.byref(params)
    return int(llama.llama_model_quantize(source.encode(), out.encode(), argument))


def importances(matrix: Path, keep: list[object]) -> ctypes.Array[Importance]:
    """Return the null-terminated list that the library takes."""
    read = imatrices.read(matrix)
    rows = []
    for name in read.statistics:
        values = np.ascontiguousarray(read.importance(name), np.float32)
        keep.append(values)
        pointer = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        rows.append(Importance(name.encode(), pointer, values.size))
    array = (Importance * (len(rows) + 1))(*rows, Importance(None, None, 0))
    keep.append(array)
    return array


if __name__ == "__main__":
    given = sys.argv[1:]
    imatrix_path = Path(given[4]) if len(given) > 4 else None
    sys.exit(main(Path(given[0]), given[1], given[2], int(given[3]), imatrix_path))
