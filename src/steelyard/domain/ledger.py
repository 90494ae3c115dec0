"""What each right answer cost, here or at a service.

Energy in joules, money in US dollars unless a tariff names another currency.
Not aware of how any of it was counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steelyard.domain.reading import Reading
from steelyard.domain.summary import Estimate


@final
@dataclass(frozen=True, slots=True)
class Worth:
    """What a right answer took: wrong, invalid and failed answers and thinking are in it.

    `billed` is what the service charged. `watts` is the mean power while tasks ran, of what the
    counter sees. `right` and `busy_s` are the sums that all of it rests on. `unbilled` failed
    requests had no bill: `billed` is the least that it was where there are any.
    """

    seconds: Estimate
    tokens: Estimate
    joules: Estimate
    billed: Estimate
    watts: Reading[float]
    right: int
    busy_s: float
    unbilled: int = 0


@final
@dataclass(frozen=True, slots=True)
class Prices:
    """What somebody pays. `tariff` is money for a kWh; `watts` and `idle_watts` are of the wall.

    `duty` is the share of the time in which the machine answers, `device` what it costs and `years`
    how long it is used. None where nobody said; the machine's own counter stands for `watts` then.
    """

    tariff: float
    watts: float | None = None
    idle_watts: float = 0.0
    duty: float = 1.0
    device: float = 0.0
    years: float = 4.0


@final
@dataclass(frozen=True, slots=True)
class Payback:
    """Money for a right answer here and at a service, and from how many a day the machine pays.

    `energy` is what answering takes, `idle` what waiting takes, `device` the machine's own share.
    `break_even` is in right answers a day, `most` how many it can give. `unbilled` failed requests
    of the service had no bill: `hosted` is the least that it charges.
    """

    energy: Estimate
    idle: Estimate
    device: Estimate
    here: Estimate
    hosted: Estimate
    break_even: Estimate
    most: Estimate
    unbilled: int = 0
