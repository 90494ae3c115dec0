"""Logic: orders, rules with exceptions, and who is where by elimination.

Every puzzle has one answer; the independent solver finds it by brute force over all worlds.
Level 1: three people in a chain, one of three rules to apply, two places and one clue. Levels 2 and
3: longer chains, chained rules with three possible answers, more places with negative clues.
"""

from __future__ import annotations

from itertools import pairwise, permutations
from random import Random
from typing import Final, final

from steelyard.tasks.items import Cluster, Draft, alone, coin
from steelyard.tasks.scoring import ChoiceScorer
from steelyard.tasks.words import KINDS, NAMES, PLACES, TRAITS, first, plural

ORDERS: Final = (
    ("taller", "shorter", "tallest", "shortest"),
    ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"),
    ("richer", "poorer", "richest", "poorest"),
)
_NAME: Final = "Answer with the name only."
_PLACE: Final = "Answer with one word only."
_THREE: Final = "Answer yes, no or unknown."
_WORKED: Final = "Reason step by step. End with a line of the form 'Answer: WORD'."


def _order(rng: Random, level: int) -> Draft:
    """Compare neighbours of a chain in shuffled order; ask for one of its ends."""
    people = rng.sample(first(NAMES, level), {1: 3, 2: 5, 3: 8}[level])
    more, less, most, least = rng.choice(ORDERS)
    said = [
        f"{high} is {more} than {low}." if coin(rng) else f"{low} is {less} than {high}."
        for high, low in pairwise(people)
    ]
    rng.shuffle(said)
    top = coin(rng)
    question = f"Who is the {most if top else least}?"
    answer = people[0] if top else people[-1]
    return _draft("order", said, question, answer, tuple(people), level, _NAME)


def _rule(rng: Random, level: int, answer: str) -> Draft:
    """Follow rules to a trait; of a kind without a rule nothing is known.

    Two rules with opposite ends stand side by side, so that neither `All` nor `No` gives the
    answer away.
    """
    name = rng.choice(first(NAMES, level))
    trait = rng.choice(first(TRAITS, level)[: 16 if level == 1 else None])
    size = {1: 1, 2: 2, 3: 4}[level]
    *kinds, stray = rng.sample(KINDS, 2 * size + 1)
    chains = {"yes": kinds[:size], "no": kinds[size:]}
    said = []
    for end, chain in chains.items():
        said += [f"All {plural(a)} are {plural(b)}." for a, b in pairwise(chain)]
        said.append(f"{'All' if end == 'yes' else 'No'} {plural(chain[-1])} are {trait}.")
    rng.shuffle(said)
    kind = stray if answer == "unknown" else chains[answer][0]
    said.append(f"{name} is a {kind}.")
    question = f"Is {name} {trait}?" if level == 1 else f"Is {name} {trait}: yes, no or unknown?"
    return _draft("rule", said, question, answer, ("yes", "no", "unknown"), level, _THREE)


def _trait(rng: Random, level: int) -> Draft:
    """Apply the one of three rules that fits: from a kind to its trait."""
    name = rng.choice(first(NAMES, level))
    kinds = rng.sample(KINDS, 3)
    traits = rng.sample(first(TRAITS, level)[:16], 3)
    said = [f"Every {kind} is {trait}." for kind, trait in zip(kinds, traits, strict=True)]
    said.append(f"{name} is a {kinds[0]}.")
    # The rule that fits stands anywhere.
    said[:3] = rng.sample(said[:3], 3)
    return _draft("trait", said, f"What is {name} like?", traits[0], tuple(traits), level, _PLACE)


def _seats(rng: Random, level: int) -> Draft:
    """Put each person in another place and say just enough to find one of them."""
    size = {1: 2, 2: 4, 3: 6}[level]
    people = rng.sample(first(NAMES, level), size)
    places = rng.sample(first(PLACES, level), size)
    home = dict(zip(people, rng.sample(places, size), strict=True))
    asked = rng.choice(people)
    said = _clues(rng, home, asked, hidden=level)
    listed = f"{_listed(people)} are in the {_listed(places, 'the ')}, one in each."
    question = f"Where is {asked}?"
    return _draft("seats", [listed, *said], question, home[asked], tuple(places), level, _PLACE)


def _clues(rng: Random, home: dict[str, str], asked: str, hidden: int) -> list[str]:
    """Say where some are, and rule places out for the hidden ones until one world answers."""
    others = [person for person in home if person != asked]
    rng.shuffle(others)
    said = [f"{person} is in the {home[person]}." for person in others[hidden:]]
    open_people = [asked, *others[:hidden]]
    open_places = [home[person] for person in open_people]
    denials = [(p, w) for p in open_people for w in open_places if home[p] != w]
    rng.shuffle(denials)
    known: set[tuple[str, str]] = set()
    while not _settled(open_people, open_places, known):
        known.add(denials.pop())
    said += [f"{person} is not in the {where}." for person, where in sorted(known)]
    rng.shuffle(said)
    return said


def _settled(people: list[str], places: list[str], denied: set[tuple[str, str]]) -> bool:
    """Say whether the first person stands in one place in all worlds that are left."""
    worlds = [
        world[0]
        for world in permutations(places)
        if not any(pair in denied for pair in zip(people, world, strict=True))
    ]
    return len(set(worlds)) == 1


def _listed(words: list[str], before: str = "") -> str:
    head = f", {before}".join(words[:-1])
    return f"{head} and {before}{words[-1]}"


def _draft(
    kind: str,
    said: list[str],
    question: str,
    answer: str,
    options: tuple[str, ...],
    level: int,
    demand: str,
) -> Draft:
    worked = level > 1
    return Draft(
        kind,
        (*sorted(said), question),
        f"{' '.join(said)} {question} {_WORKED if worked else demand}",
        answer,
        {1: 24, 2: 320, 3: 640}[level],
        ChoiceScorer(answer, options, worked),
    )


@final
class Logic:
    """The family behind `logic`."""

    name: Final = "logic"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the kinds in turn: three puzzles; each answer of a rule has its turn too."""
        if level == 1:
            return ("order", "trait", "seats")
        rules = ("rule_yes", "rule_no", "rule_unknown")
        return tuple(kind for rule in rules for kind in ("order", rule, "seats"))

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one puzzle."""
        puzzle, _, answer = kind.partition("_")
        if puzzle == "rule":
            return alone(_rule(rng, level, answer))
        return alone({"order": _order, "trait": _trait, "seats": _seats}[puzzle](rng, level))
