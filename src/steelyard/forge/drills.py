"""Drills: the small skills that the families need, asked for many times about one short text.

A question on a passage costs a passage to read; a drill asks all that can be asked of it. What
would be a passage or a puzzle of the held-out split is left out. Bare sums are not split: they are
the arithmetic of the stories, whose kinds and numbers are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from steelyard.tasks import words
from steelyard.tasks.items import split_of
from steelyard.tasks.puzzles.order import ORDERS

_EVEN: Final = 0.5
_WORD: Final = "Answer with one word only."
_NAME: Final = "Answer with the name only."
_NUMBER: Final = "Answer with the number only."


class Turn(NamedTuple):
    """One question and its answer."""

    prompt: str
    answer: str


def _names(rng: Random, count: int) -> list[str]:
    return rng.sample(words.NAMES[: words.SHIPPED], count)


def _about(rng: Random, said: list[str], asked: list[Turn], most: int) -> list[Turn]:
    """Ask up to `most` of the questions, the first one behind the text."""
    turns = rng.sample(asked, min(most, len(asked)))
    return [Turn(f"{' '.join(said)} {turns[0].prompt}", turns[0].answer), *turns[1:]]


def sums(rng: Random) -> list[Turn]:
    """Ask for sums, differences and products of one to three small numbers."""
    return [_sum(rng) for _ in range(rng.randint(2, 6))]


def _sum(rng: Random) -> Turn:
    form = rng.randrange(5)
    a, b = rng.randint(0, 30), rng.randint(0, 19)
    if form == 0:
        return Turn(f"What is {a} + {b}? {_NUMBER}", str(a + b))
    if form == 1:
        return Turn(f"What is {a + b} - {b}? {_NUMBER}", str(a))
    if form == 2:  # noqa: PLR2004
        a, b = rng.randint(1, 7), rng.randint(1, 7)
        return Turn(f"What is {a} x {b}? {_NUMBER}", str(a * b))
    c = rng.randint(0, 12)
    if form == 3:  # noqa: PLR2004
        return Turn(f"What is {a + c} + {b} - {c}? {_NUMBER}", str(a + b))
    return Turn(f"What is {a} + {b} + {c}? {_NUMBER}", str(a + b + c))


def spelling(rng: Random) -> list[Turn]:
    """Ask to copy, pick, count, sort and capitalise words and numbers."""
    return [_spelled(rng) for _ in range(rng.randint(1, 4))]


def _spelled(rng: Random) -> Turn:
    some = rng.sample(words.OBJECTS[: words.SHIPPED] + words.COLOURS[:16], rng.randint(1, 4))
    form = rng.randrange(6)
    if form == 0:
        return Turn(f"Write the word {some[0]} in upper case.", some[0].upper())
    if form == 1:
        return Turn(f"Words: {', '.join(some)}. Write them again.", ", ".join(some))
    if form == 2:  # noqa: PLR2004
        return Turn(f"How many words are here: {' '.join(some)}? {_NUMBER}", str(len(some)))
    if form == 3:  # noqa: PLR2004
        return Turn(f"Words: {', '.join(some)}. Which is first from a to z?", min(some))
    if form == 4:  # noqa: PLR2004
        numbers = rng.sample(range(1, 51), rng.randint(2, 4))
        told = ", ".join(map(str, numbers))
        return Turn(f"Numbers: {told}. Which is the smallest?", str(min(numbers)))
    return Turn(f"Words: {', '.join(some)}. Write the last one.", some[-1])


def scene(rng: Random) -> list[Turn]:
    """Ask who is where with what, how many are in a place, and where a carried thing is."""
    said, asked = _scene(rng)
    return _about(rng, said, asked, 8)


def _scene(rng: Random) -> tuple[list[str], list[Turn]]:
    while True:
        size = rng.randint(2, 4)
        people = _names(rng, size)
        places = rng.sample(words.PLACES[: words.SHIPPED], min(3, size))
        things = rng.sample(words.OBJECTS[: words.SHIPPED], rng.randint(1, min(3, size)))
        place = {person: rng.choice(places) for person in people}
        holder = dict(zip(things, rng.sample(people, len(things)), strict=True))
        said = [f"{person} is in the {where}." for person, where in place.items()]
        said += [f"{person} has the {thing}." for thing, person in holder.items()]
        rng.shuffle(said)
        if split_of("reading", tuple(said)) == "train":
            break
    asked = [Turn(f"Where is {person}? {_WORD}", where) for person, where in place.items()]
    for thing, person in holder.items():
        asked.append(Turn(f"What does {person} have? {_WORD}", thing))
        asked.append(Turn(f"Where is the {thing}? {_WORD}", place[person]))
    for where, count in Counter(place.values()).items():
        asked.append(Turn(f"How many people are in the {where}? {_NUMBER}", str(count)))
    return said, asked


def retold(rng: Random) -> tuple[str, list[tuple[str, str]]]:
    """Tell a scene, then again in another order: (text, its sentences as head and last word)."""
    said, _ = _scene(rng)
    again = [rng.sample(said, len(said)) for _ in range(2)]
    heads = [sentence[:-1].rpartition(" ") for part in again for sentence in part]
    return " ".join(said), [(head, last) for head, _, last in heads]


def order(rng: Random) -> list[Turn]:
    """Ask for both ends of chains of two or three."""
    turns: list[Turn] = []
    for _ in range(rng.randint(1, 3)):
        people = _names(rng, rng.choice((2, 3, 3)))
        more, less, most, least = rng.choice(ORDERS)
        said = [
            f"{high} is {more} than {low}."
            if rng.random() < _EVEN
            else f"{low} is {less} than {high}."
            for high, low in pairwise(people)
        ]
        rng.shuffle(said)
        ends = ((f"Who is the {most}?", people[0]), (f"Who is the {least}?", people[-1]))
        if any(split_of("logic", (*sorted(said), asked)) != "train" for asked, _ in ends):
            continue
        turns += _about(rng, said, [Turn(f"{asked} {_NAME}", who) for asked, who in ends], 2)
    return turns or order(rng)


def traits(rng: Random) -> list[Turn]:
    """Ask what several individuals are like, each by the rule for its kind."""
    size = rng.randint(1, 3)
    kinds = rng.sample(words.KINDS, size)
    their = dict(zip(kinds, rng.sample(words.TRAITS[:16], size), strict=True))
    said = [f"Every {kind} is {trait}." for kind, trait in their.items()]
    rng.shuffle(said)
    members = {name: rng.choice(kinds) for name in _names(rng, rng.randint(2, 4))}
    said += [f"{name} is a {kind}." for name, kind in members.items()]
    asked = [Turn(f"What is {n} like? {_WORD}", their[kind]) for n, kind in members.items()]
    asked += [Turn(f"What is {n}? {_WORD}", kind) for n, kind in members.items()]
    return _about(rng, said, asked, 6)


def seats(rng: Random) -> list[Turn]:
    """Ask where both of two people are, when one is not in one of two places."""
    turns: list[Turn] = []
    for _ in range(rng.randint(1, 3)):
        (a, b), (here, there) = _names(rng, 2), rng.sample(words.PLACES[: words.SHIPPED], 2)
        out, home = rng.choice(((a, b), (b, a))), rng.choice(((here, there), (there, here)))
        said = [
            f"{a} and {b} are in the {here} and the {there}, one in each.",
            f"{out[0]} is not in the {home[0]}.",
        ]
        asked = [(f"Where is {out[0]}?", home[1]), (f"Where is {out[1]}?", home[0])]
        if any(split_of("logic", (*sorted(said), ask)) != "train" for ask, _ in asked):
            continue
        turns += _about(rng, said, [Turn(f"{ask} {_WORD}", where) for ask, where in asked], 2)
    return turns or seats(rng)


DRILLS: Final[tuple[tuple[Callable[[Random], list[Turn]], int], ...]] = (
    (sums, 20),
    (spelling, 10),
    (scene, 30),
    (order, 18),
    (traits, 10),
    (seats, 12),
)


def drill(rng: Random) -> list[Turn]:
    """Draw one drill."""
    chosen = rng.choices([one for one, _ in DRILLS], weights=[share for _, share in DRILLS])[0]
    return chosen(rng)
