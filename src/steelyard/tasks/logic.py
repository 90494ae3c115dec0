"""Logic: orders, rules with exceptions, who is where, knights and knaves, small grids.

Every puzzle has one answer; the independent solver finds it by brute force over all worlds.
Level 1: three people in a chain, one of three rules to apply, two places and one clue. Levels 2 and
3: puzzles in which no habit stands in for following the clues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from random import Random
from typing import Final, final

from steelyard.tasks.items import Cluster, Draft, alone, coin
from steelyard.tasks.puzzles import grid, knights, order, rules, seats
from steelyard.tasks.puzzles.order import ORDERS
from steelyard.tasks.puzzles.worlds import Puzzle
from steelyard.tasks.scoring import ChoiceScorer
from steelyard.tasks.words import KINDS, NAMES, PLACES, TRAITS, first

_NAME: Final = "Answer with the name only."
_PLACE: Final = "Answer with one word only."
_WORKED: Final = "Reason step by step. End with a line of the form 'Answer: WORD'."
_SHORT: Final = 24
_LONG: Final = {2: 320, 3: 640}


def _order(rng: Random) -> Draft:
    """Compare neighbours of a chain of three in shuffled order; ask for one of its ends."""
    people = rng.sample(first(NAMES, 1), 3)
    more, less, most, least = rng.choice(ORDERS)
    said = [
        f"{high} is {more} than {low}." if coin(rng) else f"{low} is {less} than {high}."
        for high, low in pairwise(people)
    ]
    rng.shuffle(said)
    top = coin(rng)
    question = f"Who is the {most if top else least}?"
    answer = people[0] if top else people[-1]
    return _draft("order", said, question, answer, tuple(people), _NAME)


def _trait(rng: Random) -> Draft:
    """Apply the one of three rules that fits: from a kind to its trait."""
    name = rng.choice(first(NAMES, 1))
    kinds = rng.sample(KINDS, 3)
    traits = rng.sample(first(TRAITS, 1)[:16], 3)
    said = [f"Every {kind} is {trait}." for kind, trait in zip(kinds, traits, strict=True)]
    said.append(f"{name} is a {kinds[0]}.")
    # The rule that fits stands anywhere.
    said[:3] = rng.sample(said[:3], 3)
    return _draft("trait", said, f"What is {name} like?", traits[0], tuple(traits), _PLACE)


def _seats(rng: Random) -> Draft:
    """Put two people in two places and deny the asked or the other one a place."""
    people = rng.sample(first(NAMES, 1), 2)
    places = rng.sample(first(PLACES, 1), 2)
    home = dict(zip(people, rng.sample(places, 2), strict=True))
    asked = rng.choice(people)
    (other,) = (person for person in people if person != asked)
    denials = [(asked, home[other]), (other, home[asked])]
    rng.shuffle(denials)
    person, where = denials.pop()
    head = f"{' and '.join(people)} are in the {' and the '.join(places)}, one in each."
    said = [head, f"{person} is not in the {where}."]
    return _draft("seats", said, f"Where is {asked}?", home[asked], tuple(places), _PLACE)


def _draft(
    kind: str,
    said: list[str],
    question: str,
    answer: str,
    options: tuple[str, ...],
    demand: str,
) -> Draft:
    return Draft(
        kind,
        (*sorted(said), question),
        f"{' '.join(said)} {question} {demand}",
        answer,
        _SHORT,
        ChoiceScorer(answer, options),
    )


_SHIPPED: Final[Mapping[str, Callable[[Random], Draft]]] = {
    "order": _order,
    "trait": _trait,
    "seats": _seats,
}


def _worked(kind: str, puzzle: Puzzle, level: int) -> Draft:
    return Draft(
        kind,
        (*sorted(puzzle.said), puzzle.question),
        f"{' '.join(puzzle.said)} {puzzle.question} {_WORKED}",
        puzzle.answer,
        _LONG[level],
        ChoiceScorer(puzzle.answer, puzzle.options, worked=True),
    )


def _harder(kind: str, level: int, rng: Random) -> Cluster:
    """Draw what is so; what is said of it is written once the side of the split is known."""
    write: Callable[[], Puzzle]
    world: tuple[object, ...]
    match kind:
        case "order":
            world = who = order.company(rng, NAMES, level)
            write = partial(order.puzzle, rng, who, level)
        case "seats":
            world = house = seats.house(rng, NAMES, PLACES, level)
            write = partial(seats.puzzle, rng, house, level)
        case "knights":
            world = island = knights.island(rng, NAMES, level)
            write = partial(knights.puzzle, rng, island, level)
        case "grid":
            world = people = grid.grid(rng, NAMES, level)
            write = partial(grid.puzzle, rng, people, level)
        case _:
            raise ValueError(kind)
    return Cluster((kind, repr(tuple(world))), late=lambda: [_worked(kind, write(), level)])


@final
class Logic:
    """The family behind `logic`."""

    name: Final = "logic"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the kinds in turn; each answer of a rule has its turn too."""
        if level == 1:
            return tuple(_SHIPPED)
        return tuple(
            kind
            for answer in rules.ANSWERS
            for kind in ("order", f"rule_{answer}", "seats", "knights", "grid")
        )

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one puzzle."""
        if level == 1:
            return alone(_SHIPPED[kind](rng))
        puzzle, _, answer = kind.partition("_")
        if puzzle == "rule":
            return alone(_worked(puzzle, rules.puzzle(rng, NAMES, level, answer), level))
        return _harder(kind, level, rng)
