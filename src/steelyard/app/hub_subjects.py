"""Subjects that lie on a hub: `hf:ORG/NAME:QUANT[,QUANT…]`, as files of the Hugging Face cache.

Once they are here no network is needed. Not aware of engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.app import pulling
from steelyard.domain.errors import BadInput, SteelyardError, UnknownName
from steelyard.domain.progress import Emit
from steelyard.models import find
from steelyard.models.hub import choosing, held, holding
from steelyard.models.hub.held import Snapshot
from steelyard.models.hub.listing import Globs, RemoteVariant

MARK: Final = "hf:"


@final
@dataclass(frozen=True, slots=True)
class Here:
    """Variants of a repository that are in the cache: the first file of each, and their leases."""

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


def ensure(subject: str, emit: Emit) -> None:
    """See that what a hub's subject stands for is here; others are left alone."""
    if not is_hub(subject):
        return
    try:
        here(_without_engine(subject))
    except (BadInput, UnknownName):
        pulling.pull(pulling.HubRequest(_without_engine(subject)), emit)


@contextmanager
def in_use(subject: str) -> Iterator[None]:
    """Keep the files of a hub's subject from being removed while the block runs."""
    with ExitStack() as stack:
        if is_hub(subject):
            try:
                found = here(_without_engine(subject))
            except SteelyardError:  # whoever reads the subject says what is wrong with it
                found = None
            for one in found.variants if found else ():
                for lease in found.snapshot.leases(one) if found else ():
                    stack.enter_context(holding.shared(lease))
        yield


def _without_engine(subject: str) -> str:
    return subject.partition("@")[0]
