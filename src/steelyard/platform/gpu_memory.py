"""How much memory of the GPUs is in use, by whomever: looked at before and after, it is ours.

NVIDIA by `nvidia-smi`, AMD by the driver's own files. Apple's GPU shares the machine's memory, so
there is nothing of its own to tell. Everything is looked up below `root`, programs in `programs`,
so that a test can lay out a machine of its own. Sources: nvidia-smi --help-query-gpu; the kernel's
documentation of amdgpu (`mem_info_vram_used`).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from steelyard.domain.reading import Measured, Missing, Reading

_ROOT: Final = Path("/")
_LIMIT_S: Final = 15.0
_MIB: Final = 1 << 20
_NONE: Final = Missing("not_told", "no GPU here tells how much of its memory is in use")


def used_bytes(root: Path = _ROOT) -> Reading[int]:
    """Return the bytes in use on all GPUs together."""
    path = None if root == _ROOT else str(root / "usr/bin")
    amounts = [*_nvidia(path), *_amd(root)]
    return Measured(sum(amounts), "client") if amounts else _NONE


def _nvidia(path: str | None) -> list[int]:
    found = shutil.which("nvidia-smi", path=path)
    if found is None:
        return []
    try:
        ended = subprocess.run(
            [found, "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
    if ended.returncode != 0 or not all(line.isdigit() for line in lines):
        return []
    return [int(line) * _MIB for line in lines]


def _amd(root: Path) -> list[int]:
    amounts = []
    for file in sorted(root.glob("sys/class/drm/card[0-9]*/device/mem_info_vram_used")):
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            amounts.append(int(text))
    return amounts
