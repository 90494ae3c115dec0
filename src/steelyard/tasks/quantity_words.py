"""How quantities are told: things that people have, and what can be weighed, measured or timed.

A scene says each relation of a graph in one sentence. Its numbers are in the smaller unit of the
two; each is told in either. Not aware of families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Final, final

from steelyard.tasks.items import coin
from steelyard.tasks.quantities import Graph, Node
from steelyard.tasks.words import counted, plural

_PARTS: Final = {2: "half", 3: "a third", 4: "a quarter"}


@final
@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of quantity; `{a}`, `{b}`, `{c}` are people, `{n}` a number with what it counts.

    `ratio` is the number of smaller units in a larger one.
    """

    units: tuple[str, str]
    ratio: int
    told: str
    times: str
    part: str
    more: str
    less: str
    both: str
    one: str
    together: str
    difference: str

    def sentence(self, node: Node, people: Sequence[str], own: str, number: str) -> str:
        """Tell one quantity. `own` is whose it is; `number` is its number in words."""
        named = dict(zip("bc", (people[at] for at in node.sources), strict=False))
        form: str = getattr(self, node.relation)
        count = _PARTS[int(node.number)] if node.relation == "part" else number
        return form.format(a=own, n=count, **named)


def things(noun: str) -> Scene:
    """Return the scene of things that are counted."""
    many = plural(noun)
    return Scene(
        (noun, noun),
        1,
        told="{a} has {n}.",
        times=f"{{a}} has {{n}} times as many {many} as {{b}}.",
        part=f"{{a}} has {{n}} as many {many} as {{b}}.",
        more=f"{{a}} has {{n}} more {many} than {{b}}.",
        less=f"{{a}} has {{n}} fewer {many} than {{b}}.",
        both=f"{{a}} has as many {many} as {{b}} and {{c}} together.",
        one=f"How many {many} does {{a}} have?",
        together=f"How many {many} do {{a}} and {{b}} have together?",
        difference=f"How many more {many} does {{a}} have than {{b}}?",
    )


MEASURED: Final = (
    Scene(
        ("g", "kg"),
        1000,
        told="The parcel for {a} weighs {n}.",
        times="The parcel for {a} weighs {n} times as much as the one for {b}.",
        part="The parcel for {a} weighs {n} as much as the one for {b}.",
        more="The parcel for {a} weighs {n} more than the one for {b}.",
        less="The parcel for {a} weighs {n} less than the one for {b}.",
        both="The parcel for {a} weighs as much as those for {b} and {c} together.",
        one="How much does the parcel for {a} weigh?",
        together="How much do the parcels for {a} and {b} weigh together?",
        difference="How much more does the parcel for {a} weigh than the one for {b}?",
    ),
    Scene(
        ("cm", "m"),
        100,
        told="The rope for {a} is {n} long.",
        times="The rope for {a} is {n} times as long as the one for {b}.",
        part="The rope for {a} is {n} as long as the one for {b}.",
        more="The rope for {a} is {n} longer than the one for {b}.",
        less="The rope for {a} is {n} shorter than the one for {b}.",
        both="The rope for {a} is as long as those for {b} and {c} together.",
        one="How long is the rope for {a}?",
        together="How long are the ropes for {a} and {b} together?",
        difference="How much longer is the rope for {a} than the one for {b}?",
    ),
    Scene(
        ("minutes", "hours"),
        60,
        told="The shift of {a} takes {n}.",
        times="The shift of {a} takes {n} times as long as the one of {b}.",
        part="The shift of {a} takes {n} as long as the one of {b}.",
        more="The shift of {a} takes {n} more than the one of {b}.",
        less="The shift of {a} takes {n} less than the one of {b}.",
        both="The shift of {a} takes as long as those of {b} and {c} together.",
        one="How long does the shift of {a} take?",
        together="How long do the shifts of {a} and {b} take together?",
        difference="How much longer does the shift of {a} take than the one of {b}?",
    ),
)


def decimal(value: Fraction) -> str | None:
    """Return the number as a decimal of at most four places, or None where it is none."""
    if (value * 10_000).denominator != 1:
        return None
    return f"{int(value * 10_000) / 10_000:.4f}".rstrip("0").rstrip(".")


def told(
    rng: Random,
    graph: Graph,
    people: Sequence[str],
    scene: Scene,
    noun: str = "",
    beside: tuple[str, ...] = (),
) -> str:
    """Tell all quantities in any order, and ask. With a `noun`, they are things and not measures.

    A measure's numbers are told in the unit of the scene; where it has two, in either. `beside` are
    sentences that have nothing to do with it.
    """
    said = [*beside]
    for at, node in enumerate(graph.nodes):
        if node.relation in ("times", "part"):
            number = str(node.number)
        elif noun:
            of_things = counted(int(node.number), noun)
            number = of_things if node.relation == "told" else str(node.number)
        else:
            number = _measured(rng, node.number, scene)
        said.append(scene.sentence(node, people, people[at], number))
    rng.shuffle(said)
    question: str = getattr(scene, graph.question)
    names = dict(zip("ab", (people[at] for at in graph.asked), strict=False))
    return f"{' '.join(said)} {question.format(**names)}"


def _measured(rng: Random, value: Fraction, scene: Scene) -> str:
    small, large = scene.units
    larger = decimal(value / scene.ratio)
    if larger is None or (small != large and coin(rng)):
        number, unit = decimal(value), small
    else:
        number, unit = larger, large
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"
