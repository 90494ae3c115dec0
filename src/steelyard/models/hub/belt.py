"""Fetch, run, delete: what to do next with a row of models so that the disk never gets too full.

A pure state machine: `handle(event) -> instructions`. One model is run while the next is fetched,
if both have room; a model is deleted after its run unless it was here before or is to be kept. Not
aware of files, sockets or clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from steelyard.domain.errors import TooLittleRoom
from steelyard.models import disk


@final
@dataclass(frozen=True, slots=True)
class Item:
    """One model in the row. `missing_bytes` are still to be fetched; `keep` forbids deletion."""

    name: str
    missing_bytes: int
    keep: bool = False


@final
@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch a model now."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class Run:
    """Run a model now; it is here."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a model now; it has been run, and only we had fetched it."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class Began:
    """The row begins."""


@final
@dataclass(frozen=True, slots=True)
class Fetched:
    """A model is here whole."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """A model's run has ended, however it ended."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class Deleted:
    """A model is gone from the disk."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class Stayed:
    """A model could not be deleted: somebody else uses it, or has pinned it meanwhile."""

    item: Item


@final
@dataclass(frozen=True, slots=True)
class NotFetched:
    """A model could not be fetched; it is not run."""

    item: Item


Event: TypeAlias = Began | Fetched | NotFetched | Ran | Deleted | Stayed
Instruction: TypeAlias = Fetch | Run | Delete


def order(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the order that needs least room: what is here, what goes again, what stays."""

    def turn(item: Item) -> int:
        if not item.missing_bytes:
            return 0
        return 2 if item.keep else 1

    return tuple(sorted(items, key=turn))


def peak_bytes(items: Sequence[Item]) -> int:
    """Return the least room in which the row can be done at all, one after the other."""
    most, stays = 0, 0
    for item in order(items):
        most = max(most, stays + item.missing_bytes)
        stays += item.missing_bytes if item.keep else 0
    return most


@final
class Belt:
    """The row as it moves. `budget_bytes` is what it may add to the disk at any moment."""

    def __init__(self, items: Sequence[Item], budget_bytes: int, *, prefetch: bool = True) -> None:
        """Lay the row out. Raises `TooLittleRoom` where no order of steps keeps within budget."""
        if (peak := peak_bytes(items)) > budget_bytes:
            raise TooLittleRoom(
                f"these models need {disk.size(peak)} at once, and there is room for "
                f"{disk.size(max(0, budget_bytes))}",
                hint="free space, lower --disk-reserve, keep fewer of them, or choose smaller ones",
            )
        self._waiting = list(order(items))
        self._ready: list[Item] = []
        self._budget, self._used = budget_bytes, 0
        self._prefetch = prefetch
        self._fetching: Item | None = None
        self._running: Item | None = None
        self._deleting = 0

    @property
    def waiting(self) -> tuple[Item, ...]:
        """What has not been begun: at the end, what there was no room for any more."""
        return tuple(self._waiting)

    @property
    def used_bytes(self) -> int:
        """What lies on the disk by our doing, counting what is being fetched as there."""
        return self._used

    def handle(self, event: Event) -> tuple[Instruction, ...]:
        """Take what has happened; return what is to be begun now."""
        found: list[Instruction] = []
        match event:
            case Began():
                pass
            case Fetched(item=item):
                self._fetching = None
                self._ready.append(item)
            case Ran(item=item):
                self._running = None
                if item.missing_bytes and not item.keep:
                    self._deleting += 1
                    found.append(Delete(item))
            case NotFetched(item=item):
                self._fetching = None
                self._used -= item.missing_bytes
            case Deleted(item=item):
                self._deleting -= 1
                self._used -= item.missing_bytes
            case Stayed():
                self._deleting -= 1
        self._take_what_is_here()
        if self._running is None and self._ready:
            self._running = self._ready.pop(0)
            found.append(Run(self._running))
        if (ahead := self._next_to_fetch()) is not None:
            self._fetching = ahead
            self._used += ahead.missing_bytes
            found.append(Fetch(ahead))
        return tuple(found)

    def _take_what_is_here(self) -> None:
        while self._waiting and not self._waiting[0].missing_bytes:
            self._ready.append(self._waiting.pop(0))

    def _next_to_fetch(self) -> Item | None:
        if self._fetching is not None or not self._waiting:
            return None
        # One ahead is enough: more would fill the disk and gain nothing.
        busy = self._running is not None or self._deleting > 0
        if self._ready or (busy and not self._prefetch):
            return None
        if self._used + self._waiting[0].missing_bytes > self._budget:
            return None
        return self._waiting.pop(0)
