"""How an engine of ours came up. Not aware of how it was watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Missing, Reading

NOT_STARTED: Final = Missing("not_started")


@final
@dataclass(frozen=True, slots=True)
class Startup:
    """One start of an engine of ours, in seconds from the start of its process.

    `port_s` is when it first took a connection, `ready_s` when it answered that it can work (which
    is a run's `load_s`). Both were looked for, never told: `blind_s` is the longest time between
    two looks, by which they may be too large. `read_bytes` had been fetched from storage by then.
    """

    port_s: float
    ready_s: float
    blind_s: float
    read_bytes: Reading[int] = Missing("not_told")
