"""Math word problems: a few quantities in a story, one asked for.

Level 1: one or two steps with small numbers and a bare number as the answer. Levels 2 and 3: a
graph of quantities told in any order, three to five and five to nine steps to the one that is asked
for, beside others that play no part; a whole number, an exact fraction, or a number with its unit.
What determines the answer is the kind and the numbers, so one sum never stands on both sides of the
split under two names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Final, NamedTuple, final

from steelyard.tasks.items import Cluster, Draft, Scorer, coin
from steelyard.tasks.measures import MeasureScorer
from steelyard.tasks.quantities import Graph, Numbers
from steelyard.tasks.quantities import graph as drawn_graph
from steelyard.tasks.quantity_words import MEASURED, decimal, things, told
from steelyard.tasks.scoring import NumberScorer
from steelyard.tasks.words import NAMES, OBJECTS, counted, first, plural

_SHORT: Final = 24
_LONG: Final = {2: 320, 3: 640}
_BARE: Final = "Answer with the number only."
_WORKED: Final = "Work it out step by step. End with a line of the form 'Answer: {}'."


class Story(NamedTuple):
    """The numbers that matter, the text, and the known answer."""

    numbers: tuple[int, ...]
    text: str
    answer: int


class Cast(NamedTuple):
    """Who and what a story is about: two people, two things."""

    one: str
    two: str
    thing: str
    other: str


def _gain(rng: Random, cast: Cast, level: int) -> Story:
    a, b = rng.randint(1, (30, 36)[level]), rng.randint(1, (19, 22)[level])
    text = (
        f"{cast.one} has {counted(a, cast.thing)}. {cast.two} gives {cast.one} {b} more. "
        f"How many {plural(cast.thing)} does {cast.one} have now?"
    )
    return Story((a, b), text, a + b)


def _loss(rng: Random, cast: Cast, level: int) -> Story:
    a = rng.randint(3, (40, 50)[level])
    b = rng.randint(1, min(a - 1, (19, 24)[level]))
    text = (
        f"{cast.one} has {counted(a, cast.thing)}. {cast.one} gives {b} to {cast.two}. "
        f"How many {plural(cast.thing)} does {cast.one} have left?"
    )
    return Story((a, b), text, a - b)


def _gain_loss(rng: Random, cast: Cast, level: int) -> Story:
    a, b = rng.randint(1, (15, 18)[level]), rng.randint(1, (12, 14)[level])
    c = rng.randint(1, min(a + b - 1, (12, 14)[level]))
    text = (
        f"{cast.one} has {counted(a, cast.thing)}. {cast.one} buys {b} more and then loses {c}. "
        f"How many {plural(cast.thing)} does {cast.one} have now?"
    )
    return Story((a, b, c), text, a + b - c)


def _distractor(rng: Random, cast: Cast, level: int) -> Story:
    most = (20, 30)[level]
    a, b, c = rng.randint(1, most), rng.randint(1, (15, 20)[level]), rng.randint(1, most)
    text = (
        f"{cast.one} has {counted(a, cast.thing)} and {counted(c, cast.other)}. "
        f"{cast.one} finds {counted(b, cast.thing)}. "
        f"How many {plural(cast.thing)} does {cast.one} have now?"
    )
    return Story((a, b), text, a + b)


def _together(rng: Random, cast: Cast, level: int) -> Story:
    most = 12
    a, b, c = rng.randint(1, most), rng.randint(1, most), rng.randint(2, (9, 10)[level])
    text = (
        f"{cast.one} has {counted(a, cast.thing)}, {cast.two} has {b}, and {c} are in a box. "
        f"How many {plural(cast.thing)} are there in all?"
    )
    return Story((a, b, c), text, a + b + c)


def _difference(rng: Random, cast: Cast, level: int) -> Story:
    b = rng.randint(1, (20, 25)[level])
    a = b + rng.randint(1, (19, 24)[level])
    text = (
        f"{cast.one} has {counted(a, cast.thing)} and {cast.two} has {b}. "
        f"How many more {plural(cast.thing)} does {cast.one} have than {cast.two}?"
    )
    return Story((a, b), text, a - b)


def _compare(rng: Random, cast: Cast, level: int) -> Story:
    a, b = rng.randint(2, (25, 35)[level]), rng.randint(1, (15, 20)[level])
    more = coin(rng) or b >= a
    text = (
        f"{cast.one} has {counted(a, cast.thing)}. {cast.two} has {b} "
        f"{'more' if more else 'fewer'} than {cast.one}. "
        f"How many {plural(cast.thing)} does {cast.two} have?"
    )
    return Story((a, b, int(more)), text, a + b if more else a - b)


def _groups(rng: Random, cast: Cast, level: int) -> Story:
    a, b, c = rng.randint(2, 5), rng.randint(2, 5), rng.randint(0, (4, 6)[level])
    extra = f" {cast.one} finds {c} more." if c else ""
    text = (
        f"{cast.one} has {a} bags with {counted(b, cast.thing)} in each.{extra} "
        f"How many {plural(cast.thing)} does {cast.one} have?"
    )
    return Story((a, b, c), text, a * b + c)


_SHIPPED: Final[dict[str, Callable[[Random, Cast, int], Story]]] = {
    "gain": _gain,
    "loss": _loss,
    "gain_loss": _gain_loss,
    "distractor": _distractor,
    "together": _together,
    "difference": _difference,
    "compare": _compare,
    "groups": _groups,
}


# By kind: the numbers that are told.
_COUNTED: Final = {
    2: Numbers(step=Fraction(1), most=Fraction(60), whole=True),
    3: Numbers(step=Fraction(1), most=Fraction(200), whole=True),
}
_EXACT: Final = {
    2: Numbers(step=Fraction(1, 2), most=Fraction(20), whole=False),
    3: Numbers(step=Fraction(1, 4), most=Fraction(30), whole=False),
}
_FORM: Final = "Give it exactly, as a decimal or as a fraction such as 7/3."


def _count(rng: Random, level: int) -> Draft:
    """Ask for a number of things."""
    graph = drawn_graph(rng, _COUNTED[level], level)
    noun, other = rng.sample(OBJECTS, 2)
    people = rng.sample(NAMES, len(graph.nodes) + 1)
    spare = f"{people.pop()} has {counted(rng.randint(2, 60), other)}."
    text = told(rng, graph, people, things(noun), noun, (spare,))
    return _worked("count", graph, text, NumberScorer(graph.answer, worked=True), level)


def _rational(rng: Random, level: int) -> Draft:
    """Ask for a measure that is no whole number, in the one unit in which all is told."""
    scene = rng.choice(MEASURED)
    while (graph := drawn_graph(rng, _EXACT[level], level)).answer.denominator == 1:
        pass
    unit = scene.units[1]
    one = replace(scene, units=(unit, unit), ratio=1)
    people = rng.sample(NAMES, len(graph.nodes))
    text = f"{told(rng, graph, people, one)} Answer in {unit}. {_FORM}"
    return _worked("rational", graph, text, NumberScorer(graph.answer, worked=True), level)


def _unit(rng: Random, level: int) -> Draft:
    """Ask for a measure with its unit, where the numbers are told in two."""
    scene = rng.choice(MEASURED)
    small, _ = scene.units
    step = Fraction(scene.ratio, 20)
    numbers = Numbers(step=step, most=step * 60, whole=False)
    while decimal((graph := drawn_graph(rng, numbers, level)).answer) is None:
        pass
    larger = decimal(graph.answer / scene.ratio) is not None and coin(rng)
    unit = scene.units[1] if larger else small
    value = graph.answer / scene.ratio if larger else graph.answer
    people = rng.sample(NAMES, len(graph.nodes))
    text = f"{told(rng, graph, people, scene)} Answer in {unit}, and give the unit too."
    scorer = MeasureScorer(value, unit, scene.units)
    return _worked("unit", graph, text, scorer, level, f"{decimal(value)} {unit}")


def _worked(
    kind: str, graph: Graph, text: str, scorer: Scorer, level: int, answer: str = ""
) -> Draft:
    measure = "NUMBER UNIT" if kind == "unit" else "NUMBER"
    return Draft(
        kind,
        (kind, *graph.key(), text),
        f"{text} {_WORKED.format(measure)}",
        answer or decimal(graph.answer) or str(graph.answer),
        _LONG[level],
        scorer,
    )


_HARDER: Final[dict[str, Callable[[Random, int], Draft]]] = {
    "count": _count,
    "rational": _rational,
    "unit": _unit,
}


@final
class MathWords:
    """The family behind `math_words`."""

    name: Final = "math_words"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the story forms of this level, or what is answered with at the harder ones."""
        return tuple(_SHIPPED) if level <= 1 else tuple(_HARDER)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one problem."""
        if level > 1:
            draft = _HARDER[kind](rng, level)
            # The same sum about other people is the same problem; the text is not.
            return Cluster(draft.key[:-1], (draft,))
        one, two = rng.sample(first(NAMES, level), 2)
        thing, other = rng.sample(first(OBJECTS, level), 2)
        story = _SHIPPED[kind](rng, Cast(one, two, thing, other), level)
        content = (kind, *map(str, story.numbers))
        draft = Draft(
            kind,
            (*content, one, two, thing, other),
            f"{story.text} {_BARE}",
            str(story.answer),
            _SHORT,
            NumberScorer(Fraction(story.answer)),
        )
        return Cluster(content, (draft,))
