"""Worlds that clues rule out, until one answer is left; and puzzles that no habit answers.

All worlds of a puzzle are numbered, and a clue is one integer whose bit `w` is set where world `w`
allows it: an answer is the only one if no world outside its own bits is left, which looks at every
world there is. Not aware of families.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import permutations
from random import Random
from typing import Final, NamedTuple

_TRIES: Final = 8  # sets of clues for one puzzle
_MIXES: Final = 12  # choices of idle clues for one set
_IDLE: Final = 5  # idle clues for each one that is said
# What elimination leaves is denied most, or hardly named; what is meant stands beside its name.
_NEAREST: Final = frozenset(
    {"most denied", "most denied of those open", "most beside", "rarest", "named once", "speaks"}
)
_HEAVY: Final = 3
_DRAWS: Final = 200  # of clues, before a set is given up


class Clue(NamedTuple):
    """A sentence, the worlds that it allows, and the options that it names, in order.

    `denied` are those that it says do not hold; `beside` those that it names in one breath with
    what is asked about.
    """

    text: str
    worlds: int
    named: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


class Puzzle(NamedTuple):
    """What is said, what is asked, the answer, and what might be answered without a thought.

    Each of the `lures` is a habit: the options between which it cannot tell.
    """

    said: tuple[str, ...]
    question: str
    answer: str
    options: tuple[str, ...]
    lures: Mapping[str, frozenset[str]]


@cache
def orders(size: int) -> tuple[tuple[int, ...], ...]:
    """Return the worlds of `size` things in a row or in places, one permutation each."""
    return tuple(permutations(range(size)))


def bits(holds: Iterable[bool]) -> int:
    """Return the integer whose bit `w` says whether world `w` holds."""
    return int("".join("1" if held else "0" for held in holds)[::-1] or "0", 2)


def narrowed(
    draw: Callable[[], Clue | None], right: int, every: int, spare: int
) -> tuple[list[Clue], list[Clue]] | None:
    """Draw clues until only the right worlds are left: those that it takes, and idle ones.

    Of the idle ones there are more than the `spare` ones that will be said, to choose from.

    Returns None where the clues that can be drawn do not get there.
    """
    found: dict[int, Clue] = {}  # by the worlds that they allow: two wordings are one clue
    idle: dict[int, Clue] = {}
    left = every
    for _ in range(_DRAWS):
        clue = draw()
        if clue is None or (allowed := clue.worlds & every) in found or allowed in idle:
            continue
        if left & ~right and left & ~allowed:
            found[allowed] = clue
            left &= allowed
        elif allowed != every:
            idle[allowed] = clue
        if not left & ~right and len(idle) >= _IDLE * spare:
            return _needed([*found.values()], right, every), [*idle.values()]
    return None


def _needed(clues: list[Clue], right: int, every: int) -> list[Clue]:
    """Leave out each clue without which the answer is still the only one."""
    kept = clues
    for clue in clues:
        left = every
        rest = [other for other in kept if other is not clue]
        for other in rest:
            left &= other.worlds
        if not left & ~right:
            kept = rest
    return kept


def mentioned(clues: Iterable[Clue], options: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Return the habits that go by how often, when and in what company an option is named."""
    named, denied, beside = Counter[str](), Counter[str](), Counter[str]()
    for clue in clues:
        named.update(clue.named)
        denied.update(clue.denied)
        beside.update(clue.beside)
    habits = {
        "most named": top(named, options),
        "rarest": top(named, options, sign=-1),
        "named once": frozenset(option for option in options if named[option] == 1),
        "most denied": top(denied, options),
        "most beside": top(beside, options),
    }
    return {habit: guesses for habit, guesses in habits.items() if guesses}


def top(counted: Mapping[str, int], options: tuple[str, ...], sign: int = 1) -> frozenset[str]:
    """Return the options that are counted most often, or least often."""
    most = max(sign * counted.get(option, 0) for option in options)
    return frozenset(option for option in options if sign * counted.get(option, 0) == most)


def fair(
    rng: Random,
    clues: Callable[[], tuple[list[Clue], list[Clue]] | None],
    tell: Callable[[list[Clue]], Puzzle],
    spare: int,
) -> Puzzle:
    """Choose the clues, idle ones among them, so that each habit is right as often as chance.

    Lots are drawn for each habit, right in one puzzle of as many as there are options: a habit that
    never was right would be a hint too. Of the puzzles tried, the one nearest to its lots is taken.
    """
    lots: dict[str, bool] = {}
    best: tuple[float, Puzzle] | None = None
    for _ in range(_TRIES):
        if (found := clues()) is None:
            continue
        needed, idle = found
        for _ in range(_MIXES):
            said = needed + rng.sample(idle, spare)
            rng.shuffle(said)
            puzzle = tell(said)
            off = sum(_off(rng, puzzle, habit, lots) for habit in puzzle.lures)
            if best is None or off < best[0]:
                best = off, puzzle
            if not off:
                return puzzle
    if best is None:
        raise RuntimeError("no clues single out an answer")
    return best[1]


def _off(rng: Random, puzzle: Puzzle, habit: str, lots: dict[str, bool]) -> float:
    """Return how far a habit's share of the answer is from its lot; a mere guess is as good."""
    guesses, options = puzzle.lures[habit], len(puzzle.options)
    if habit not in lots:
        # The nearest ones are right now and then where their lot says no, so it says yes less.
        lots[habit] = rng.randrange(options + (2 if habit in _NEAREST else 0)) == 0
    share = 1 / len(guesses) if puzzle.answer in guesses else 0.0
    weight = _HEAVY if habit in _NEAREST else 1
    return 0.0 if len(guesses) == options else weight * (share - lots[habit]) ** 2


def listed(words: Iterable[str], before: str = "") -> str:
    """Return `a, b and c`."""
    *head, last = (before + word for word in words)
    return f"{', '.join(head)} and {last}"
