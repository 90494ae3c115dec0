"""An importance matrix for the tiny model, with plain random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.llamalib import tiny

from steelyard.models import imatrix
from steelyard.models.imatrix import Statistic

DEFAULT = tiny.Shape()


def write(path: Path, shape: tiny.Shape = DEFAULT) -> Path:
    """Write an importance matrix of every layer's matrices."""
    rng = np.random.default_rng(7)
    found = {
        name: Statistic(
            rng.random((int(np.prod(tensor.shape[:-2])), tensor.shape[-1]), np.float32) * 90 + 1,
            np.full(int(np.prod(tensor.shape[:-2])), 512, np.float32),
        )
        for name, tensor in tiny.tensors(shape).items()
        if tensor.ndim >= 2 and name.startswith("blk.")
    }
    return imatrix.write(path, found, chunks=1, chunk_tokens=512, datasets=("words.txt",))
