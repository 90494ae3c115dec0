"""What pip is set up to do here, said in uv's words: index, find-links, certificates.

uv reads none of pip's settings, so without this it would fetch from elsewhere than pip does, or
another build of a package. Names no address of its own. The standard library only: `start.py` uses
it before anything is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# pip's option → uv's variable, and what stands between several values.
_UV_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
}


def base_python() -> str:
    """Return the interpreter that a virtual environment was made from: that one has pip."""
    return getattr(sys, "_base_executable", None) or sys.executable


def read(python: str) -> dict[str, str]:
    """Return pip's own configuration by option name; the environment's word goes last."""
    command = [python, "-m", "pip", "config", "list"]
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


def for_uv(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv finds what pip would find."""
    env = dict(os.environ)
    for name, (variable, separator) in _UV_NAMES.items():
        values = settings.get(name, "").split()
        if name == "find-links":  # uv stops at a missing folder where pip only warns
            values = [v for v in values if "://" in v or Path(v).exists()]
        if values:
            env.setdefault(variable, separator.join(values))
    if "UV_INDEX" in env:
        env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # what pip does
    return env
