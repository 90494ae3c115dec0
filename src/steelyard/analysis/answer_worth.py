"""What a right answer took, in seconds, tokens, joules and money; and where a machine pays (G13).

Time, tokens and money of wrong, invalid and failed answers, and of thinking, were spent and are in
the numerators. The power is taken as even while tasks ran, so that the energy of a right answer
spreads as its time does. Not aware of sensors or files. Intervals: Fieller's, over clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import timing
from steelyard.analysis.metrics.worth import (
    energy_j,
    per_right,
    seconds_per_right,
    tokens_per_right,
)
from steelyard.domain.ledger import Payback, Prices, Worth
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.summary import Estimate
from steelyard.domain.task import Right

_J_PER_KWH: Final = 3.6e6
_CONFIDENCE: Final = 0.95
_DAY_S: Final = 86_400.0
_YEAR_DAYS: Final = 365.25
_NO_SERVICE: Final = Missing("no_service", "no run of a hosted model was given")
_NOT_BILLED: Final = Missing("not_priced", "nobody billed these answers")


def worth(record: RunRecord, sections: Sequence[Section] | None = None) -> Worth:
    """Return it over the given tasks of a run, all of them where none are given."""
    tasks = [s for s in record.sections if s.kind == "task"] if sections is None else sections
    seconds = seconds_per_right(tasks, _CONFIDENCE)
    watts = _watts(record, tasks)
    return Worth(
        seconds=seconds,
        tokens=tokens_per_right(tasks, _CONFIDENCE),
        joules=scaled(seconds, watts),
        billed=billed(tasks),
        unbilled=_unbilled(tasks),
        watts=watts,
        right=sum(isinstance(m.outcome, Right) for s in tasks for m in s.marks.values()),
        busy_s=busy_s(tasks),
    )


def metered(found: Worth, watts: float | None) -> Worth:
    """Return it with the energy that a meter's mean power comes to, where somebody read one."""
    if watts is None:
        return found
    power: Reading[float] = Measured(watts, "estimated")
    return replace(found, joules=scaled(found.seconds, power), watts=power)


def payback(found: Worth, prices: Prices, hosted: Worth | None = None) -> Payback:
    """Say what a right answer costs at these prices, and when the machine beats the service.

    Bounds of sums and of the break-even take the worse and the better end of everything at once:
    they hold at least as often as those that they are made of.
    """
    watts = found.watts if prices.watts is None else Measured(prices.watts, "estimated")
    by_second = derived(watts, lambda w: w / _J_PER_KWH * prices.tariff)
    by_joule: Reading[float] = Measured(prices.tariff / _J_PER_KWH, "derived")
    energy = scaled(scaled(found.seconds, watts), by_joule)
    waiting = (1 - prices.duty) / prices.duty * prices.idle_watts / _J_PER_KWH * prices.tariff
    idle = scaled(found.seconds, Measured(waiting, "derived"))
    used_s = prices.years * _YEAR_DAYS * _DAY_S * prices.duty
    device = scaled(found.seconds, Measured(prices.device / used_s, "derived"))
    none = Estimate(_NO_SERVICE, _NO_SERVICE, _NO_SERVICE, 0)
    service = none if hosted is None else hosted.billed
    return Payback(
        energy=energy,
        idle=idle,
        device=device,
        here=_sum(energy, idle, device),
        hosted=service,
        break_even=_break_even(found.seconds, by_second, prices, service),
        most=_inverse(found.seconds, _DAY_S),
        unbilled=0 if hosted is None else hosted.unbilled,
    )


def _break_even(
    seconds: Estimate, by_second: Reading[float], prices: Prices, service: Estimate
) -> Estimate:
    """Return from how many right answers a day on the machine costs less than the service.

    A day's fixed cost is the device's and that of being on; each answer adds what answering draws
    beyond waiting.
    """
    idle_by_second = prices.idle_watts / _J_PER_KWH * prices.tariff
    fixed = prices.device / (prices.years * _YEAR_DAYS) + idle_by_second * _DAY_S
    extra = scaled(seconds, derived(by_second, lambda each: each - idle_by_second))

    def at(price: Reading[float], added: Reading[float]) -> Reading[float]:
        if isinstance(price, Missing):
            return price
        if isinstance(added, Missing):
            return added
        if price.value <= added.value:
            return Missing("never", "answering alone costs as much here as at the service")
        return Measured(fixed / (price.value - added.value), "derived")

    return Estimate(
        at(service.value, extra.value),
        at(service.high, extra.low),
        at(service.low, extra.high),
        seconds.n,
    )


def _sum(*parts: Estimate) -> Estimate:
    def over(name: str) -> Reading[float]:
        total = 0.0
        for part in parts:
            one: Reading[float] = getattr(part, name)
            if isinstance(one, Missing):
                return one
            total += one.value
        return Measured(total, "derived")

    return Estimate(over("value"), over("low"), over("high"), parts[0].n)


def _inverse(found: Estimate, above: float) -> Estimate:
    value, low, high = (
        derived(each, lambda one: above / one) for each in (found.value, found.high, found.low)
    )
    return Estimate(value, low, high, found.n)


def scaled(found: Estimate, by: Reading[float]) -> Estimate:
    """Return an estimate times a number that has no spread here; it is estimated if that is."""
    if isinstance(by, Missing):
        return Estimate(by, by, by, 0)

    def times(each: Reading[float]) -> Reading[float]:
        if isinstance(each, Missing):
            return each
        guessed = "estimated" in (each.source, by.source)
        return Measured(each.value * by.value, "estimated" if guessed else "derived")

    return Estimate(times(found.value), times(found.low), times(found.high), found.n)


def _watts(record: RunRecord, tasks: Sequence[Section]) -> Reading[float]:
    if isinstance(record.vitals, Missing):
        return record.vitals
    used_j = 0.0
    for section in tasks:
        drawn = energy_j(record.vitals.value.samples, section.started_ns, section.ended_ns)
        if isinstance(drawn, Missing):
            return drawn
        used_j += drawn.value
    spent_s = busy_s(tasks)
    if not spent_s:
        return Missing("no_time", "no request was in flight")
    return Measured(used_j / spent_s, "derived")


def busy_s(sections: Sequence[Section]) -> float:
    """Return the seconds with at least one request in flight, section by section."""
    spans = (timing.union_ns((a.sent_ns, a.done_ns) for a in s.attempts) for s in sections)
    return sum(spans) / timing.NS_PER_S


def billed(tasks: Sequence[Section]) -> Estimate:
    """Estimate what a right answer was billed at; Missing where nobody told it of every answer."""
    spent: dict[str, float] = {}
    for section in tasks:
        for attempt in section.attempts:
            if isinstance(attempt.cost, Missing):
                if attempt.outcome.kind != "completed":
                    continue  # told apart: `unbilled`
                return Estimate(attempt.cost, attempt.cost, attempt.cost, 0)
            key = f"{section.name}/{attempt.sample}"
            spent[key] = spent.get(key, 0.0) + attempt.cost.value
    if not spent:
        return Estimate(_NOT_BILLED, _NOT_BILLED, _NOT_BILLED, 0)
    return per_right(tasks, spent, _CONFIDENCE)


def _unbilled(tasks: Sequence[Section]) -> int:
    """Count the failed requests of which nobody told what they cost; the rest have a bill."""
    return sum(
        attempt.outcome.kind != "completed" and isinstance(attempt.cost, Missing)
        for section in tasks
        for attempt in section.attempts
    )
