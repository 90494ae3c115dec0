"""`eval worth`: what a right answer of a run costs, and whether a machine beats a service.

Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.analysis.answer_worth import metered, payback, scaled, worth
from steelyard.app.evals.comparing import record_named
from steelyard.app.evals.texts import SIMULATED, counted, fine, spread
from steelyard.app.results.files import Told
from steelyard.domain.caution import doubted
from steelyard.domain.errors import BadInput
from steelyard.domain.ids import plain
from steelyard.domain.ledger import Payback, Prices, Worth
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import RunRecord
from steelyard.domain.summary import Estimate
from steelyard.reports.figures import significant

_THOUSAND: Final = Measured(1000.0, "derived")


@final
@dataclass(frozen=True, slots=True)
class WorthOrder:
    """What was typed; `prices` is None where no tariff was. `watts` are a meter's, at work."""

    run: str
    prices: Prices | None = None
    hosted: str | None = None
    watts: float | None = None


def ordered(
    run: str, tariff: float | None, hosted: str | None, paid: Mapping[str, float | None]
) -> WorthOrder:
    """Put together what was typed; `duty` is in per cent.

    Raises `BadInput` for what says nothing without a tariff. Watts alone say the joules.
    """
    told = {name: value for name, value in paid.items() if value is not None}
    if tariff is None:
        if told.keys() - {"watts"} or hosted is not None:
            raise BadInput(
                "what a machine costs cannot be told without the price of a kWh",
                hint="add --tariff, e.g. --tariff 0.30",
            )
        return WorthOrder(run, watts=told.get("watts"))
    prices = Prices(
        tariff,
        watts=told.get("watts"),
        idle_watts=told.get("idle_watts", 0.0),
        duty=told.get("duty", 100.0) / 100,
        device=told.get("device_price", 0.0),
        years=told.get("years", Prices(tariff).years),
    )
    return WorthOrder(run, prices, hosted, prices.watts)


def worth_told(order: WorthOrder, *, as_json: bool) -> Told:
    """Say what a right answer took; with a tariff, what it costs and when the machine pays."""
    record = _with_tasks(order.run)
    hosted = None if order.hosted is None else worth(_billed(order.hosted))
    found = metered(worth(record), order.watts)
    paid = None if order.prices is None else payback(found, order.prices, hosted)
    took = (found.seconds, found.tokens, found.joules, found.billed)
    code = 0 if any(isinstance(each.value, Measured) for each in took) else 3
    if as_json:
        told = {"run": record.id, "simulated": record.simulated, "worth": plain(found)}
        said = told | ({} if paid is None else {"payback": plain(paid)})
        return Told(json.dumps(said, indent=1), code)
    return Told("\n".join(_lines(record, found, order, paid)), code)


def _with_tasks(named: str) -> RunRecord:
    record = record_named(named)
    if not any(section.kind == "task" for section in record.sections):
        raise BadInput(f"run {record.id} has no tasks", hint="`steelyard eval` makes runs that do")
    return record


def _billed(named: str) -> RunRecord:
    record = _with_tasks(named)
    if isinstance(why := worth(record).billed.value, Missing):
        raise BadInput(
            f"run {record.id} was not billed: {why}",
            hint="name an evaluation of a hosted model whose service tells what it charged",
        )
    return record


def _lines(
    record: RunRecord, found: Worth, order: WorthOrder, paid: Payback | None
) -> Iterator[str]:
    if record.simulated:
        yield SIMULATED
    right = counted(found.right, "right answer")
    yield f"{record.spec.subject.artifact.name}, run {record.id}: {right}"
    if codes := doubted(record.cautions, "clock"):
        yield (
            f"! the clock is in doubt ({', '.join(codes)}): right answers, tokens and bills stand, "
            "time and energy and what rests on them may not"
        )
    yield "A right answer takes, wrong ones and thinking included"
    for name, estimate, digits, unit in (
        ("time", found.seconds, 2, "s"),
        ("output", found.tokens, 1, "tokens"),
        ("energy", found.joules, 1, "J"),
        ("billed", found.billed, 6, "USD"),
    ):
        short = found.unbilled if name == "billed" else 0
        said = f"{_least(short, estimate)}{_said(estimate, digits, unit)}{_source(estimate)}"
        yield f"  {name:<8} {said}"
    yield from _unbilled(found.unbilled, found.billed)
    if paid is None or order.prices is None:
        yield "What it costs here: give --tariff, the price of a kWh"
        return
    yield from _paid(paid, order.prices)


def _paid(paid: Payback, prices: Prices) -> Iterator[str]:
    of = "typed" if prices.watts is not None else "by the machine's own counter"
    yield f"A thousand right answers cost, at {prices.tariff:g} a kWh (power {of})"
    for name, estimate in (
        ("energy", paid.energy),
        ("waiting", paid.idle),
        ("device", paid.device),
        ("here", paid.here),
        ("service", paid.hosted),
    ):
        short = paid.unbilled if name == "service" else 0
        yield f"  {name:<8} {_least(short, estimate)}{_money(scaled(estimate, _THOUSAND))}"
    yield from _unbilled(paid.unbilled, paid.hosted)
    yield f"  it can give {spread(paid.most, 0)} right answers a day"
    yield f"  {_break_even(paid)}"


def _least(unbilled: int, found: Estimate) -> str:
    return "at least " if unbilled and isinstance(found.value, Measured) else ""


def _unbilled(count: int, found: Estimate) -> Iterator[str]:
    if count and isinstance(found.value, Measured):
        failed = counted(count, "failed request")
        yield f"  {failed} may have been charged too: the service told no sum"


def _source(found: Estimate) -> str:
    told = isinstance(found.value, Measured) and found.value.source == "estimated"
    return " (estimated: typed watts times seconds)" if told else ""


def _money(found: Estimate) -> str:
    """Return an amount to three digits, with its interval where it has one."""
    said = [
        significant(each.value, 3)
        for each in (found.value, found.low, found.high)
        if isinstance(each, Measured)
    ]
    if isinstance(found.value, Missing):
        return f"not known: {found.value}"
    return f"{said[0]} [{said[1]}, {said[2]}]" if len(said) > 2 else said[0]  # noqa: PLR2004


def _break_even(paid: Payback) -> str:
    match paid.break_even.value, paid.most.value:
        case Missing() as why, _:
            return f"break-even: none ({why})"
        case Measured(value=least), Measured(value=most) if least > most:
            return (
                f"break-even: from {least:,.0f} right answers a day, more than it can give: the "
                "service costs less"
            )
        case _:
            return f"break-even: from {spread(paid.break_even, 0)} right answers a day"


def _said(found: Estimate, digits: int, unit: str) -> str:
    if isinstance(found.value, Missing):
        return f"not known: {found.value}"
    return f"{spread(found, fine(found, digits))} {unit}".rstrip()
