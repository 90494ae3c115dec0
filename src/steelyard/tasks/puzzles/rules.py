"""Syllogisms: rules that lead on from kind to kind, to a trait, away from it or elsewhere.

Three chains stand side by side: one ends with the trait that is asked about, one rules it out, one
speaks of another trait. Each is as long as the others, so only following the right one tells.
Not aware of families.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Final

from steelyard.tasks.items import coin
from steelyard.tasks.puzzles.worlds import Puzzle
from steelyard.tasks.words import KINDS, TRAITS, plural

SIZES: Final = {2: 2, 3: 4}  # kinds of a chain
ANSWERS: Final = ("yes", "no", "unknown")


def puzzle(rng: Random, names: tuple[str, ...], level: int, answer: str) -> Puzzle:
    """Write the rules, what someone is, and the question."""
    name, (trait, other) = rng.choice(names), rng.sample(TRAITS, 2)
    size = SIZES[level]
    kinds = rng.sample(KINDS, len(ANSWERS) * size)
    chains = {end: kinds[at * size : (at + 1) * size] for at, end in enumerate(ANSWERS)}
    ends = {
        "yes": f"are {trait}",
        "no": f"are {trait}",
        "unknown": f"are {other}",
    }
    said = []
    for end, chain in chains.items():
        said += [f"All {plural(a)} are {plural(b)}." for a, b in pairwise(chain)]
        no = end == "no" or (end == "unknown" and coin(rng))
        said.append(f"{'No' if no else 'All'} {plural(chain[-1])} {ends[end]}.")
    rng.shuffle(said)
    said.append(f"{name} is a {chains[answer][0]}.")
    question = f"Is {name} {trait}: yes, no or unknown?"
    return Puzzle(tuple(said), question, answer, ANSWERS, {})
