"""Functions composed of steps: their text, inputs for them, and whether every step of one matters.

A function is what its steps and their numbers are; everything else, its hidden tests too, follows
from those. Running one here is safe: its text is ours. Not aware of prompts or sandboxes.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal, TypeAlias, final

from steelyard.tasks.code.graphs import GRAPHS
from steelyard.tasks.code.steps import EVERY, TYPES, Shape, Step
from steelyard.tasks.items import content_hash

NAME: Final = "solve"
_LENGTHS: Final[Mapping[int, tuple[int, ...]]] = {1: (3,), 2: (4,), 3: (5, 6)}
_STARTS: Final[Mapping[str, tuple[Shape, ...]]] = {
    "strings": ("text",),
    "lists": ("numbers", "words"),
    "dicts": ("table",),
    "graphs": ("graph",),
}
KINDS: Final = tuple(_STARTS)
_NODES: Final = "ABCDEFGH"
_MOSTLY: Final = 0.85
_SAMPLED: Final = 16  # inputs on which a function has to show that it does something
_LEAST_DIFFERENT: Final = 5

Form: TypeAlias = Literal["usual", "narrow", "large"]
FORMS: Final[tuple[Form, ...]] = ("usual", "narrow", "large")
Arguments: TypeAlias = list[Any]
Function: TypeAlias = Callable[..., object]


@final
@dataclass(frozen=True, slots=True)
class Composed:
    """Steps in their order, each with its place among all steps and its number."""

    kind: str
    steps: tuple[tuple[int, int | str], ...]

    @property
    def key(self) -> tuple[str, ...]:
        """What determines the function."""
        return (self.kind, *(f"{_ALL[at].says}|{k}" for at, k in self.steps))

    @property
    def takes(self) -> Shape:
        """The shape of its argument."""
        return _ALL[self.steps[0][0]].takes

    @property
    def gives(self) -> Shape:
        """The shape of what it returns."""
        return _ALL[self.steps[-1][0]].gives

    @property
    def told(self) -> tuple[str, ...]:
        """Its steps in words."""
        return tuple(_ALL[at].told(k) for at, k in self.steps)

    @property
    def head(self) -> str:
        """Its first line, with types."""
        start = ", start: str" if self.takes == "graph" else ""
        return f"def {NAME}(value: {TYPES[self.takes]}{start}) -> {TYPES[self.gives]}:"

    @property
    def text(self) -> str:
        """The function in Python."""
        return self.without(None)

    def without(self, left_out: int | None) -> str:
        """Return the function in Python without one of its steps."""
        body = "\n".join(
            _ALL[at].coded(k) for number, (at, k) in enumerate(self.steps) if number != left_out
        )
        return f"{self.head}\n{textwrap.indent(body, '    ')}\n    return value\n"


_ALL: Final[tuple[Step, ...]] = (*EVERY, *GRAPHS)


def compose(kind: str, level: int, rng: Random) -> Composed:
    """Draw a function; no step comes twice in it."""
    while True:
        shape = rng.choice(_STARTS[kind])
        length, drawn = rng.choice(_LENGTHS[level]), list[tuple[int, int | str]]()
        for left in range(length, 0, -1):
            taken = {at for at, _ in drawn}
            fitting = [
                at
                for at, step in enumerate(_ALL)
                # A number is the end: no step takes one.
                if step.takes == shape
                and at not in taken
                and (step.gives != "graph" if left == 1 else step.gives != "number")
            ]
            if not fitting:
                break
            at = rng.choice(fitting)
            drawn.append((at, rng.choice(_ALL[at].choices or (0,))))
            shape = _ALL[at].gives
        if len(drawn) == length:
            return Composed(kind, tuple(drawn))


@functools.lru_cache(maxsize=1 << 14)
def matters(made: Composed) -> bool:
    """Say whether the function gives several results, and others without any one of its steps."""
    rng = Random(content_hash("matters", *made.key))
    given = [arguments(made.takes, rng) for _ in range(_SAMPLED)]
    results = run_all(made.text, given)
    if len(set(map(repr, results))) < _LEAST_DIFFERENT:
        return False
    return all(run_all(made.without(n), given) != results for n in range(len(made.steps)))


@functools.lru_cache(maxsize=4096)
def built(text: str) -> Function:
    """Return a function of ours, ready to be called."""
    space: dict[str, Any] = {}
    exec(compile(text, "<composed>", "exec"), space)  # noqa: S102 - written here, of our own steps
    made: Function = space[NAME]
    return made


def run(text: str, given: Arguments) -> object:
    """Return what a function of ours gives, or the name of what it raises.

    Our functions change no argument, nor do they when one operator in them is another.
    """
    try:
        return built(text)(*given)
    except Exception as error:  # noqa: BLE001 - of a function with a step too few, anything
        return type(error)


def run_all(text: str, given: list[Arguments]) -> list[object]:
    """Return what a function of ours gives for each of these."""
    return [run(text, one) for one in given]


# ── inputs ──────────────────────────────────────────────────────────────────────────────────
def arguments(shape: Shape, rng: Random, form: Form = "usual") -> Arguments:
    """Draw arguments: usually of middling size, with repetitions and ties, now and then tiny.

    `narrow` ones are of few letters and numbers, so that even what is rare is repeated; `large`
    ones are long, so that something is left after many steps.
    """
    letters, longer = "ab" if form == "narrow" else "abcdeo", 2 if form == "large" else 1
    match shape:
        case "text":
            return [_text(rng, "aB1" if form == "narrow" else "abceioABE01239", 5 * longer)]
        case "words":
            return [[_word(rng, letters) for _ in range(_size(rng, 8 * longer))]]
        case "numbers" | "number":
            least, most = (-3, 4) if form == "narrow" else (-9, 15)
            return [[rng.randint(least, most) for _ in range(_size(rng, 10 * longer))]]
        case "table":
            least, most = (-1, 3) if form == "narrow" else (-4, 9)
            size = _size(rng, 7 * longer)
            return [{_word(rng, letters): rng.randint(least, most) for _ in range(size)}]
        case "graph":
            return _graph(rng, form)


def edges(shape: Shape) -> list[Arguments]:
    """Return what is easily forgotten: nothing, one, all the same, ties."""
    match shape:
        case "text":
            texts = ("", "a", "A", " ", "7", "aa", "ab", "aab b", "a  a", "Ab1 Ab1", "0123456789")
            return [[text] for text in texts]
        case "words":
            return [[[]], [["a"]], [["a", "a"]], [["ab", "ba", "ab"]], [["abc", "ab", "a"]]]
        case "numbers" | "number":
            lists: list[list[int]] = [[], [0], [1], [-1], [5, 5], [1, 2, 3], [3, 2, 1], [2, 2, 1]]
            return [[numbers] for numbers in lists]
        case "table":
            tables: list[dict[str, int]] = [
                {},
                {"a": 0},
                {"a": 1, "b": 1},
                {"ab": 2, "a": 2, "b": 3},
            ]
            return [[table] for table in tables]
        case "graph":
            line: dict[str, list[str]] = {"A": ["B"], "B": ["C"], "C": ["D"], "D": []}
            ring = {"A": ["B"], "B": ["C"], "C": ["A"]}
            return [[{"A": []}, "A"], [{"A": ["A"]}, "A"], [line, "A"], [line, "D"], [ring, "B"]]


def _size(rng: Random, most: int) -> int:
    return rng.choice((1, 2, 3)) if rng.random() < 0.2 else rng.randint(3, most)  # noqa: PLR2004


def _word(rng: Random, letters: str) -> str:
    # Few letters, so that words repeat letters, begin alike and come twice.
    return "".join(rng.choice(letters) for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5))))


def _text(rng: Random, letters: str, most: int) -> str:
    words = [
        "".join(rng.choice(letters) for _ in range(rng.randint(1, 5)))
        for _ in range(_size(rng, most))
    ]
    return " ".join(words)


def _graph(rng: Random, form: Form) -> Arguments:
    nodes = list(_NODES[: len(_NODES) if form == "large" else rng.randint(2, len(_NODES))])
    if form == "narrow":
        # One arrow a node at most: long ways and rings, which chance seldom makes.
        graph = {n: [rng.choice(nodes)] if rng.random() < _MOSTLY else [] for n in nodes}
    else:
        arrows = rng.choice((0.12, 0.2, 0.3))
        graph = {n: [m for m in nodes if rng.random() < arrows] for n in nodes}
    return [graph, rng.choice(nodes)]
