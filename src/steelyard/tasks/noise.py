"""Filler for long texts: endless notes about nothing, each sentence another one.

About one sentence in six is a near miss: it speaks of codes, deliveries and homes in the manner of
what is asked for, and states none. No sentence is of the form in which `long_context` states a
fact. Not aware of tokens: callers say how many sentences.
"""

from __future__ import annotations

from random import Random
from typing import Final, final

from steelyard.tasks.words import (
    ANIMALS,
    CITIES,
    COLOURS,
    JOBS,
    NAMES,
    OBJECTS,
    PLACES,
    TRAITS,
    article,
    plural,
)

_NEAR: Final = 1 / 6
_PLAIN: Final = (
    "The {trait} {job} carried {a_object} from the {place} to the {place2}.",
    "{name} and {name2} met {a_trait} {animal} behind the {place}.",
    "On day {number} the {job} painted the {object} {colour}.",
    "{name} counted {number} {animals} near the {place} before noon.",
    "A letter about the {place} came from {city} and was read by the {job}.",
    "The {colour} {animal} slept beside the {object} until {name} came.",
    "In {city} the {place} stays shut while the {job} is {trait}.",
    "{name} lent the {object} to the {job}, who broke it near the {place}.",
    "There was no {object} in the {place}, only {number} {objects}.",
    "The {job} of {city} trained {a_animal} to find {objects}.",
    "After the rain {name} swept the {place} and found {a_object}.",
    "Nobody at the {place} knew why the {animal} was so {trait}.",
    "{name} wrote {number} lines about the {colour} {object} and stopped.",
    "The road from the {place} to the {place2} takes {number} minutes.",
    "Every {job} in {city} owns {a_object} and fears the {animal}.",
    "{name} sold the {colour} {object} because the {place} had no room.",
    "Two {animals} chased the {job} around the {place} for an hour.",
    "The {place} smelled of paint, so {name} opened a window.",
    "Some {trait} {job} played cards with {name} under the {object}.",
    "Page {number} of the guide to {city} praises the {place}.",
    "{name2} told {name} that the {animal} had eaten the {object}.",
    "The {object} of the {job} is {colour} on one side and {colour2} on the other.",
    "When the {place} burned, {name} saved the {animal} and the {object}.",
    "{name} walks {number} steps to the {place} each morning.",
    "The {job} asked for {a_object}, but the {place} had sold the last one.",
    "In winter the {animals} move from the {place} to the {place2}.",
    "{name} dreamed of {a_colour} {place} full of {objects}.",
    "The {trait} {animal} at the {place} belongs to no {job}.",
)
_NEAR_MISSES: Final = (
    "{name} forgot the {code} again and had to ask the {job}.",
    "Nobody wrote down the {code} of the {place}.",
    "The {job} says that a {code} has five digits, and {number} has too few.",
    "{name} asked {name2} for the {code}, and {name2} said nothing.",
    "{name} would like another {code}, and nobody listens.",
    "A delivery for {name} was late, so nothing was counted.",
    "A box of {objects} was empty, and {name} threw it away.",
    "{name} looked into some box and saw no number.",
    "Where {name} lives is told elsewhere; {name2} only knows that it is far from {city}.",
    "{name} once slept in {city} for {number} nights and moved on.",
    "A form for the {code} lies in the {place}, not filled in.",
)
CODES: Final = (
    "locker code", "badge number", "ticket number", "door code", "shelf number", "parcel number",
)  # fmt: skip


@final
class Noise:
    """The sentences of one seed, written as they are asked for: the first ones stay the same."""

    def __init__(self, seed: str) -> None:
        self._rng = Random(seed)
        self._written: list[str] = []

    def first(self, count: int) -> list[str]:
        """Return so many sentences."""
        while len(self._written) < count:
            self._written.append(_sentence(self._rng))
        return self._written[:count]


def _sentence(rng: Random) -> str:
    form = rng.choice(_NEAR_MISSES if rng.random() < _NEAR else _PLAIN)
    name, name2 = rng.sample(NAMES, 2)
    place, place2 = rng.sample(PLACES, 2)
    colour, colour2 = rng.sample(COLOURS, 2)
    thing, animal, trait = rng.choice(OBJECTS), rng.choice(ANIMALS), rng.choice(TRAITS)
    return form.format(
        name=name,
        name2=name2,
        place=place,
        place2=place2,
        colour=colour,
        colour2=colour2,
        object=thing,
        a_object=article(thing),
        objects=plural(rng.choice(OBJECTS)),
        animal=animal,
        a_animal=article(animal),
        a_colour=article(colour),
        animals=plural(animal),
        city=rng.choice(CITIES),
        job=rng.choice(JOBS),
        trait=trait,
        a_trait=article(trait),
        number=rng.randint(3, 996),
        code=rng.choice(CODES),
    )
