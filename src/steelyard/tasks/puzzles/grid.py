"""Small grids: people with a job, a pet and a city each, all different, told by who is not what.

What is asked for is never told outright: of the two things that the question joins, no clue says
that they belong together. Not aware of families.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from random import Random
from typing import Final, NamedTuple

from steelyard.tasks.puzzles.worlds import (
    Clue,
    Puzzle,
    bits,
    fair,
    listed,
    mentioned,
    narrowed,
    orders,
)
from steelyard.tasks.words import ANIMALS, CITIES, JOBS

# People, attributes beside the name, and clues that the answer does not need.
SIZES: Final = {2: ((3, 2, 3),), 3: ((4, 2, 3), (3, 3, 4))}
_LISTS: Final = {"job": JOBS, "pet": ANIMALS, "city": CITIES}
_HEADS: Final = {"job": "Jobs", "pet": "Pets", "city": "Cities"}
_OUTRIGHT: Final = 0.04  # of the draws may deny what is asked for in so many words
_NAME: Final = "name"


class Thing(NamedTuple):
    """One value of an attribute: which attribute, and which of its values."""

    attribute: int
    value: int


class Grid(NamedTuple):
    """Attributes with their values, whose they are, and what is asked: an attribute of a thing.

    `owner[a][v]` is the person to whom value `v` of attribute `a` belongs; attribute 0 is the name.
    """

    attributes: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    owner: tuple[tuple[int, ...], ...]
    given: Thing
    wanted: int


@cache
def _together(size: int, attributes: int) -> dict[tuple[Thing, Thing], int]:
    """Return for two values of different attributes the worlds in which one person has both."""
    worlds = [(tuple(range(size)), *world) for world in product(orders(size), repeat=attributes)]
    things = [Thing(a, v) for a in range(attributes + 1) for v in range(size)]
    return {
        (one, two): bits(
            world[one.attribute][one.value] == world[two.attribute][two.value] for world in worlds
        )
        for one in things
        for two in things
        if one.attribute != two.attribute
    }


def grid(rng: Random, names: tuple[str, ...], level: int) -> Grid:
    """Draw who has what."""
    size, count, _ = rng.choice(SIZES[level])
    attributes = (_NAME, *rng.sample([*_LISTS], count))
    values: list[tuple[str, ...]] = [tuple(rng.sample(names, size))]
    taken = {word.lower() for word in values[0]}
    for attribute in attributes[1:]:
        # Some words name a person and a city, or a person and a plant.
        free = [word for word in _LISTS[attribute] if word.lower() not in taken]
        values.append(tuple(rng.sample(free, size)))
        taken |= {word.lower() for word in values[-1]}
    owner = (tuple(range(size)), *(tuple(rng.sample(range(size), size)) for _ in range(count)))
    given, wanted = rng.sample(range(count + 1), 2)
    return Grid(attributes, tuple(values), owner, Thing(given, rng.randrange(size)), wanted)


def puzzle(rng: Random, grid: Grid, level: int) -> Puzzle:
    """Say just enough, and a little more."""
    size, count = _shape(grid)
    spare = next(s for people, more, s in SIZES[level] if (people, more + 1) == (size, count))
    every = (1 << len(orders(size)) ** (count - 1)) - 1
    right = _together(size, count - 1)[grid.given, _answer(grid)]

    def draw() -> Clue | None:
        return rng.choice((_pair, _pair, _either))(rng, grid)

    return fair(
        rng, lambda: narrowed(draw, right, every, spare), lambda clues: _told(grid, clues), spare
    )


def _shape(grid: Grid) -> tuple[int, int]:
    """Return the number of people, and that of the attributes with the name."""
    return len(grid.values[0]), len(grid.attributes)


def _answer(grid: Grid) -> Thing:
    return Thing(grid.wanted, grid.owner[grid.wanted].index(_owner(grid, grid.given)))


def _told(grid: Grid, clues: list[Clue]) -> Puzzle:
    options = grid.values[grid.wanted]
    return Puzzle(
        (*_cast(grid), *(clue.text for clue in clues)),
        _question(grid),
        _word(grid, _answer(grid)),
        options,
        mentioned(clues, options),
    )


def _cast(grid: Grid) -> tuple[str, ...]:
    kinds = [f"a {attribute}" for attribute in grid.attributes[1:]]
    return (
        f"{listed(grid.values[0])} have {listed(kinds)} each, all of them different.",
        *(
            f"{_HEADS[attribute]}: {listed(words)}."
            for attribute, words in zip(grid.attributes[1:], grid.values[1:], strict=True)
        ),
    )


def _pair(rng: Random, grid: Grid) -> Clue | None:
    """Say of two values that they belong together, or that they do not."""
    one, two = _two(rng, grid)
    same = _owner(grid, one) == _owner(grid, two)
    direct = grid.wanted in (one.attribute, two.attribute) and grid.given.attribute in (
        one.attribute,
        two.attribute,
    )
    asked = direct and grid.given in (one, two)
    gives_away = same and (direct or {grid.given, _answer(grid)} & {one, two})
    if gives_away or (asked and rng.random() >= _OUTRIGHT):
        return None
    worlds = _together(_shape(grid)[0], _shape(grid)[1] - 1)[one, two]
    words = _word(grid, one), _word(grid, two)
    text = f"{_subject(grid, one)} {_predicate(grid, two, no=not same)}."
    return Clue(
        text[0].upper() + text[1:],
        worlds if same else ~worlds,
        words,
        () if same else words,
        words if asked else (),
    )


def _either(rng: Random, grid: Grid) -> Clue | None:
    """Say that one of two has a value, and not which."""
    one, target = _two(rng, grid)
    other = Thing(one.attribute, rng.randrange(_shape(grid)[0]))
    owners = _owner(grid, one), _owner(grid, other)
    if other == one or _owner(grid, target) not in owners:
        return None
    together = _together(_shape(grid)[0], _shape(grid)[1] - 1)
    text = (
        f"Either {_subject(grid, one)} or {_subject(grid, other)} "
        f"{_predicate(grid, target, no=False)}."
    )
    words = tuple(_word(grid, thing) for thing in (one, other, target))
    asked = grid.given in (one, other) or grid.given == target
    return Clue(
        text, together[one, target] | together[other, target], words, (), words if asked else ()
    )


def _two(rng: Random, grid: Grid) -> tuple[Thing, Thing]:
    """Draw two values of different attributes; a name comes first."""
    a, b = rng.sample(range(len(grid.attributes)), 2)
    if b == 0:
        a, b = b, a
    size = _shape(grid)[0]
    return Thing(a, rng.randrange(size)), Thing(b, rng.randrange(size))


def _owner(grid: Grid, thing: Thing) -> int:
    return grid.owner[thing.attribute][thing.value]


def _word(grid: Grid, thing: Thing) -> str:
    return grid.values[thing.attribute][thing.value]


def _subject(grid: Grid, thing: Thing) -> str:
    word = _word(grid, thing)
    match grid.attributes[thing.attribute]:
        case "job":
            return f"the {word}"
        case "pet":
            return f"the one with the {word}"
        case "city":
            return f"the one from {word}"
        case _:
            return word


def _predicate(grid: Grid, thing: Thing, *, no: bool) -> str:
    word = _word(grid, thing)
    match grid.attributes[thing.attribute]:
        case "job":
            return f"is not the {word}" if no else f"is the {word}"
        case "pet":
            return f"does not have the {word}" if no else f"has the {word}"
        case _:
            return f"is not from {word}" if no else f"is from {word}"


def _question(grid: Grid) -> str:
    if grid.wanted == 0:
        return f"Who {_predicate(grid, grid.given, no=False)}?"
    subject = _subject(grid, grid.given)
    match grid.attributes[grid.wanted]:
        case "job":
            return f"What is the job of {subject}?"
        case "pet":
            return f"Which pet does {subject} have?"
        case _:
            return f"From which city is {subject}?"
