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
UV_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
}


def pip_settings() -> dict[str, str]:
    """Return pip's own configuration by option name."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        scope, _, name = key.partition(".")
        if scope in {"global", "install"}:
            found[name] = value.strip("'\"").replace("\\n", " ")
    for key, value in os.environ.items():
        if key.startswith("PIP_"):
            found[key[4:].lower().replace("_", "-")] = value
    return found


def uv_environment() -> dict[str, str]:
    """Return the environment in which uv finds what pip would find."""
    env = dict(os.environ)
    for name, (variable, separator) in UV_NAMES.items():
        values = pip_settings().get(name, "").split()
        if name == "find-links":  # uv stops at a missing folder where pip only warns
            values = [v for v in values if "://" in v or Path(v).exists()]
        if values:
            env.setdefault(variable, separator.join(values))
    if "UV_INDEX" in env:
        env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # what pip does
    return env


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
