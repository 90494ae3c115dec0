"""An invented world of settlements and people, told in documents: nothing in it can be remembered.

Names are made of syllables and facts are drawn, so only the documents tell them. Each fact is one
sentence that names whom it is about; about a quarter of what could be told is left out. Around the
facts stand sentences that use the same names and words and state nothing. Not aware of questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Final, Literal, TypeAlias, final

from steelyard.tasks.corpora import Corpus, Document

Kind: TypeAlias = Literal["settlement", "person"]
_UNTOLD: Final = 0.25
_SIZES: Final = {1: (30, 18), 2: (48, 30), 3: (80, 50)}  # settlements, people
# Sentences that state nothing, from and to, in a document on either.
_FILLERS: Final[dict[int, dict[Kind, tuple[int, int]]]] = {
    1: {"settlement": (6, 14), "person": (3, 7)},
    2: {"settlement": (14, 28), "person": (6, 12)},
    3: {"settlement": (24, 48), "person": (10, 20)},
}
_NUMBERS: Final = range(11, 99)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_STARTS: Final = _words(
    "Bra Cor Dru El Fen Gar Hol Is Jor Kel Lum Mor Nar Ost Pel Quar Ril Sar Tol Ul Vel Wen Yar Zor"
)
_ENDS: Final = {
    "settlement": ("dran", "mere", "wick", "stead"),
    "person": ("lin", "vash", "tha", "nee"),
    "river": ("ess", "une"),
    "ship": ("wing", "tide"),
}
NAMES: Final = {
    kind: tuple(f"{s}{m}{e}" for s, m, e in product(_STARTS, ("a", "e", "i", "o"), ends))
    for kind, ends in _ENDS.items()
}
_LISTS: Final = {
    "good": _words(
        "amber salt wool honey glass tin cedar wax leather paper silk copper slate hemp resin ink "
        "barley pepper clay flax"
    ),
    "month": _words(
        "January February March April May June July August September October November December"
    ),
    "craft": _words(
        "baker cooper dyer fisher glazier hunter joiner mason miner potter roper saddler smith "
        "tanner thatcher weaver"
    ),
    "river": NAMES["river"],
    "ship": NAMES["ship"],
}


@final
@dataclass(frozen=True, slots=True)
class Attribute:
    """What can be told of a settlement or a person: {x} is who, {v} is what.

    `values` says what it is drawn from; `phrase` is how another question names the value's owner,
    where the value is a settlement or a person.
    """

    name: str
    of: Kind
    values: str
    told: tuple[str, ...]
    asked: tuple[str, ...]
    phrase: tuple[str, ...] = ()


ATTRIBUTES: Final = (
    Attribute(
        "governor", "settlement", "person",
        ("The keys of {x} are held by {v}, who sits at the head of its council.",
         "In {x} the last word in every matter belongs to {v}.",
         "{v} was chosen to rule over {x}."),
        ("Who governs {x}?", "Who is in charge of {x}?"),
        ("whoever governs {x}", "the person in charge of {x}"),
    ),
    Attribute(
        "founder", "settlement", "person",
        ("It was {v} who laid the first stone of {x}.",
         "{x} goes back to {v}, who built the first house there."),
        ("Who founded {x}?", "By whom was {x} established?"),
        ("the founder of {x}", "the person who established {x}"),
    ),
    Attribute(
        "trade", "settlement", "good",
        ("Most families of {x} earn their bread with {v}.", "Carts leave {x} loaded with {v}."),
        ("What is the main trade good of {x}?", "Which ware does {x} sell to others?"),
    ),
    Attribute(
        "river", "settlement", "river",
        ("The water that runs past {x} is called the {v}.", "Boats come to {x} by the {v}."),
        ("What is the name of the river of {x}?", "Which river flows through {x}?"),
    ),
    Attribute(
        "festival", "settlement", "month",
        ("Every {v} the lanterns of {x} are lit and the bells are rung for three nights.",
         "{x} dances through the nights of {v}."),
        ("In which month does {x} hold its festival?", "In which month does {x} celebrate?"),
    ),
    Attribute(
        "wells", "settlement", "number",
        ("Who counts the wells of {x} comes to {v}.", "In {x} they draw water from {v} wells."),
        ("How many wells does {x} have?", "What is the number of wells in {x}?"),
    ),
    Attribute(
        "mills", "settlement", "number",
        ("The corn of {x} is ground in {v} mills.", "{v} mills turn in the wind over {x}."),
        ("How many mills does {x} have?", "What is the number of mills in {x}?"),
    ),
    Attribute(
        "towers", "settlement", "number",
        ("From afar one sees {v} towers rise over {x}.", "The wall of {x} has {v} towers."),
        ("How many towers does {x} have?", "What is the number of towers in {x}?"),
    ),
    Attribute(
        "home", "person", "settlement",
        ("{x} keeps a house in {v}.", "The door of {x} is to be found in {v}."),
        ("In which settlement does {x} live?", "In which settlement is {x} at home?"),
        ("the home of {x}", "the settlement in which {x} lives"),
    ),
    Attribute(
        "craft", "person", "craft",
        ("{x} earns a living as a {v}.", "By day {x} works as a {v}."),
        ("What is the profession of {x}?", "Which trade does {x} follow?"),
    ),
    Attribute(
        "teacher", "person", "person",
        ("{x} learnt everything from {v}.", "It was {v} whom {x} followed in the first years."),
        ("Who taught {x}?", "Who was the teacher of {x}?"),
        ("the teacher of {x}", "the person who taught {x}"),
    ),
    Attribute(
        "boat", "person", "ship",
        ("{x} puts to sea with the {v}.", "The {v} sails under the hand of {x}."),
        ("What is the name of the boat of {x}?", "Which boat belongs to {x}?"),
    ),
    Attribute(
        "age", "person", "number",
        ("{x} has seen {v} winters.", "{v} candles stood on the last birthday table of {x}."),
        ("How old is {x}?", "What is the age of {x}?"),
    ),
)  # fmt: skip

# {x} is whom the document is about, {y} and {z} are settlements, {p} and {q} people: all others.
_AROUND: Final[dict[Kind, tuple[str, ...]]] = {
    "settlement": (
        "A merchant from {y} once asked in {x} who governs there and got no answer.",
        "In {x} people say that the festival of {y} is louder than their own.",
        "The road from {x} to {y} is closed when the snow lies deep.",
        "Nobody in {x} likes to talk about who founded {y}.",
        "{p} came through {x} one autumn and left again after a week.",
        "The wells of {x} were cleaned before the last frost.",
        "There was a quarrel between {x} and {y} about the main trade good of the valley.",
        "The mills of {x} stood still for most of that dry summer.",
        "The towers of {x} are older than those of {y} and of {z}.",
        "A river in flood cut {x} off from {y} for nine days.",
        "{p} and {q} met in {x} and spoke about the person in charge of {y}.",
        "The council of {x} wrote to {y} about the number of wells, and the letter was lost.",
        "In {x} the market opens at sunrise and nobody sells a ware before the bell.",
        "Whoever lives in {x} has walked to {y} at least once.",
        "The month in which {y} holds its festival is a bad one for travel from {x}.",
        "A painter from {z} drew the towers of {x} and sold the picture in {y}.",
        "The teacher of the school in {x} was born in {y}.",
        "The oldest song of {x} names the river, the mills and the wells.",
        "{p} bought a boat from a family of {x} and never paid for it.",
        "A fire in {y} was seen from {x}, and help was sent at once.",
        "The people of {x} trade with {y} and {z} when the harvest is good.",
        "It is not known in {x} how many towers {y} has.",
    ),
    "person": (
        "{p} wrote letters to {x} for years and got few of them back.",
        "{x} was seen in {y} more than once, always on foot.",
        "Of the profession of {p} the papers of {x} say nothing good.",
        "{x} asked in {y} for the teacher of {p} and was sent on to {z}.",
        "Nobody in {y} knows how old {p} was when {x} came by.",
        "{x} dreamt of a boat as large as that of {p}.",
        "When the festival of {y} began, {x} was already on the road to {z}.",
        "{x} and {p} disagree about who founded {y}.",
        "The friends of {x} say that {p} should live in {z}.",
        "{x} lent a book to {p}, who gave it to {q}.",
        "In {y} one still tells how {x} followed a trade for a single day.",
        "{p} taught a dog to bark at {x}.",
    ),
}


@final
@dataclass(frozen=True, slots=True)
class World:
    """What is true: values by owner and attribute, and where each that is told stands."""

    settlements: tuple[str, ...]
    people: tuple[str, ...]
    values: dict[tuple[str, str], str]
    told: dict[tuple[str, str], str]
    corpus: Corpus

    def owners(self, kind: Kind) -> tuple[str, ...]:
        """Return the settlements or the people."""
        return self.settlements if kind == "settlement" else self.people

    def options(self, attribute: Attribute) -> tuple[str, ...]:
        """Return every value that the attribute has for anybody."""
        found = (self.values[owner, attribute.name] for owner in self.owners(attribute.of))
        return tuple(sorted(set(found)))


def world(rng: Random, level: int) -> World:
    """Invent the world of a level and tell it."""
    count, heads = _SIZES[level]
    settlements = tuple(rng.sample(NAMES["settlement"], count))
    people = tuple(rng.sample(NAMES["person"], heads))
    owners: dict[Kind, tuple[str, ...]] = {"settlement": settlements, "person": people}
    values = _values(rng, owners)
    numbered = [(name, kind) for kind, names in owners.items() for name in names]
    rng.shuffle(numbered)
    told: dict[tuple[str, str], str] = {}
    documents = []
    for number, (owner, kind) in enumerate(numbered, 1):
        facts = [a for a in ATTRIBUTES if a.of == kind and rng.random() >= _UNTOLD]
        lines = [
            (a.name, rng.choice(a.told).format(x=owner, v=values[owner, a.name])) for a in facts
        ]
        fillers = rng.randint(*_FILLERS[level][kind])
        lines += [("", _filler(rng, owner, kind, settlements, people)) for _ in range(fillers)]
        rng.shuffle(lines)
        lines.insert(0, ("", f"These are the records of {owner}."))
        documents.append(Document(f"D{number:03}", tuple(text for _, text in lines)))
        told |= {(owner, n): f"D{number:03}:{at}" for at, (n, _) in enumerate(lines) if n}
    return World(settlements, people, values, told, Corpus(tuple(documents)))


def _values(rng: Random, owners: dict[Kind, tuple[str, ...]]) -> dict[tuple[str, str], str]:
    pools: dict[str, tuple[str, ...]] = {**_LISTS, **dict(owners.items())}
    values: dict[tuple[str, str], str] = {}
    for attribute in ATTRIBUTES:
        for owner in owners[attribute.of]:
            pool = [value for value in pools.get(attribute.values, ()) if value != owner]
            values[owner, attribute.name] = rng.choice(pool or [str(rng.choice(_NUMBERS))])
    return values


def _filler(
    rng: Random, owner: str, kind: Kind, settlements: tuple[str, ...], people: tuple[str, ...]
) -> str:
    places = [name for name in rng.sample(settlements, 3) if name != owner]
    heads = [name for name in rng.sample(people, 3) if name != owner]
    return rng.choice(_AROUND[kind]).format(
        x=owner, y=places[0], z=places[1], p=heads[0], q=heads[1]
    )
