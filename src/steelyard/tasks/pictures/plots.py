"""The frame of bar and line charts: a scale from 0 to 100, grid lines, labels, a legend.

Not aware of what is plotted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from steelyard.media.canvas import Canvas
from steelyard.media.glyphs import ADVANCE, width
from steelyard.tasks.pictures import scene

LEFT: Final = 52
RIGHT: Final = scene.WIDTH - 12
FLOOR: Final = 290  # where the value 0 lies
TALL: Final = 250  # pixels from 0 to 100
_SCALE: Final = 2
_HALF_LETTER: Final = 7


def height(value: int) -> int:
    """Return the row on which a value from 0 to 100 lies."""
    return FLOOR - value * TALL // 100


def middle(place: int, places: int) -> int:
    """Return the column in the middle of a place, counted from the left."""
    return LEFT + (2 * place + 1) * (RIGHT - LEFT) // (2 * places)


def frame(labels: Sequence[str], step: int, legend: Sequence[tuple[str, str]] = ()) -> Canvas:
    """Return a canvas with axes, a grid line every `step`, and a legend of names and inks."""
    canvas = Canvas(scene.WIDTH, scene.HEIGHT)
    for value in range(0, 101, step):
        row = height(value)
        canvas.box(LEFT, row, RIGHT - LEFT, 1, "grid")
        written = str(value)
        left = LEFT - 8 - width(written, _SCALE)
        canvas.text(left, row - _HALF_LETTER, written, scale=_SCALE)
    canvas.box(LEFT - 2, height(100), 2, TALL + 2, "text")
    canvas.box(LEFT - 2, FLOOR, RIGHT - LEFT + 2, 2, "text")
    for place, label in enumerate(labels):
        canvas.centred(middle(place, len(labels)), FLOOR + 10, label, scale=_SCALE)
    left = LEFT
    for name, ink in legend:
        canvas.box(left, 8, 14, 14, ink)
        canvas.text(left + 20, 8, name, scale=_SCALE)
        left += 20 + (len(name) + 3) * ADVANCE * _SCALE
    return canvas
