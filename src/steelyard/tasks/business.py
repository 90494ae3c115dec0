"""Business documents: invoices with payments, support tickets, minutes of meetings.

Several documents are one cluster, and each is asked for what an office asks: fields as JSON, a
class, a total or a duration, and what contradicts itself. Level 1 has a few short documents and
whole amounts; levels 2 and 3 have more of them, cents, days between the times, and working out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Final, final

from steelyard.tasks import documents
from steelyard.tasks.items import Cluster, Draft, Scorer
from steelyard.tasks.scoring import NumberScorer
from steelyard.tasks.values import FieldsScorer, ValueScorer

_NONE: Final = "none"
_JSON: Final = "Reply with the JSON object only."
_BARE: Final = "Answer with the number only."
_WORKED: Final = "Work it out step by step. End with a line of the form 'Answer: {}'."
_SHORT, _LONG = 24, (0, 24, 400, 640)
_JSON_TOKENS: Final = 120


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


def _invoices(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    made, statement, wrong = documents.invoices(rng, level)
    one, other, third = (rng.choice(made) for _ in range(3))
    who = rng.choice(sorted({invoice.customer for invoice in made}))
    owed = sum(invoice.stated for invoice in made if invoice.customer == who)
    ids = [invoice.number for invoice in made]
    found: dict[str, str | int | float] = {
        "number": one.number,
        "customer": one.customer,
        "due": f"{one.due:%Y-%m-%d}",
        "total": one.stated // documents.CENTS
        if one.stated % documents.CENTS == 0
        else one.stated / documents.CENTS,
    }
    asked = [
        _fields("invoice_fields", f"Write invoice {one.number}", found),
        _one_of(
            "invoice_state",
            f"By the payments received, is invoice {other.number} paid, partial or open?",
            other.state,
            list(documents.PAID),
        ),
        _number(
            "invoice_sum",
            f"What is the sum of the stated totals of all invoices of {who}?",
            documents.money(owed),
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
            _NONE if wrong is None else ids[wrong],
            [*ids, _NONE],
            level,
        ),
    ]
    return [*(invoice.text for invoice in made), statement], asked


def _tickets(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    made, counted, wrong = documents.tickets(rng, level)
    one, other = rng.choice(made), rng.choice(made)
    timed = rng.choice([ticket for ticket in made if ticket.minutes > 0])
    count = sum(ticket.priority == counted for ticket in made)
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
            list(documents.CASES),
        ),
        _number(
            "ticket_minutes",
            f"How many minutes passed from the opening of ticket {timed.id} to its closing?",
            str(timed.minutes),
            level,
        ),
        _number(
            "ticket_count",
            f"How many tickets have the priority {counted}?",
            str(count),
            level,
        ),
        _pick(
            "ticket_slip",
            f"Which ticket is said to be closed before it was opened? If no ticket is, the answer "
            f"is {_NONE}.",
            _NONE if wrong is None else ids[wrong],
            [*ids, _NONE],
            level,
        ),
    ]
    return [ticket.text for ticket in made], asked


def _meetings(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    meetings, wrong = documents.meetings(rng, level)
    made = [topic for topics in meetings for topic in topics]
    names = [topic.name for topic in made]
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
            list(documents.OUTCOMES),
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
            wrong or _NONE,
            [*names, _NONE],
            level,
        ),
    ]
    return [documents.minutes_of(*one) for one in enumerate(meetings, 1)], asked


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
        texts, asked = _KINDS[kind](rng, level)
        text = "\n\n".join(texts)
        drafts = tuple(
            Draft(
                one.kind,
                (*texts, one.question),
                f"{text}\n\n{one.question}",
                one.answer,
                one.max_tokens,
                one.scorer,
            )
            for one in asked
        )
        return Cluster(tuple(texts), drafts)
