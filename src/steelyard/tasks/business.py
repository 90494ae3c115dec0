"""Business documents: invoices with payments, support tickets, minutes of meetings.

Several documents are one cluster, and each is asked for what an office asks: fields as JSON, a
class, a total or a duration, and what contradicts itself. Level 1 has a few short documents and
whole amounts; levels 2 and 3 have more of them, cents, days between the times, and working out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Final, final

from steelyard.tasks import documents, summary
from steelyard.tasks.items import Cluster, Draft, Scorer
from steelyard.tasks.scoring import NumberScorer
from steelyard.tasks.values import FieldsScorer, ValueScorer

_NONE: Final = "none"
_JSON: Final = "Reply with the JSON object only."
_BARE: Final = "Answer with the number only."
_WORKED: Final = "Work it out step by step. End with a line of the form 'Answer: {}'."
_SHORT, _LONG = 24, (0, 24, 400, 640)
_JSON_TOKENS: Final = 120
_TOKENS_A_DOCUMENT: Final = 16
_ASKED: Final = 2  # of the six questions on a bundle
# Of so many classes, the share of summaries that are of two of them.
_PAIRS: Final = {3: 0.2, 4: 1.0}


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


def _summary(
    rng: Random,
    noun: str,
    said: str,
    fact: str,
    rows: list[tuple[str, str, str]],
    classes: tuple[str, ...],
) -> _Asked:
    """Ask for a sentence on the documents of one or two classes; `rows` are id, class and fact.

    How often it is two makes any choice of documents about as likely as another.
    """
    pairs = _PAIRS[len(classes)]
    while True:
        chosen = rng.sample(classes, 2 if rng.random() < pairs else 1)
        wanted = {name: of for name, kind, of in rows if kind in chosen}
        if wanted:
            break
    which = f"{said} {' or '.join(chosen)}"
    words = summary.room(len(rows))
    question = (
        f"Write one sentence of at most {words} words that sums up the {noun}s {which}: name each "
        f"of them with its {fact}, as written here, and name no other {noun} and no other {fact}."
    )
    told = (*wanted, *wanted.values())
    others = dict.fromkeys(text for name, _, of in rows for text in (name, of) if text not in told)
    return _Asked(
        f"{noun}_summary",
        question,
        summary.sentence(noun, wanted, which),
        summary.SummaryScorer(noun, tuple(dict.fromkeys(told)), tuple(others), words),
        _SHORT * 2 + _TOKENS_A_DOCUMENT * len(rows),
    )


def _invoices(rng: Random, level: int) -> tuple[list[str], list[_Asked]]:
    made, statement, wrong = documents.invoices(rng, level)
    one, other, third = (rng.choice(made) for _ in range(3))
    # Of one invoice the sum would be a number of the text.
    owners = Counter(invoice.customer for invoice in made)
    who = rng.choice(sorted(owner for owner, count in owners.items() if count > 1))
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
        _summary(
            rng,
            "invoice",
            "that by the payments received are",
            "customer",
            [(invoice.number, invoice.state, invoice.customer) for invoice in made],
            documents.PAID,
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
        _summary(
            rng,
            "ticket",
            "about",
            "product",
            [(ticket.id, ticket.case, ticket.product) for ticket in made],
            tuple(documents.CASES),
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
        _summary(
            rng,
            "topic",
            "that were",
            "owner",
            [(topic.name, topic.outcome, topic.owner) for topic in made],
            tuple(documents.OUTCOMES),
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
    revision: Final = 3
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
        return Cluster(tuple(texts), drafts, asked=_ASKED)
