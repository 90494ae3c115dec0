"""Keeps finished runs in the user's database; a full disk or a damaged file does not stop a sweep.

The campaign's folder is the truth while it runs: what the database missed can be loaded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from steelyard.domain.errors import StoreError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import RunRecord
from steelyard.platform import settings
from steelyard.store.database import Store


@contextmanager
def keeper(emit: Emit) -> Iterator[Callable[[RunRecord], None]]:
    """Yield a function that stores one record; the first failure is told, later ones are not."""
    try:
        store: Store | None = Store.open(settings.load().database)
    except StoreError as error:
        emit(Noted(f"runs are not kept in the database: {error}; {error.hint}", warning=True))
        store = None

    def keep(record: RunRecord) -> None:
        if store is not None:
            store.add(record)

    try:
        yield keep
    finally:
        if store is not None:
            store.close()
