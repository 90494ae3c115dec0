"""Keeps finished runs in the user's database; a full disk or a damaged file does not stop a sweep.

The campaign's folder is the truth while it runs: what the database missed can be loaded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from steelyard.app.results import history
from steelyard.domain.campaign import Sweep
from steelyard.domain.errors import SteelyardError
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.run import RunRecord
from steelyard.platform import settings
from steelyard.store.database import Store


@contextmanager
def keeper(emit: Emit, sweep: Sweep | None = None) -> Iterator[Callable[[RunRecord], None]]:
    """Yield a function that stores one record, as part of `sweep` where one is given."""
    path = settings.load().database
    try:
        store = Store(path)
        campaign_id = None if sweep is None else store.add_campaign(sweep)
    except SteelyardError as error:
        emit(Noted(f"runs are not kept in {path}: {error}; {error.hint}", warning=True))
        yield history.note
        return

    def keep(record: RunRecord) -> None:
        history.note(record)
        try:
            store.add(record, campaign_id=campaign_id)
        except SteelyardError as error:
            emit(Noted(f"run {record.id} is not kept in {path}: {error}", warning=True))

    with store:
        yield keep
