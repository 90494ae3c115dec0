"""The digests that tags of images were pinned to on this machine: a small file of the user's.

A tag can be pushed again, so that what is started is always `NAME@sha256:…`. Where a dialect's file
has no digest, the one that its tag stood for when it was first fetched is kept here and used from
then on (docs/decisions/0008-images.md). Not aware of container tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from steelyard.domain.errors import BadInput
from steelyard.platform import atomic, clock, settings

NAME: Final = "images.json"


def recorded(reference: str, home: Path | None = None) -> str:
    """Return the digest that a tag was pinned to here, empty for one that never was."""
    entry = _read(path_of(home)).get(reference)
    return str(entry.get("digest", "")) if isinstance(entry, Mapping) else ""


def record(reference: str, digest: str, tool: str, home: Path | None = None) -> None:
    """Pin a tag to the digest that it stands for now."""
    path = path_of(home)
    known = dict(_read(path))
    known[reference] = {"digest": digest, "pinned_at": clock.wall_time(), "by": tool}
    atomic.write(path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())


def path_of(home: Path | None = None) -> Path:
    """Return where the digests are kept."""
    return (home or settings.load().home) / NAME


def _read(path: Path) -> Mapping[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}, where the digests of images are kept, cannot be read: {error}",
            hint="mend it, or move it away: each tag is then pinned anew",
        ) from None
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no digests of images", hint="move it away")
    return found
