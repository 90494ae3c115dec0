"""RAG: questions on invented documents, answered from what a retriever finds in them.

Twenty questions are asked of each set of documents, which is one cluster: one fact, a fact behind
another, which of two has more, the sum of three. To one in five, of every form, the documents do
not hold the answer. The words of a question are not those of the sentence that answers it. Not
aware of retrievers. An answer is asked for in two lines, what it is and which documents hold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeAlias, final

from steelyard.domain.retrieval import NOT_STATED, SOURCES
from steelyard.domain.task import Answer, Mark, Task
from steelyard.tasks.corpora import Sourced
from steelyard.tasks.items import Cluster, Draft
from steelyard.tasks.rag_settings import RagSettings
from steelyard.tasks.rag_world import ATTRIBUTES, Attribute, World, world
from steelyard.tasks.scoring import final_line, finished_part
from steelyard.tasks.values import ValueScorer

UNANSWERABLE: Final = "unanswerable"
_FORMS: Final = ("lookup",) * 8 + ("two_hop",) * 5 + ("compare",) * 4 + ("sum",) * 3
_UNANSWERED: Final = 4
_ROOM_TOKENS: Final = 256
_DEMAND: Final = (
    "Answer with one name, word or number. If the passages do not state it, the answer is "
    f"'{NOT_STATED}'. End with two lines of this form:\n"
    "Answer: ANSWER\n"
    "Sources: the numbers of the documents that you took it from, such as D204, D317, or none"
)
_SAID_ABSENT: Final = re.compile(
    r"\b(?:(?:is |are |was |it's )?not "
    r"(?:stated|mentioned|given|specified|provided|available|known)"
    r"|unknown|cannot be (?:determined|answered)|no (?:answer|information)|n/a)\b",
    re.IGNORECASE,
)
# The empty way out keeps blank lines from being looked at once for each of them.
_SOURCES_LINE: Final = re.compile(r"^\W*(?:sources?\b\W*(.*)$|)", re.IGNORECASE | re.MULTILINE)
_SOURCES_FORM: Final = re.compile(r"^Sources: (?:none|D\d+(?:, D\d+)*)\.?$", re.MULTILINE)
_DOCUMENT: Final = re.compile(r"\bD\d{3}\b")


@final
@dataclass(frozen=True, slots=True)
class RagScorer:
    """One value and the documents that it was taken from, each on a line of its own."""

    value: str
    options: tuple[str, ...]
    numeric: bool

    def mark(self, answer: Answer) -> Mark:
        """Mark the value; which documents are named is kept beside it and decides nothing."""
        text = finished_part(answer)
        # Whatever is left of the text is finished.
        rest = _SOURCES_LINE.sub(lambda m: m[0] if m[1] is None else "", text) + "\n"
        scorer = ValueScorer(self.value, (*self.options, NOT_STATED), self.numeric, worked=True)
        strict = scorer.mark(replace(answer, text=rest)).extracted["strict"]
        found = scorer.mark(replace(answer, text=_SAID_ABSENT.sub(NOT_STATED, rest)))
        return Mark(
            found.outcome,
            {**found.extracted, "strict": strict, SOURCES: _named(text)},
            {
                "answer_form": strict is not None,
                "sources_form": _SOURCES_FORM.search(text) is not None,
            },
        )


def _named(text: str) -> str | None:
    """Return the documents that an answer names, also behind the answer; None where no line is."""
    lines = [found[1] for found in _SOURCES_LINE.finditer(text) if found[1] is not None]
    said = lines[-1] if lines else final_line(text)
    return None if said is None else " ".join(sorted(set(_DOCUMENT.findall(said.upper()))))


@final
@dataclass(frozen=True, slots=True)
class _Asked:
    """One question, its answer, what else it could be, and where the facts stand, if all do."""

    question: str
    answer: str
    options: tuple[str, ...]
    facts: tuple[str | None, ...]

    @property
    def answerable(self) -> bool:
        return None not in self.facts


_Form: TypeAlias = Callable[[Random, World], _Asked]


def _lookup(rng: Random, known: World) -> _Asked:
    attribute = rng.choice(ATTRIBUTES)
    owner = rng.choice(known.owners(attribute.of))
    return _single(rng, known, attribute, owner, owner, ())


def _single(
    rng: Random,
    known: World,
    attribute: Attribute,
    owner: str,
    called: str,
    before: tuple[str | None, ...],
) -> _Asked:
    return _Asked(
        rng.choice(attribute.asked).format(x=called),
        known.values[owner, attribute.name],
        known.options(attribute),
        (*before, known.told.get((owner, attribute.name))),
    )


def _two_hop(rng: Random, known: World) -> _Asked:
    first = rng.choice([a for a in ATTRIBUTES if a.phrase])
    owner = rng.choice(known.owners(first.of))
    between = known.values[owner, first.name]
    kind = "settlement" if first.values == "settlement" else "person"
    second = rng.choice([a for a in ATTRIBUTES if a.of == kind])
    called = rng.choice(first.phrase).format(x=owner)
    before = (known.told.get((owner, first.name)),)
    return _single(rng, known, second, between, called, before)


def _counted(rng: Random, known: World, count: int) -> tuple[Attribute, tuple[str, ...]]:
    counts = [a for a in ATTRIBUTES if a.values == "number" and a.of == "settlement"]
    return rng.choice(counts), tuple(rng.sample(known.settlements, count))


def _compare(rng: Random, known: World) -> _Asked:
    while True:
        attribute, pair = _counted(rng, known, 2)
        left, right = (int(known.values[one, attribute.name]) for one in pair)
        if left != right:
            break
    return _Asked(
        f"Which of {pair[0]} and {pair[1]} has more {attribute.name}?",
        pair[0] if left > right else pair[1],
        pair,
        tuple(known.told.get((one, attribute.name)) for one in pair),
    )


def _sum(rng: Random, known: World) -> _Asked:
    attribute, several = _counted(rng, known, 3)
    first, second, third = several
    return _Asked(
        f"How many {attribute.name} do {first}, {second} and {third} have together?",
        str(sum(int(known.values[one, attribute.name]) for one in several)),
        (),
        tuple(known.told.get((one, attribute.name)) for one in several),
    )


_WRITERS: Final[dict[str, _Form]] = {
    "lookup": _lookup,
    "two_hop": _two_hop,
    "compare": _compare,
    "sum": _sum,
}


@final
class Rag:
    """The family behind `rag`."""

    name: Final = "rag"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:  # noqa: ARG002
        """Return the kind of clusters: there is one."""
        return ("world",)

    def settle(self, task: Task) -> None:
        """Raise `BadInput` for another way to retrieve than there is."""
        RagSettings.of(task)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:  # noqa: ARG002
        """Invent one world; it is written down once it is known to be on the wanted side."""
        key = f"{rng.getrandbits(64):016x}"
        return Cluster((key,), late=lambda: _drafts(key, level))


def _drafts(key: str, level: int) -> Iterator[Draft]:
    rng = Random(f"{key} {level}")
    known = world(rng, level)
    unanswered = set(rng.sample(range(len(_FORMS)), _UNANSWERED))
    order = rng.sample(range(len(_FORMS)), len(_FORMS))
    seen: set[str] = set()
    for place in order:
        form, wanted = _FORMS[place], place not in unanswered
        asked = _fitting(rng, known, form, seen, answerable=wanted)
        seen.add(asked.question)
        yield _draft(key, level, form if wanted else UNANSWERABLE, asked, known)


def _fitting(rng: Random, known: World, form: str, seen: set[str], *, answerable: bool) -> _Asked:
    while True:
        asked = _WRITERS[form](rng, known)
        if asked.answerable == answerable and asked.question not in seen:
            return asked


def _draft(key: str, level: int, kind: str, asked: _Asked, known: World) -> Draft:
    answer = asked.answer if asked.answerable else NOT_STATED
    needed = tuple(fact for fact in asked.facts if fact is not None) if asked.answerable else ()
    return Draft(
        kind,
        (key, str(level), asked.question),
        f"Question: {asked.question}\n{_DEMAND}",
        answer,
        _ROOM_TOKENS,
        RagScorer(answer, asked.options, asked.answer.isdecimal()),
        source=Sourced(asked.question, known.corpus, needed),
    )
