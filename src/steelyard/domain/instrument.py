"""The instrument: what the measuring client's own error is on this machine, found by calibration.

Errors are sizes: how far a stamp may be from the truth, either way. Not aware of how they are
found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Missing, Reading
from steelyard.domain.stream import Stamps

_NOT_YET: Final = Missing("not_calibrated", "the instrument was not calibrated")


@final
@dataclass(frozen=True, slots=True)
class Instrument:
    """The client's own error, in seconds: 99 % of what it measures is off by less.

    Off beyond what it says of itself: what was read late or several at once is known as a range,
    and how wide that is stands beside each figure.
    `lateness_s` is how late 99 % of requests go out that are bound to a moment. `streams` and
    `samples` say what it was found on, `stamps` whose clock it is about. Each record carries it.
    """

    ttft_error_s: Reading[float] = _NOT_YET
    gap_error_s: Reading[float] = _NOT_YET
    lateness_s: Reading[float] = _NOT_YET
    stamps: Stamps = "user"
    streams: int = 0
    samples: int = 0
