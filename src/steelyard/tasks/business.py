"""Business documents: invoices with payments, support tickets, minutes of meetings.

Several documents are one cluster, and each is asked for what an office asks: fields as JSON, a
class, a total or a duration, and what contradicts itself. Level 1 has a few short documents and
whole amounts; levels 2 and 3 have more of them, cents, days between the times, and working out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Final, final

from steelyard.tasks.items import Cluster, Draft, Scorer
from steelyard.tasks.scoring import NumberScorer
from steelyard.tasks.values import FieldsScorer, ValueScorer
from steelyard.tasks.words import JOBS, NAMES, OBJECTS, PLACES, first

_NONE: Final = "none"
_JSON: Final = "Reply with the JSON object only."
_BARE: Final = "Answer with the number only."
_WORKED: Final = "Work it out step by step. End with a line of the form 'Answer: {}'."
_EPOCH: Final = datetime(2026, 1, 5)  # noqa: DTZ001 - days of documents, not of the clock
_PERIOD_DAYS: Final = 300
_CENTS: Final = 100
_SHORT, _LONG = 24, (0, 24, 400, 640)
_JSON_TOKENS: Final = 120
_MINUTES_A_DAY: Final = 24 * 60


@final
@dataclass(frozen=True, slots=True)
class _Asked:
    """One question on a bundle, before it knows the documents."""

    kind: str
    question: str
    answer: str
    scorer: Scorer
    max_tokens: int


def _fields(kind: str, question: str, found: dict[str, str | int | float]) -> _Asked:
    keys = ", ".join(found)
    answer = json.dumps(found)
    said = f"{question} as one JSON object with the keys {keys}. {_JSON}"
    return _Asked(kind, said, answer, FieldsScorer(answer), _JSON_TOKENS)


def _number(kind: str, question: str, answer: str, level: int) -> _Asked:
    demand = _BARE if level == 1 else _WORKED.format("NUMBER")
    scorer = NumberScorer(Fraction(answer), worked=level > 1)
    return _Asked(kind, f"{question} {demand}", answer, scorer, _LONG[level])


def _one_of(kind: str, question: str, answer: str, options: list[str]) -> _Asked:
    scorer = ValueScorer(answer, tuple(options))
    return _Asked(kind, f"{question} Answer with one of these only.", answer, scorer, _SHORT)


def _pick(kind: str, question: str, answer: str, options: list[str], level: int) -> _Asked:
    """Ask for one of the ids of a bundle, or none: found by working through all of them."""
    demand = "Answer with it only." if level == 1 else _WORKED.format("NAME")
    scorer = ValueScorer(answer, tuple(options), worked=level > 1)
    return _Asked(kind, f"{question} {demand}", answer, scorer, _LONG[level])


def _money(cents: int) -> str:
    return f"{cents // _CENTS}.{cents % _CENTS:02d}" if cents % _CENTS else str(cents // _CENTS)


def _day(rng: Random) -> datetime:
    return _EPOCH + timedelta(days=rng.randrange(_PERIOD_DAYS))


# ── invoices ────────────────────────────────────────────────────────────────────────────────

_PAID: Final = ("paid", "partial", "open")


@final
@dataclass(frozen=True, slots=True)
class _Invoice:
    number: str
    customer: str
    date: datetime
    due: datetime
    lines: tuple[tuple[int, str, int], ...]
    stated: int
    state: str

    @property
    def text(self) -> str:
        lines = "\n".join(f"- {n} x {thing} at {_money(each)}" for n, thing, each in self.lines)
        return (
            f"Invoice {self.number}\nCustomer: {self.customer}\nDate: {self.date:%Y-%m-%d}\n"
            f"Due: {self.due:%Y-%m-%d}\n{lines}\nTotal: {_money(self.stated)}"
        )

    def payment(self, rng: Random) -> str:
        """Return the line of the bank statement, if there is one."""
        if self.state == "open":
            return ""
        part = rng.randint(1, self.stated // _CENTS - 1) * _CENTS
        paid = self.stated if self.state == "paid" else part
        day = self.date + timedelta(days=rng.randint(1, 40))
        return f"{day:%Y-%m-%d}: {_money(paid)} for invoice {self.number}"


def _invoice(rng: Random, level: int, number: int, customer: str, *, wrong: bool) -> _Invoice:
    step = _CENTS if level == 1 else 5
    lines = tuple(
        (rng.randint(2, 9), thing, rng.randrange(2 * _CENTS, 40 * _CENTS, step))
        for thing in rng.sample(first(OBJECTS, level), level + 1)
    )
    total = sum(count * each for count, _, each in lines)
    # A slip of the pen: two digits apart, or one line counted once too often.
    stated = total + rng.choice((lines[0][2], 10 * _CENTS)) if wrong else total
    date = _day(rng)
    due = date + timedelta(days=rng.randint(5, 20 * level))
    return _Invoice(f"INV-{number}", customer, date, due, lines, stated, rng.choice(_PAID))


def _invoices(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    size = {1: 2, 2: 4, 3: 7}[level]
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
    one, other, third = (rng.choice(made) for _ in range(3))
    who = rng.choice(people)
    owed = sum(invoice.stated for invoice in made if invoice.customer == who)
    ids = [invoice.number for invoice in made]
    found: dict[str, str | int | float] = {
        "number": one.number,
        "customer": one.customer,
        "due": f"{one.due:%Y-%m-%d}",
        "total": one.stated // _CENTS if one.stated % _CENTS == 0 else one.stated / _CENTS,
    }
    asked = [
        _fields("invoice_fields", f"Write invoice {one.number}", found),
        _one_of(
            "invoice_state",
            f"By the payments received, is invoice {other.number} paid, partial or open?",
            other.state,
            list(_PAID),
        ),
        _number(
            "invoice_sum",
            f"What is the sum of the stated totals of all invoices of {who}?",
            _money(owed),
            level,
        ),
        _number(
            "invoice_days",
            f"How many days lie between the date and the due date of invoice {third.number}?",
            str((third.due - third.date).days),
            level,
        ),
        _pick(
            "invoice_slip",
            "Of which invoice does the total not match its lines? If all match, the answer is "
            f"{_NONE}.",
            ids[wrong] if wrong < size else _NONE,
            [*ids, _NONE],
            level,
        ),
    ]
    return [*(invoice.text for invoice in made), statement], asked


# ── tickets ─────────────────────────────────────────────────────────────────────────────────

_CASES: Final[dict[str, tuple[str, ...]]] = {
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
_PRIORITIES: Final = ("low", "normal", "high")


@final
@dataclass(frozen=True, slots=True)
class _Ticket:
    id: str
    opened: datetime
    closed: datetime
    priority: str
    product: str
    case: str
    said: str

    @property
    def minutes(self) -> int:
        return int((self.closed - self.opened).total_seconds()) // 60

    @property
    def text(self) -> str:
        return (
            f"Ticket {self.id}\nOpened: {self.opened:%Y-%m-%d %H:%M}\n"
            f"Closed: {self.closed:%Y-%m-%d %H:%M}\nPriority: {self.priority}\n"
            f"Product: {self.product}\nText: {self.said}"
        )


def _ticket(
    rng: Random, level: int, number: int, minutes: int, priority: str, *, wrong: bool
) -> _Ticket:
    opened = _day(rng) + timedelta(minutes=rng.randint(0, _MINUTES_A_DAY // 2))
    closed = opened + timedelta(minutes=minutes)
    case = rng.choice(list(_CASES))
    product = rng.choice(first(OBJECTS, level))
    return _Ticket(
        f"T-{number}",
        closed if wrong else opened,
        opened if wrong else closed,
        priority,
        product,
        case,
        rng.choice(_CASES[case]).format(product),
    )


def _tickets(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    size = {1: 3, 2: 5, 3: 9}[level]
    wrong = rng.randrange(size + 1)
    longest = {1: _MINUTES_A_DAY // 3, 2: 2 * _MINUTES_A_DAY, 3: 9 * _MINUTES_A_DAY}[level]
    numbers = rng.sample(range(100, 999), size)
    spans = rng.sample(range(5, longest), size)
    # The count is drawn first: left to chance, a third of the tickets would be most answers.
    asked_for, *others = rng.sample(_PRIORITIES, 3)
    count = rng.randint(0, min(size, 4))
    priorities = [asked_for] * count + rng.choices(others, k=size - count)
    rng.shuffle(priorities)
    made = [
        _ticket(rng, level, numbers[at], spans[at], priorities[at], wrong=at == wrong)
        for at in range(size)
    ]
    one, other = rng.choice(made), rng.choice(made)
    sound = [ticket for ticket in made if ticket.minutes > 0]
    timed = rng.choice(sound)
    ids = [ticket.id for ticket in made]
    found: dict[str, str | int | float] = {
        "ticket": one.id,
        "product": one.product,
        "priority": one.priority,
        "opened": f"{one.opened:%Y-%m-%d %H:%M}",
    }
    asked = [
        _fields("ticket_fields", f"Write ticket {one.id}", found),
        _one_of(
            "ticket_class",
            f"What is ticket {other.id} about: billing, delivery, access or defect?",
            other.case,
            list(_CASES),
        ),
        _number(
            "ticket_minutes",
            f"How many minutes passed from the opening of ticket {timed.id} to its closing?",
            str(timed.minutes),
            level,
        ),
        _number(
            "ticket_count",
            f"How many tickets have the priority {asked_for}?",
            str(count),
            level,
        ),
        _pick(
            "ticket_slip",
            f"Which ticket is said to be closed before it was opened? If no ticket is, the answer "
            f"is {_NONE}.",
            ids[wrong] if wrong < size else _NONE,
            [*ids, _NONE],
            level,
        ),
    ]
    return [ticket.text for ticket in made], asked


# ── meetings ────────────────────────────────────────────────────────────────────────────────

_OUTCOMES: Final[dict[str, tuple[str, ...]]] = {
    "agreed": ("Everybody is for it.", "We do it.", "No objection, it goes ahead."),
    "rejected": ("Nobody wants it.", "We drop it.", "It is off the table for good."),
    "postponed": ("We come back to it next week.", "Not today.", "We wait for the figures first."),
}


@final
@dataclass(frozen=True, slots=True)
class _Topic:
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
        halfway = self.begins + (self.ends - self.begins) / 2
        return (
            f"{self.begins:%H:%M} topic {self.name} begins\n"
            f"{halfway:%H:%M} action: {self.owner} orders the {self.thing} by {self.due}\n"
            f"{self.ends:%H:%M} {self.remark} Topic {self.name} ends"
        )


def _topics(rng: Random, level: int, names: list[str], wrong: int) -> list[_Topic]:
    """Return the topics of one meeting; the one at `wrong` begins before the one before ended."""
    day = _day(rng)
    at = ended = day + timedelta(hours=rng.randint(8, 13), minutes=rng.randrange(60))
    made = []
    for number, name in enumerate(names):
        begins = ended - timedelta(minutes=rng.randint(1, 4)) if number == wrong else at
        ends = at + timedelta(minutes=rng.randint(6, 55))
        outcome = rng.choice(list(_OUTCOMES))
        made.append(
            _Topic(
                name,
                begins,
                ends,
                rng.choice(first(NAMES, level)),
                rng.choice(first(OBJECTS, level)),
                f"{day + timedelta(days=rng.randint(1, 60)):%Y-%m-%d}",
                outcome,
                rng.choice(_OUTCOMES[outcome]),
            )
        )
        at, ended = ends + timedelta(minutes=rng.choice((0, 0, 1, 5))), ends
    return made


def _meetings(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    size = {1: 3, 2: 3, 3: 4}[level]
    meetings = level
    names = rng.sample([*first(PLACES, level), *JOBS], size * meetings)
    # Any topic but the first of a meeting can overlap the one before it; or none does.
    places = [(m, n) for m in range(meetings) for n in range(1, size)]
    wrong = rng.choice([*places, None])
    texts, made = [], []
    for number in range(meetings):
        mine = names[number * size : (number + 1) * size]
        at = wrong[1] if wrong is not None and wrong[0] == number else -1
        topics = _topics(rng, level, mine, at)
        texts.append("\n".join([f"Minutes of meeting {number + 1}", *(t.text for t in topics)]))
        made += topics
    one, other, timed = (rng.choice(made) for _ in range(3))
    owner = rng.choice(made)
    minutes = int((timed.ends - timed.begins).total_seconds()) // 60
    found: dict[str, str | int | float] = {
        "owner": one.owner,
        "thing": one.thing,
        "due": one.due,
    }
    asked = [
        _fields("meeting_fields", f"Write the action of topic {one.name}", found),
        _one_of(
            "meeting_outcome",
            f"Was topic {other.name} agreed, rejected or postponed?",
            other.outcome,
            list(_OUTCOMES),
        ),
        _number(
            "meeting_minutes", f"How many minutes did topic {timed.name} take?", str(minutes), level
        ),
        _pick(
            "meeting_owner",
            f"Who has to act on topic {owner.name}?",
            owner.owner,
            sorted({topic.owner for topic in made}),
            level=1,
        ),
        _pick(
            "meeting_slip",
            "Which topic begins before the topic before it has ended? If none does, the answer is "
            f"{_NONE}.",
            _NONE if wrong is None else names[wrong[0] * size + wrong[1]],
            [*names, _NONE],
            level,
        ),
    ]
    return texts, asked


_KINDS: Final[dict[str, Callable[[Random, int], tuple[list[str], list[_Asked]]]]] = {
    "invoices": _invoices,
    "tickets": _tickets,
    "meetings": _meetings,
}


@final
class Business:
    """The family behind `business`."""

    name: Final = "business"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return the kinds of documents, the same at every level."""
        return tuple(_KINDS)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one bundle of documents and the questions on it."""
        documents, asked = _KINDS[kind](rng, level)
        text = "\n\n".join(documents)
        drafts = tuple(
            Draft(
                one.kind,
                (*documents, one.question),
                f"{text}\n\n{one.question}",
                one.answer,
                one.max_tokens,
                one.scorer,
            )
            for one in asked
        )
        return Cluster(tuple(documents), drafts)
