"""Which GPUs this llama.cpp can compute on: its build decides, beside what is in the machine.

`python -m steelyard.llamalib.devices` prints those of the wheel, in a process of its own so that
the library does not weigh on ours. `llama-server --list-devices` tells those of a build on PATH:
lines such as `CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)`. Not aware of drivers.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Final

from steelyard.domain.errors import EngineError
from steelyard.llamalib import runtimes

_LIMIT_S: Final = 60.0
_LISTED: Final = re.compile(r"^\s*([A-Za-z]+\d*): (.+?)\s*(?:\(|$)", re.MULTILINE)
_HEAD: Final = "available devices:"


def gpus(runtime: str) -> tuple[tuple[str, str], ...]:
    """Return llama.cpp's own name and the description of each GPU of a runtime."""
    if runtime == "wheel":
        said = _said([sys.executable, "-m", "steelyard.llamalib.devices"])
        return tuple((str(name), str(what)) for name, what in json.loads(said))
    return read_list(_said([runtimes.native().require("llama-server"), "--list-devices"]))


def read_list(text: str) -> tuple[tuple[str, str], ...]:
    """Read what `--list-devices` prints behind its heading."""
    _, _, listed = text.lower().partition(_HEAD)
    behind = text[len(text) - len(listed) :] if listed else ""
    return tuple((name, what) for name, what in _LISTED.findall(behind) if name != "CPU")


def _said(argv: list[str]) -> str:
    try:
        ended = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"llama.cpp does not tell its devices: {error}") from None
    if ended.returncode != 0:
        last = (ended.stderr or ended.stdout).strip().splitlines()[-1:]
        raise EngineError(
            f"llama.cpp does not tell its devices: {' '.join(last) or ended.returncode}",
            hint="leave --device out, or use another --runtime",
        )
    return ended.stdout


def main() -> int:
    """Print the wheel's GPUs as JSON."""
    import xllamacpp

    from steelyard.llamalib.server import gpus_of

    found = [(each["name"], each["description"]) for each in gpus_of(xllamacpp)]
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
