"""An office's documents: invoices with payments, support tickets, minutes of meetings.

A bundle is several documents of a kind, of which one may contradict itself. What is asked about
them is `business`. Not aware of questions or answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, final

from steelyard.tasks.words import JOBS, NAMES, OBJECTS, PLACES, first

_EPOCH: Final = datetime(2026, 1, 5)  # noqa: DTZ001 - days of documents, not of the clock
_PERIOD_DAYS: Final = 300
CENTS: Final = 100
_MINUTES_A_DAY: Final = 24 * 60


def money(cents: int) -> str:
    """Return an amount as documents write it: `12`, or `12.50`."""
    return f"{cents // CENTS}.{cents % CENTS:02d}" if cents % CENTS else str(cents // CENTS)


def _day(rng: Random) -> datetime:
    return _EPOCH + timedelta(days=rng.randrange(_PERIOD_DAYS))


PAID: Final = ("paid", "partial", "open")


@final
@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice: `stated` is its total in cents as written, `state` how it was paid."""

    number: str
    customer: str
    date: datetime
    due: datetime
    lines: tuple[tuple[int, str, int], ...]
    stated: int
    state: str

    @property
    def text(self) -> str:
        """Return the document."""
        lines = "\n".join(f"- {n} x {thing} at {money(each)}" for n, thing, each in self.lines)
        return (
            f"Invoice {self.number}\nCustomer: {self.customer}\nDate: {self.date:%Y-%m-%d}\n"
            f"Due: {self.due:%Y-%m-%d}\n{lines}\nTotal: {money(self.stated)}"
        )

    def payment(self, rng: Random) -> str:
        """Return the line of the bank statement, if there is one."""
        if self.state == "open":
            return ""
        part = rng.randint(1, self.stated // CENTS - 1) * CENTS
        paid = self.stated if self.state == "paid" else part
        day = self.date + timedelta(days=rng.randint(1, 40))
        return f"{day:%Y-%m-%d}: {money(paid)} for invoice {self.number}"


def _invoice(rng: Random, level: int, number: int, customer: str, *, wrong: bool) -> Invoice:
    step = CENTS if level == 1 else 5
    lines = tuple(
        (rng.randint(2, 9), thing, rng.randrange(2 * CENTS, 40 * CENTS, step))
        for thing in rng.sample(first(OBJECTS, level), level + 1)
    )
    total = sum(count * each for count, _, each in lines)
    # One thing counted once too often, or ten too much.
    stated = total + rng.choice((lines[0][2], 10 * CENTS)) if wrong else total
    date = _day(rng)
    due = date + timedelta(days=rng.randint(5, 20 * level))
    return Invoice(f"INV-{number}", customer, date, due, lines, stated, rng.choice(PAID))


def invoices(rng: Random, level: int) -> tuple[list[Invoice], str, int | None]:
    """Draw invoices, the payments received, and the place of one whose total is wrong."""
    size = {1: 3, 2: 4, 3: 7}[level]
    wrong = rng.randrange(size + 1)
    people = rng.sample(first(NAMES, level), {1: 2, 2: 2, 3: 3}[level])
    numbers = rng.sample(range(1000, 9999), size)
    # Everybody has an invoice; who has more is left to chance.
    owners = [*people, *rng.choices(people, k=size - len(people))]
    rng.shuffle(owners)
    made = [
        _invoice(rng, level, number, owner, wrong=at == wrong)
        for at, (number, owner) in enumerate(zip(numbers, owners, strict=True))
    ]
    payments = [line for line in (invoice.payment(rng) for invoice in made) if line]
    rng.shuffle(payments)
    statement = "\n".join(["Payments received", *(payments or ["none so far"])])
    return made, statement, wrong if wrong < size else None


CASES: Final[dict[str, tuple[str, ...]]] = {
    "billing": (
        "I was charged twice for my {}.",
        "The price of the {} on my card is higher than agreed.",
        "Please send back the money for the {}.",
    ),
    "delivery": (
        "My {} has not arrived yet.",
        "The parcel with the {} went to my neighbour.",
        "Where is the van with my {}?",
    ),
    "access": (
        "I forgot my password and cannot see my {} in the shop.",
        "The page with my {} says that my account is locked.",
        "I cannot log in to order a {}.",
    ),
    "defect": (
        "The {} came apart on the first day.",
        "There is a crack in my {}.",
        "My {} stopped working after an hour.",
    ),
}
PRIORITIES: Final = ("low", "normal", "high")


@final
@dataclass(frozen=True, slots=True)
class Ticket:
    """One support ticket; `case` is what its text is about."""

    id: str
    opened: datetime
    closed: datetime
    priority: str
    product: str
    case: str
    said: str

    @property
    def minutes(self) -> int:
        """Return how long it was open."""
        return int((self.closed - self.opened).total_seconds()) // 60

    @property
    def text(self) -> str:
        """Return the document."""
        return (
            f"Ticket {self.id}\nOpened: {self.opened:%Y-%m-%d %H:%M}\n"
            f"Closed: {self.closed:%Y-%m-%d %H:%M}\nPriority: {self.priority}\n"
            f"Product: {self.product}\nText: {self.said}"
        )


def _ticket(
    rng: Random, level: int, number: int, minutes: int, priority: str, *, wrong: bool
) -> Ticket:
    opened = _day(rng) + timedelta(minutes=rng.randint(0, _MINUTES_A_DAY // 2))
    closed = opened + timedelta(minutes=minutes)
    case = rng.choice(list(CASES))
    product = rng.choice(first(OBJECTS, level))
    return Ticket(
        f"T-{number}",
        closed if wrong else opened,
        opened if wrong else closed,
        priority,
        product,
        case,
        rng.choice(CASES[case]).format(product),
    )


def tickets(rng: Random, level: int) -> tuple[list[Ticket], str, int | None]:
    """Draw tickets, a priority to count, and the place of one that ends before it begins."""
    size = {1: 3, 2: 5, 3: 9}[level]
    wrong = rng.randrange(size + 1)
    longest = {1: _MINUTES_A_DAY // 3, 2: 2 * _MINUTES_A_DAY, 3: 9 * _MINUTES_A_DAY}[level]
    numbers = rng.sample(range(100, 999), size)
    spans = rng.sample(range(5, longest), size)
    # The count is drawn first: left to chance, a third of the tickets would be most answers.
    counted, *others = rng.sample(PRIORITIES, 3)
    count = rng.randint(0, min(size, 4))
    priorities = [counted] * count + rng.choices(others, k=size - count)
    rng.shuffle(priorities)
    made = [
        _ticket(rng, level, numbers[at], spans[at], priorities[at], wrong=at == wrong)
        for at in range(size)
    ]
    return made, counted, wrong if wrong < size else None


OUTCOMES: Final[dict[str, tuple[str, ...]]] = {
    "agreed": ("Everybody is for it.", "We do it.", "No objection, it goes ahead."),
    "rejected": ("Nobody wants it.", "We drop it.", "It is off the table for good."),
    "postponed": ("We come back to it next week.", "Not today.", "We wait for the figures first."),
}


@final
@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of a meeting, with an action and how it ended."""

    name: str
    begins: datetime
    ends: datetime
    owner: str
    thing: str
    due: str
    outcome: str
    remark: str

    @property
    def text(self) -> str:
        """Return the document."""
        halfway = self.begins + (self.ends - self.begins) / 2
        return (
            f"{self.begins:%H:%M} topic {self.name} begins\n"
            f"{halfway:%H:%M} action: {self.owner} orders the {self.thing} by {self.due}\n"
            f"{self.ends:%H:%M} {self.remark} Topic {self.name} ends"
        )


def _topics(rng: Random, level: int, names: list[str], wrong: int) -> list[Topic]:
    """Return the topics of one meeting; the one at `wrong` begins before the one before ended."""
    day = _day(rng)
    at = ended = day + timedelta(hours=rng.randint(8, 13), minutes=rng.randrange(60))
    made = []
    for number, name in enumerate(names):
        begins = ended - timedelta(minutes=rng.randint(1, 4)) if number == wrong else at
        ends = at + timedelta(minutes=rng.randint(6, 55))
        outcome = rng.choice(list(OUTCOMES))
        made.append(
            Topic(
                name,
                begins,
                ends,
                rng.choice(first(NAMES, level)),
                rng.choice(first(OBJECTS, level)),
                f"{day + timedelta(days=rng.randint(1, 60)):%Y-%m-%d}",
                outcome,
                rng.choice(OUTCOMES[outcome]),
            )
        )
        at, ended = ends + timedelta(minutes=rng.choice((0, 0, 1, 5))), ends
    return made


def meetings(rng: Random, level: int) -> tuple[list[list[Topic]], str | None]:
    """Draw meetings, and the name of a topic that begins before the one before it ended."""
    size = {1: 3, 2: 3, 3: 4}[level]
    names = rng.sample([*first(PLACES, level), *JOBS], size * level)
    # Any topic but the first of a meeting can overlap the one before it; or none does.
    wrong = rng.choice([*((m, n) for m in range(level) for n in range(1, size)), None])
    made = []
    for number in range(level):
        mine = names[number * size : (number + 1) * size]
        at = wrong[1] if wrong is not None and wrong[0] == number else -1
        made.append(_topics(rng, level, mine, at))
    return made, None if wrong is None else names[wrong[0] * size + wrong[1]]


def minutes_of(number: int, topics: list[Topic]) -> str:
    """Return the minutes of one meeting."""
    return "\n".join([f"Minutes of meeting {number}", *(topic.text for topic in topics)])
