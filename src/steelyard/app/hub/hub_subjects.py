"""Subjects that lie on a hub: `hf:ORG/NAME:QUANT[,QUANT…]`, as files of the Hugging Face cache.

Once they are here no network is needed. Not aware of engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.app.hub import pulling
from steelyard.domain.errors import BadInput
from steelyard.models import find
from steelyard.models.hub import choosing, held
from steelyard.models.hub.held import Snapshot
from steelyard.models.hub.listing import Globs, RemoteVariant

MARK: Final = "hf:"


@final
@dataclass(frozen=True, slots=True)
class Here:
    """Variants of a repository that are in the cache."""

    repo: str
    snapshot: Snapshot
    variants: tuple[RemoteVariant, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return what an engine is pointed at: a variant's first file, or its folder."""
        first = ((one, self.snapshot.folder / one.files[0].path) for one in self.variants)
        return tuple(path if one.format == "gguf" else path.parent for one, path in first)


def is_hub(subject: str) -> bool:
    """Whether a subject lies on a hub by its spelling."""
    return subject.startswith(MARK)


def here(subject: str) -> Here:
    """Return what a subject stands for; raise `BadInput` where that is not in the cache yet."""
    meant = pulling.target(subject)
    snapshot = held.snapshot(find.hugging_face_cache(), meant.name, None)
    pull = f"`steelyard models pull {subject.removeprefix(MARK)}` fetches it"
    if snapshot is None:
        raise BadInput(f"nothing of {meant.name} is on this machine", hint=pull)
    offer = snapshot.offer(Globs())
    chosen = choosing.variants(offer, meant.quants, Globs(), where=meant.name)
    if not chosen:
        raise BadInput(f"no model file of {meant.name} is on this machine", hint=pull)
    return Here(meant.name, snapshot, chosen)
