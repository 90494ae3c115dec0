"""Tables as pictures: what stands in a cell, which row has most, what a column adds up to.

Level 1: three rows, two columns. Level 2: five and three. Level 3: seven and four, without rules
between the rows.
"""

from __future__ import annotations

from random import Random
from typing import Final

from steelyard.media.canvas import Canvas
from steelyard.media.glyphs import width
from steelyard.tasks.pictures import scene
from steelyard.tasks.pictures.scene import Asked, Scene

_ROWS: Final = {1: 3, 2: 5, 3: 7}
_COLUMNS: Final = {1: 2, 2: 3, 3: 4}
_HEADS: Final = ("Size", "Age", "Cost", "Rate", "Load", "Rank")
_UNRULED: Final = 3
_FIRST: Final = 96  # pixels of the column of names
_LINE: Final = 36
_TOP: Final = 20


def make(rng: Random, level: int) -> Scene:
    """Draw names, heads and numbers, and ask about them."""
    names = rng.sample(scene.FRUIT, _ROWS[level])
    heads = rng.sample(_HEADS, _COLUMNS[level])
    columns = {head: rng.sample(range(11, 99 if level == 1 else 900), len(names)) for head in heads}
    key = [f"{head} {columns[head]}" for head in heads]
    return Scene(
        ("table", *names, *key),
        tuple(_asked(rng, names, columns, level)),
        lambda: _draw(names, columns, ruled=level != _UNRULED),
    )


def _asked(rng: Random, names: list[str], columns: dict[str, list[int]], level: int) -> list[Asked]:
    head = rng.choice(list(columns))
    numbers = columns[head]
    at = rng.randrange(len(names))
    extreme = rng.choice(("largest", "smallest"))
    found = names[numbers.index((max if extreme == "largest" else min)(numbers))]
    asked = [
        scene.number("cell", f"What is the {head} of {names[at]}?", numbers[at]),
        scene.word("row_extreme", f"Which row has the {extreme} {head}?", found, names),
    ]
    if level > 1:
        first, second = rng.sample(range(len(names)), 2)
        question = f"What do the {head} of {names[first]} and of {names[second]} add up to?"
        asked.append(scene.number("cell_sum", question, numbers[first] + numbers[second]))
    return asked


def _draw(names: list[str], columns: dict[str, list[int]], *, ruled: bool) -> Canvas:
    wide = (scene.WIDTH - 40 - _FIRST) // len(columns)
    whole = _FIRST + wide * len(columns)
    canvas = Canvas(scene.WIDTH, scene.HEIGHT)
    canvas.box(20, _TOP, whole, _LINE, "grid")
    canvas.text(28, _TOP + 10, "Name")
    for place, (head, numbers) in enumerate(columns.items()):
        right = 20 + _FIRST + (place + 1) * wide - 10
        for row, written in enumerate([head, *map(str, numbers)]):
            canvas.text(right - width(written, 2), _TOP + row * _LINE + 10, written)
    for row, name in enumerate(names, 1):
        canvas.text(28, _TOP + row * _LINE + 10, name)
    for row in range(len(names) + 2) if ruled else (0, 1, len(names) + 1):
        canvas.box(20, _TOP + row * _LINE, whole, 1, "faint")
    return canvas
