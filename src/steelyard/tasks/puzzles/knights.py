"""Knights, who always tell the truth, and knaves, who always lie: what is one of them?

A sentence of someone holds in a world exactly if the speaker is a knight there. Not aware of
families.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import product
from random import Random
from typing import Final, NamedTuple

from steelyard.tasks.items import coin
from steelyard.tasks.puzzles.worlds import Clue, Puzzle, bits, fair, listed, narrowed, top

SIZES: Final = {2: (3, 0), 3: (5, 1)}  # islanders; sentences that the answer does not need
KINDS: Final = ("knight", "knave")
_TRIES: Final = 8  # of a form, for something that this speaker would say
_RULES: Final = "Knights always tell the truth and knaves always lie."


class Island(NamedTuple):
    """People, who of them is a knight, and who is asked about."""

    people: tuple[str, ...]
    knights: tuple[bool, ...]
    asked: int


class _Claim(NamedTuple):
    text: str
    worlds: int
    calls: tuple[tuple[int, str], ...]  # whom it calls what


@cache
def _knight(size: int) -> tuple[int, ...]:
    """Return for each person the worlds in which it is a knight."""
    worlds = tuple(product((False, True), repeat=size))
    return tuple(bits(world[person] for world in worlds) for person in range(size))


def island(rng: Random, names: tuple[str, ...], level: int) -> Island:
    """Draw who is a knight; both kinds are asked about equally often."""
    size = SIZES[level][0]
    knights = tuple(coin(rng) for _ in range(size))
    return Island(tuple(rng.sample(names, size)), knights, rng.randrange(size))


def puzzle(rng: Random, island: Island, level: int) -> Puzzle:
    """Let them speak until one of them is known."""
    size, spare = SIZES[level]
    every = (1 << (1 << size)) - 1
    knight = _knight(size)[island.asked]
    right = knight if island.knights[island.asked] else every & ~knight
    spoken: dict[str, _Claim] = {}

    def draw() -> Clue | None:
        # Who speaks, and in what form, is drawn first: most forms hold more often than not, and
        # knights would be heard more than knaves.
        speaker = rng.randrange(size)
        form = rng.choice((_plain, _alike, _one_of, _follows))
        for _ in range(_TRIES):
            claim = form(rng, island, speaker)
            worlds = every & ~(_knight(size)[speaker] ^ claim.worlds)
            if worlds >> _world(island) & 1:
                text = f"{island.people[speaker]} says: {claim.text}"
                spoken[text] = claim
                return Clue(text, worlds)
        return None

    return fair(
        rng,
        lambda: narrowed(draw, right, every, spare),
        lambda clues: _told(island, clues, [spoken[clue.text] for clue in clues]),
        spare,
    )


def _told(island: Island, clues: list[Clue], claims: list[_Claim]) -> Puzzle:
    return Puzzle(
        (
            f"{listed(island.people)} are each a knight or a knave. {_RULES}",
            *(clue.text for clue in clues),
        ),
        f"Is {island.people[island.asked]} a knight or a knave?",
        KINDS[0 if island.knights[island.asked] else 1],
        KINDS,
        {
            **_lures(claims, island.asked),
            "speaks": _speaking(clues, island.people[island.asked]),
        },
    )


def _speaking(clues: list[Clue], asked: str) -> frozenset[str]:
    heard = any(clue.text.startswith(f"{asked} says") for clue in clues)
    return frozenset({KINDS[0 if heard else 1]})


def _world(island: Island) -> int:
    """Return the number of the world that is so."""
    return int("".join("1" if one else "0" for one in island.knights), 2)


def _lures(claims: list[_Claim], asked: int) -> dict[str, frozenset[str]]:
    calls = [call for claim in claims for call in claim.calls]
    of = Counter(kind for who, kind in calls if who == asked)
    habits = {
        "as called": top(of, KINDS),
        "the commoner word": top(Counter(kind for _, kind in calls), KINDS),
        "the last word": frozenset(kind for _, kind in calls[-1:]),
        "the first word": frozenset(kind for _, kind in calls[:1]),
    }
    return {habit: guesses for habit, guesses in habits.items() if guesses}


def _plain(rng: Random, island: Island, speaker: int) -> _Claim:
    """Call someone else what it may be."""
    who = rng.choice([at for at in range(len(island.people)) if at != speaker])
    kind = rng.choice(KINDS)
    holds = _is(island, who, kind)
    return _Claim(f"{island.people[who]} is a {kind}.", holds, ((who, kind),))


def _alike(rng: Random, island: Island, speaker: int) -> _Claim:
    one, two = _two(rng, island, speaker)
    knight = _knight(len(island.people))
    same = coin(rng)
    kinds = "one kind" if same else "two kinds"
    text = f"{island.people[one]} and {island.people[two]} are of {kinds}."
    apart = knight[one] ^ knight[two]
    return _Claim(text, ~apart if same else apart, ())


def _one_of(rng: Random, island: Island, speaker: int) -> _Claim:
    one, two = _two(rng, island, speaker)
    kind = rng.choice(KINDS)
    text = f"At least one of {island.people[one]} and {island.people[two]} is a {kind}."
    return _Claim(text, _is(island, one, kind) | _is(island, two, kind), ((one, kind), (two, kind)))


def _follows(rng: Random, island: Island, speaker: int) -> _Claim:
    one, two = _two(rng, island, speaker)
    kind, other = rng.choice(KINDS), rng.choice(KINDS)
    text = f"If {island.people[one]} is a {kind}, {island.people[two]} is a {other}."
    holds = ~_is(island, one, kind) | _is(island, two, other)
    return _Claim(text, holds, ((one, kind), (two, other)))


def _two(rng: Random, island: Island, speaker: int) -> tuple[int, int]:
    """Return two people other than the speaker."""
    others = [at for at in range(len(island.people)) if at != speaker]
    one, two = rng.sample(others, 2)
    return one, two


def _is(island: Island, who: int, kind: str) -> int:
    knight = _knight(len(island.people))[who]
    return knight if kind == KINDS[0] else ~knight
