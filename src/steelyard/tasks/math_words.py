"""Math word problems: a few quantities in a story, one asked for.

A problem is a list of steps on named quantities. Level 1: one or two steps with small numbers and
a bare number as the answer. Level 2: three or four steps, numbers to 60, a distractor. Level 3:
five to seven steps with products and fair shares. What determines the answer is the kind and the
numbers, so one sum never stands on both sides of the split under two names.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Final, NamedTuple, final

from steelyard.tasks.items import Cluster, Draft, coin
from steelyard.tasks.scoring import NumberScorer
from steelyard.tasks.words import NAMES, OBJECTS, counted, first, plural

_MOVES: Final = ("buys", "loses", "doubles", "shares", "packs")
_HARDEST: Final = 3
_FEW, _MANY = 3, 2000
_BARE: Final = "Answer with the number only."
_WORKED: Final = "Work it out step by step. End with a line of the form 'Answer: NUMBER'."


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


def _chain(rng: Random, cast: Cast, level: int) -> Story:
    """Tell a longer story about one person's things, with a distractor that must be ignored."""
    top = {2: 60, 3: 400}[level]
    steps = rng.randint(*{2: (3, 4), 3: (5, 7)}[level])
    value = rng.randint(5, top)
    numbers, said = [value], [f"{cast.one} starts with {counted(value, cast.thing)}."]
    while len(numbers) < steps + 1:
        value, number, sentence = _step(rng, cast, level, value)
        numbers.append(number)
        said.append(sentence)
    spare = rng.randint(2, top)
    said.insert(rng.randint(1, len(said)), f"{cast.two} has {counted(spare, cast.other)}.")
    said.append(f"How many {plural(cast.thing)} does {cast.one} have in the end?")
    return Story((*numbers, spare), " ".join(said), value)


def _step(rng: Random, cast: Cast, level: int, value: int) -> tuple[int, int, str]:
    moves = _MOVES[: 2 if level < _HARDEST else None]
    move = rng.choice(moves)
    things = plural(cast.thing)
    if move == "loses" and value > _FEW:
        n = rng.randint(1, value - 1)
        return value - n, n, f"{cast.one} gives {counted(n, cast.thing)} away."
    if move == "doubles" and value < _MANY:
        n = rng.randint(2, 4)
        return value * n, n, f"A friend makes it {n} times as many."
    shares = [n for n in range(2, 9) if value % n == 0 and value > n]
    if move == "shares" and shares:
        n = rng.choice(shares)
        return (
            value // n,
            n,
            f"{cast.one} shares all {things} equally among {n} people and keeps one share.",
        )
    if move == "packs":
        n, each = rng.randint(2, 9), rng.randint(2, 12)
        said = f"{cast.one} gets {n} boxes with {counted(each, cast.thing)} in each."
        return value + n * each, n * 100 + each, said
    n = rng.randint(2, 60)
    return value + n, n, f"{cast.one} buys {counted(n, cast.thing)}."


@final
class MathWords:
    """The family behind `math_words`."""

    name: Final = "math_words"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, level: int) -> tuple[str, ...]:
        """Return the story forms of this level."""
        return tuple(_SHIPPED) if level <= 1 else ("chain",)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one problem."""
        one, two = rng.sample(first(NAMES, level), 2)
        thing, other = rng.sample(first(OBJECTS, level), 2)
        cast = Cast(one, two, thing, other)
        story = _SHIPPED[kind](rng, cast, level) if level <= 1 else _chain(rng, cast, level)
        # A longer story's words carry its steps, so they are part of what determines the answer.
        content = (kind, *map(str, story.numbers), *(() if level <= 1 else (story.text,)))
        draft = Draft(
            kind,
            (*content, one, two, thing, other),
            f"{story.text} {_BARE if level <= 1 else _WORKED}",
            str(story.answer),
            (24, 24, 320, 640)[level],
            NumberScorer(Fraction(story.answer), worked=level > 1),
        )
        return Cluster(content, (draft,))
