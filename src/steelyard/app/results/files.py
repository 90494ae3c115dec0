"""A result as a table or JSON, and as a file in a folder that was named. Never overwrites one.

For commands whose result is one domain value. Not aware of what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.codec import encode
from steelyard.domain.errors import BadInput
from steelyard.platform import atomic

COULD_NOT_MEASURE: Final = 3


@final
@dataclass(frozen=True, slots=True)
class Told:
    """What to say and how to exit."""

    text: str
    exit_code: int


def refuse(out: Path | None, name: str) -> None:
    """Raise `BadInput` where the file is there already, before anything is measured."""
    if out is None:
        return
    if (out / name).exists():
        raise BadInput(f"{out / name} is there already", hint="give another --out")
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out {out} is no folder", hint="name a folder")


def told(
    found: object, words: str, out: Path | None, name: str, *, as_json: bool, measured: bool
) -> Told:
    """Write the result where a folder was named, and return what to say."""
    text = encode(found, indent=1)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        atomic.write(out / name, text.encode())
    return Told(text if as_json else words, 0 if measured else COULD_NOT_MEASURE)
