"""Who is where: places told by what they are not, by either-or and by what would follow.

No clue puts anyone in a place outright, and hardly one is a plain denial of who is asked about.
Not aware of families.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Final, NamedTuple

from steelyard.tasks.items import coin
from steelyard.tasks.puzzles.worlds import (
    Clue,
    Puzzle,
    bits,
    fair,
    listed,
    mentioned,
    narrowed,
    orders,
    top,
)

SIZES: Final = {2: (4, 2), 3: (5, 3)}  # people and places; clues that the answer does not need
_OUTRIGHT: Final = 0.04  # of the draws may deny a place to who is asked about


class House(NamedTuple):
    """People, places, the place of each person by index, and who is asked about."""

    people: tuple[str, ...]
    places: tuple[str, ...]
    home: tuple[int, ...]
    asked: int


@cache
def _at(size: int) -> tuple[tuple[int, ...], ...]:
    """Return for each person and place the worlds in which the one is in the other."""
    worlds = orders(size)
    return tuple(
        tuple(bits(world[person] == place for world in worlds) for place in range(size))
        for person in range(size)
    )


def house(rng: Random, names: tuple[str, ...], places: tuple[str, ...], level: int) -> House:
    """Draw who is where."""
    size = SIZES[level][0]
    home = tuple(rng.sample(range(size), size))
    return House(
        tuple(rng.sample(names, size)), tuple(rng.sample(places, size)), home, rng.randrange(size)
    )


def puzzle(rng: Random, house: House, level: int) -> Puzzle:
    """Say just enough, and a little more."""
    size, spare = SIZES[level]
    every = (1 << len(orders(size))) - 1
    right = _at(size)[house.asked][house.home[house.asked]]
    kinds = (_denial, _either_place, _either_person, _consequence)

    def draw() -> Clue | None:
        return rng.choice(kinds)(rng, house)

    return fair(
        rng, lambda: narrowed(draw, right, every, spare), lambda clues: _told(house, clues), spare
    )


def _told(house: House, clues: list[Clue]) -> Puzzle:
    asked = house.people[house.asked]
    barred = {w for clue in clues if clue.text.startswith(f"{asked} is not") for w in clue.denied}
    free = tuple(place for place in house.places if place not in barred)
    denied = {place: sum(place in clue.denied for clue in clues) for place in free}
    return Puzzle(
        (
            f"{listed(house.people)} are in the {listed(house.places, 'the ')[4:]}, one in each.",
            *(clue.text for clue in clues),
        ),
        f"Where is {asked}?",
        house.places[house.home[house.asked]],
        house.places,
        {**mentioned(clues, house.places), "most denied of those open": top(denied, free)},
    )


def _other(rng: Random, house: House) -> int:
    return rng.choice([at for at in range(len(house.people)) if at != house.asked])


def _denial(rng: Random, house: House) -> Clue:
    who = house.asked if rng.random() < _OUTRIGHT else _other(rng, house)
    where = rng.choice([w for w in range(len(house.places)) if w != house.home[who]])
    place = house.places[where]
    return Clue(
        f"{house.people[who]} is not in the {place}.",
        ~_at(len(house.people))[who][where],
        (place,),
        (place,),
    )


def _either_place(rng: Random, house: House) -> Clue:
    who = _other(rng, house)
    wrong = rng.choice([w for w in range(len(house.places)) if w != house.home[who]])
    pair = rng.sample([house.home[who], wrong], 2)
    at = _at(len(house.people))[who]
    names = tuple(house.places[where] for where in pair)
    text = f"{house.people[who]} is either in the {names[0]} or in the {names[1]}."
    return Clue(text, at[pair[0]] | at[pair[1]], names)


def _either_person(rng: Random, house: House) -> Clue | None:
    where = rng.randrange(len(house.places))
    resident = house.home.index(where)
    wrong = rng.choice([at for at in range(len(house.people)) if at != resident])
    if resident == house.asked and rng.randrange(len(house.people)):
        return None  # or the place that stands beside the name would be the answer too often
    pair = rng.sample([resident, wrong], 2)
    at = _at(len(house.people))
    place = house.places[where]
    one, two = (house.people[who] for who in pair)
    beside = (place,) if house.asked in pair else ()
    text = f"Either {one} or {two} is in the {place}."
    return Clue(text, at[pair[0]][where] | at[pair[1]][where], (place,), (), beside)


def _consequence(rng: Random, house: House) -> Clue | None:
    """Say what would follow, and be it from what is not so."""
    one, two = rng.sample(range(len(house.people)), 2)
    here, there = rng.sample(range(len(house.places)), 2)
    no = coin(rng)
    if house.home[one] == here and (house.home[two] == there) == no:
        return None
    at = _at(len(house.people))
    then = ~at[two][there] if no else at[two][there]
    places = (house.places[here], house.places[there])
    beside = tuple(
        place for who, place in zip((one, two), places, strict=True) if who == house.asked
    )
    text = (
        f"If {house.people[one]} is in the {places[0]}, "
        f"{house.people[two]} is {'not ' if no else ''}in the {places[1]}."
    )
    return Clue(text, ~at[one][here] | then, places, places[1:] if no else (), beside)
