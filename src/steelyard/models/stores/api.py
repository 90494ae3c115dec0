"""What a model store is: it lists what it keeps, looks into it, and hands it out as files.

A store changes nothing that it keeps. Listing reads names and sizes, looking reads headers; only
`fetch` moves weights. Found by name through the entry-point group `steelyard.stores`, whose members
are called with a place: a folder or an address, or None for where such a store usually lies, and
raise `BadInput` where it has no such place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, final

from steelyard.domain.errors import UnknownName
from steelyard.domain.subject import ArtifactFacts

GROUP: Final = "steelyard.stores"

Format: TypeAlias = Literal["gguf", "safetensors"]
Progress: TypeAlias = Callable[[int, int], None]


@final
@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: its name once it is handed out, its bytes, and where it lies on this machine.

    `path` is None for a file that is elsewhere. `sha256` is what the store claims it to be, by the
    name of a blob or in an index; None where it claims nothing. Nobody has verified it yet.
    """

    name: str
    size_bytes: int
    path: Path | None = None
    sha256: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a store. `name` is unique there; `files` are its weights, shards in order.

    `beside` are files without which the weights are of no use (a config, a tokenizer). `path` is
    what an engine is pointed at, None where it is elsewhere. `origin` is what the store knows of
    it in words: revision, tag. `aliases` are other names for the very same files.
    """

    store: str
    name: str
    format: Format
    files: tuple[StoredFile, ...]
    beside: tuple[StoredFile, ...] = ()
    path: Path | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights and of what comes with them."""
        return sum(file.size_bytes for file in (*self.files, *self.beside))


@final
@dataclass(frozen=True, slots=True)
class Unusable:
    """Something that lies in a store and cannot be used, with the reason."""

    where: str
    why: str


@final
@dataclass(frozen=True, slots=True)
class Listing:
    """What a store keeps, sorted by name; what is broken in it; other stores that lie inside."""

    entries: tuple[Entry, ...]
    unusable: tuple[Unusable, ...] = ()
    inside: tuple[tuple[str, Path], ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Details:
    """What the headers say. `layout` is gguf, safetensors or mlx; `said` are settings beside."""

    facts: ArtifactFacts
    layout: str
    said: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Aside:
    """It is no language model by itself: a projector, an adapter, an importance matrix …"""

    role: str


Look: TypeAlias = Details | Aside


class Store(Protocol):
    """A place that models are kept in."""

    @property
    def name(self) -> str:
        """Which kind of store it is: the name of its entry point."""

    @property
    def where(self) -> str:
        """The folder or address, for people."""

    def list(self) -> Listing:
        """Return what is kept; what is broken is told and stops nothing.

        Raises `BadInput` where there is no such store, `TransferFailed` where it does not answer.
        """

    def look(self, entry: Entry) -> Look:
        """Read the headers of an entry; raise `UnreadableModel` for one that is broken."""

    def locate(self, entry: Entry) -> Path:
        """Return the file or folder on this machine; raise `BadInput` if it is elsewhere."""

    def fetch(self, entry: Entry, folder: Path, progress: Progress | None = None) -> Path:
        """Put an entry's files whole and verified into a folder; return the file or model folder.

        Bytes that are not what the store claims raise `WrongModel` or `TransferFailed`, and none of
        them stays under the name. `progress` gets (bytes done, bytes in all).
        """


def store(name: str, where: str | None = None) -> Store:
    """Return a store by its kind, at a place or where such a store usually lies."""
    points = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if name not in points:
        raise UnknownName.among("kind of store", name, points)
    found: Store = points[name].load()(where)
    return found


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds of stores that are installed."""
    return tuple(sorted(point.name for point in metadata.entry_points(group=GROUP)))
