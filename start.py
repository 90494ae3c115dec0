#!/usr/bin/env python3
"""Set Steelyard up on a fresh machine and hand over: `start.py sweep`, `start.py check`.

Needs Python 3.11 with pip, nothing else: no venv module, no root, no change to PATH. Everything
goes into `.tools/` and `.venv/` beside this file. Settings of pip (index, find-links, certificates)
are translated for uv, which reads none of them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BIN, EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
UV = ROOT / ".tools" / BIN / f"uv{EXE}"
VENV = ROOT / ".venv"
PYTHON = VENV / BIN / f"python{EXE}"


def uv_environment() -> dict[str, str]:
    """Return the environment in which uv finds what pip would find."""
    sys.path.insert(0, str(ROOT / "src"))
    from steelyard.platform import pip_settings  # the standard library only, so nothing is missing

    return pip_settings.for_uv(pip_settings.read(sys.executable))


def set_up(extras: str) -> None:
    """Make `.venv` hold Steelyard with `extras`; does nothing when it already does."""
    wanted = hashlib.sha256(
        (ROOT / "pyproject.toml").read_bytes()
        + (ROOT / "constraints.txt").read_bytes()
        + extras.encode()
    ).hexdigest()
    stamp = VENV / f".ready-{extras.replace(',', '-')}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Setting up Steelyard in {VENV} …", file=sys.stderr)
    env = uv_environment()
    if not UV.exists():  # --target also works where pip refuses to touch the system (PEP 668)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(ROOT / ".tools"), "uv"], check=True)
    make = [str(UV), "venv", "-q", "--allow-existing", "--python", sys.executable, str(VENV)]
    subprocess.run(make, check=True, env=env)
    pins = str(ROOT / "constraints.txt")
    install = [str(UV), "pip", "install", "-q", "--python", str(PYTHON), "-c", pins]
    subprocess.run([*install, "-e", f"{ROOT}[{extras}]"], check=True, env=env)
    stamp.write_text(wanted)


def main(arguments: list[str]) -> int:
    """Set up what the command needs, then run it; return its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before anything is checked
        print(f"Steelyard needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
        return 2
    command = arguments[0] if arguments else "--help"
    extras = {
        "check": "dev,forge" if "--full" in arguments else "dev",
        "forge": "engine,report,forge",
    }
    try:
        set_up(extras.get(command, "engine,report"))
    except subprocess.CalledProcessError as error:
        print(f"Setting up failed: {error.cmd[0]} ended with {error.returncode}; see above.")
        return 3
    words = ["-m", "steelyard.cli.main", *arguments]
    if command == "check":
        words = [str(ROOT / "check.py"), *arguments[1:]]
    if os.name != "nt":
        # In our place and not beside us: waiting here we would kill, a moment after Ctrl+C, what
        # is still writing down what it had measured.
        os.execv(PYTHON, [str(PYTHON), *words])  # noqa: S606 - no shell is wanted
    return subprocess.call([str(PYTHON), *words])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
