"""The end of an evaluation, done before its time to see how long it takes on this machine now.

All of it happens to a copy: the record, a database of its own and the text that would be printed.
Not aware of budgets.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Protocol, Self, final

from steelyard.domain.errors import SteelyardError
from steelyard.domain.run import RunRecord
from steelyard.store.database import Store
from steelyard.store.records import write_record

_DATABASE: Final = "runs.db"
_PREFIX: Final = ".rehearsal-"


class Counted(Protocol):
    """What was counted of a record."""

    def text(self, *, as_json: bool) -> str:
        """Return it as it is printed."""


@final
class Rehearsal:
    """A place inside `folder` for copies of what its evaluation would end with.

    What a killed evaluation left of its own place is removed: the folder is nobody else's now.
    """

    def __init__(self, folder: Path, count: Callable[..., Counted]) -> None:
        self._count = count
        for stale in folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(stale, ignore_errors=True)
        self._place = TemporaryDirectory(prefix=_PREFIX, dir=folder)

    def of(self, record: RunRecord) -> None:
        """Keep, count and tell a record. What goes wrong here is for the real end to say."""
        folder = Path(self._place.name)
        with suppress(SteelyardError, OSError):
            write_record(folder, record)
            with Store(folder / _DATABASE) as store:
                store.add(record)
            self._count(record, folder=folder).text(as_json=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._place.cleanup()
