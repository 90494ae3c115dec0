"""Who of a few is the tallest: comparisons of a larger company, with branches and idle ones.

Everyone who is asked about stands once on the upper and once on the lower side of a comparison,
both times with someone who is not: how often and on which side a name stands tells nothing, and
the way leads over the others. Not aware of families.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from steelyard.tasks.items import coin
from steelyard.tasks.puzzles.worlds import Puzzle, listed

ORDERS: Final = (
    ("taller", "shorter", "tallest", "shortest"),
    ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"),
    ("richer", "poorer", "richest", "poorest"),
)
# Who is asked about, how many more stand between them, and comparisons that the answer needs not.
SIZES: Final = {2: (3, 1, 1), 3: (4, 3, 3)}


class Company(NamedTuple):
    """Whom it is about: those asked about, the answer first, and the others; the scale, the end."""

    asked: tuple[str, ...]
    others: tuple[str, ...]
    scale: tuple[str, str, str, str]
    top: bool


def company(rng: Random, names: tuple[str, ...], level: int) -> Company:
    """Draw the people."""
    few, between, _ = SIZES[level]
    # Each has one of its own below; two stand above the answer.
    people = rng.sample(names, 2 * few + between + 2)
    return Company(tuple(people[:few]), tuple(people[few:]), rng.choice(ORDERS), coin(rng))


def puzzle(rng: Random, who: Company, level: int) -> Puzzle:
    """Let the others descend from the answer in branches, and compare some of them once more."""
    more, less, most, least = who.scale
    pairs = _descent(rng, who)
    pairs += _idle(rng, who, pairs, SIZES[level][2])
    rng.shuffle(pairs)
    said = []
    for upper, lower in pairs:
        high, low = (upper, lower) if who.top else (lower, upper)
        said.append(
            f"{high} is {more} than {low}." if coin(rng) else f"{low} is {less} than {high}."
        )
    named = rng.sample(who.asked, len(who.asked))
    return Puzzle(
        tuple(said),
        f"Who is the {most if who.top else least} of {listed(named)}?",
        who.asked[0],
        tuple(named),
        {},
    )


def _descent(rng: Random, who: Company) -> list[tuple[str, str]]:
    """Return pairs of one who is ahead and one behind, as far as the answer's end goes."""
    free = iter(who.others)
    first, second = next(free), next(free)
    answer, *rest = who.asked
    pairs = [(first, second), (second, answer)]
    under = {answer: next(free)}
    pairs.append((answer, under[answer]))
    perches = [under[answer]]  # those from whom another branch may start
    for name in rest:
        under[name] = next(free)
    between = [*free]
    for name in rest:
        perch = rng.choice(perches)
        while between and coin(rng):
            pairs.append((perch, between[-1]))
            perch = between.pop()
            perches.append(perch)
        pairs += [(perch, name), (name, under[name])]
        perches.append(under[name])
    # Who is left over stands beside the way.
    pairs += [(rng.choice(perches), name) for name in between]
    return pairs


def _idle(
    rng: Random, who: Company, pairs: list[tuple[str, str]], count: int
) -> list[tuple[str, str]]:
    """Return pairs of others that follow from what is said, over at least one in between."""
    parent = {lower: upper for upper, lower in pairs}
    below: dict[str, list[str]] = {}
    for name, nearest in parent.items():
        above = nearest
        while above in parent:
            above = parent[above]
            below.setdefault(above, []).append(name)
    possible = [
        (upper, lower)
        for upper in who.others
        for lower in below.get(upper, ())
        if lower in who.others
    ]
    return rng.sample(possible, count)
