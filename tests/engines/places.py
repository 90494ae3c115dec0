"""Places for tests: where a program lies and which files it may load."""

from __future__ import annotations

import sys
from pathlib import Path

from steelyard.domain.run import Place

WHEEL = (sys.executable, "-m", "steelyard.llamalib.server")
HERE = Place(
    program=("llama-server",),
    paths={"ab" * 32: Path("/models/qwen3-4b-q4_k_m.gguf")},
    folder=Path("/runs/one"),
    port=8080,
)
