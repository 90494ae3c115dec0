"""Functions to be written: a few steps on a text, a list, a dictionary or a graph, in order.

The prompt shows the first line, the steps and two examples; the answer is the function itself. It
is called with inputs that are never shown, inside the sandbox (`tasks.code.scoring`). There are
three steps at level 1, four at level 2, five or six at level 3. Not aware of marks.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, final

from steelyard.tasks.code.composing import KINDS, NAME, Composed, compose, matters
from steelyard.tasks.code.hidden import Test, examples
from steelyard.tasks.code.scoring import CodeScorer
from steelyard.tasks.items import Cluster, Draft

_TOKENS: Final = {1: 500, 2: 800, 3: 1100}
_DEMAND: Final = (
    "Complete this Python function. Answer with the whole function in one ```python block and"
    " nothing else."
)
_ABOUT: Final = {
    "text": "Take a text",
    "words": "Take a list of words",
    "numbers": "Take a list of whole numbers",
    "table": "Take a dictionary of names with whole numbers as their values",
    "graph": "Take a graph, which maps each node to the nodes that its arrows lead to, and one of"
    " its nodes, start",
}


def prompt(made: Composed, shown: tuple[Test, ...]) -> str:
    """Return what is asked for a function."""
    steps = "\n".join(f"    {number}. {told}" for number, told in enumerate(made.told, 1))
    calls = "\n".join(f"    {call(test)}" for test in shown)
    return (
        f"{_DEMAND}\n\n```python\n{made.head}\n"
        f'    """{_ABOUT[made.takes]}, and return what these steps make of it, in this order:\n\n'
        f'{steps}\n\n    Leave the argument as it is.\n\n{calls}\n    """\n```'
    )


def call(test: Test) -> str:
    """Return a call with its result, as a session of Python shows it."""
    return f">>> {NAME}({', '.join(map(repr, test.given))})\n    {test.wanted!r}"


@final
class Code:
    """The family behind `code`."""

    name: Final = "code"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return what the functions work on, the same at every level."""
        return KINDS

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Compose one function; it is written down if each of its steps matters."""
        made = compose(kind, level, rng)
        return Cluster(made.key, late=lambda: _written(made, level))


def _written(made: Composed, level: int) -> Iterator[Draft]:
    shown = examples(made) if matters(made) else ()
    if not shown:
        return
    text = prompt(made, shown)
    yield Draft(made.kind, made.key, text, made.text, _TOKENS[level], CodeScorer(made))
