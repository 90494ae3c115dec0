"""Quantities that hang together: some told as numbers, the others by how they follow from those.

The relations form a directed acyclic graph. One quantity, or what two of them come to, is asked
for; how many operations that takes is counted over the whole graph behind it, a number that two
ways need once. Beside it stand quantities that nothing leads to. Not aware of families.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Final, Literal, NamedTuple, TypeAlias, final

from steelyard.tasks.items import coin

Relation: TypeAlias = Literal["told", "times", "part", "more", "less", "both"]
# Operations that an answer takes, and quantities that it does not.
STEPS: Final = {2: (3, 5), 3: (5, 9)}
SPARE: Final = {2: (1, 2), 3: (2, 3)}
_RELATIONS: Final[tuple[Relation, ...]] = ("times", "part", "more", "less", "both", "both")
_BESIDE: Final[tuple[Relation, ...]] = ("told", "times", "more", "less")
_PARTS: Final = (2, 3, 4)
_TIMES: Final = (2, 4)


class Node(NamedTuple):
    """A quantity: its relation, the earlier ones that it follows from, and a number or a rate.

    `told` has its value as `number`, `more` and `less` the difference; `times` and `part` have the
    factor or the divisor.
    """

    relation: Relation
    sources: tuple[int, ...]
    number: Fraction
    value: Fraction


@final
@dataclass(frozen=True, slots=True)
class Graph:
    """All quantities, and what is asked: one of them, or two together, or their difference."""

    nodes: tuple[Node, ...]
    asked: tuple[int, ...]
    question: Literal["one", "together", "difference"]

    @property
    def answer(self) -> Fraction:
        """The value that is asked for, in the smaller unit where there are two."""
        first, *rest = (self.nodes[at].value for at in self.asked)
        if self.question == "difference":
            return first - rest[0]
        return sum(rest, first)

    @property
    def steps(self) -> int:
        """How many additions, subtractions, multiplications and divisions the answer takes."""
        needed = self.needed()
        return sum(self.nodes[at].relation != "told" for at in needed) + len(self.asked) - 1

    def needed(self) -> frozenset[int]:
        """Return the quantities that the answer hangs on."""
        open_nodes, found = [*self.asked], set[int]()
        while open_nodes:
            at = open_nodes.pop()
            if at not in found:
                found.add(at)
                open_nodes += self.nodes[at].sources
        return frozenset(found)

    def key(self) -> tuple[str, ...]:
        """Return what determines the answer, whoever the quantities are of."""
        return (
            self.question,
            " ".join(map(str, self.asked)),
            *(f"{node.relation} {node.sources} {node.number}" for node in self.nodes),
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers are told: `step` is their finest, `most` the greatest one, `whole` all of them.

    Where `whole`, no quantity may be a fraction of `step`.
    """

    step: Fraction
    most: Fraction
    whole: bool

    def draw(self, rng: Random, most: Fraction | None = None) -> Fraction:
        """Draw a number to be told, above zero."""
        top = int((self.most if most is None else min(most, self.most)) / self.step)
        return self.step * rng.randint(1, max(1, top))

    def allows(self, value: Fraction) -> bool:
        """Say whether a quantity may be this one."""
        return value > 0 and (not self.whole or (value / self.step).denominator == 1)


def graph(rng: Random, numbers: Numbers, level: int) -> Graph:
    """Draw graphs until one takes as many steps as the level wants."""
    low, high = STEPS[level]
    wanted = rng.randint(low, high)
    while True:
        nodes: list[Node] = [_told(rng, numbers), _told(rng, numbers)]
        nodes += (_next(rng, numbers, nodes) for _ in range(wanted))
        found = _ask(rng, nodes)
        if found.steps == wanted and 0 < found.answer <= numbers.most * 20:
            return _with_spare(rng, numbers, found, level)


def _told(rng: Random, numbers: Numbers) -> Node:
    number = numbers.draw(rng)
    return Node("told", (), number, number)


def _next(rng: Random, numbers: Numbers, nodes: list[Node]) -> Node:
    """Draw a quantity that follows from earlier ones, most likely from the latest."""
    latest = len(nodes) - 1
    used = {source for node in nodes for source in node.sources}
    loose = [at for at in range(2, latest) if at not in used]
    while True:
        # A branch that leads nowhere yet is joined soon: else most graphs would have idle ends.
        relation = "both" if loose and coin(rng) else rng.choice(_RELATIONS)
        one = rng.choice((latest, latest, latest, latest, rng.randrange(len(nodes))))
        for node in _related(rng, numbers, nodes, relation, latest if loose else one):
            if numbers.allows(node.value) and node.value <= numbers.most * 20:
                return node


def _related(
    rng: Random, numbers: Numbers, nodes: list[Node], relation: Relation, one: int
) -> Iterator[Node]:
    value = nodes[one].value
    match relation:
        case "times":
            factor = rng.randint(*_TIMES)
            yield Node(relation, (one,), Fraction(factor), value * factor)
        case "part":
            divisor = rng.choice(_PARTS)
            yield Node(relation, (one,), Fraction(divisor), value / divisor)
        case "more":
            number = numbers.draw(rng)
            yield Node(relation, (one,), number, value + number)
        case "less":
            if value > numbers.step:
                number = numbers.draw(rng, value - numbers.step)
                yield Node(relation, (one,), number, value - number)
        case "both":
            used = {source for node in nodes for source in node.sources}
            loose = [at for at in range(len(nodes)) if at not in used and at != one]
            other = rng.choice(loose or [*range(len(nodes))])
            if other != one:
                yield Node(relation, (one, other), Fraction(0), value + nodes[other].value)
        case "told":
            yield _told(rng, numbers)


def _ask(rng: Random, nodes: list[Node]) -> Graph:
    last = len(nodes) - 1
    other = rng.randrange(last)
    match rng.randrange(4):
        case 0:
            return Graph(tuple(nodes), (last, other), "together")
        case 1 if nodes[last].value != nodes[other].value:
            pair = sorted((last, other), key=lambda at: -nodes[at].value)
            return Graph(tuple(nodes), tuple(pair), "difference")
        case _:
            return Graph(tuple(nodes), (last,), "one")


def _with_spare(rng: Random, numbers: Numbers, found: Graph, level: int) -> Graph:
    """Add quantities that the answer does not hang on: they follow from those that it does."""
    nodes = [*found.nodes]
    for _ in range(rng.randint(*SPARE[level])):
        relation = rng.choice(_BESIDE)
        drawn = [
            node
            for node in _related(rng, numbers, nodes, relation, rng.randrange(len(nodes)))
            if numbers.allows(node.value)
        ]
        nodes.append(drawn[0] if drawn else _told(rng, numbers))
    return Graph(tuple(nodes), found.asked, found.question)
