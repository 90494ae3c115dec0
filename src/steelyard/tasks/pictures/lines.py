"""Line charts: what a point says, where the line rises most, how often one is above the other.

Level 1: one line whose points lie on grid lines. Level 2: some lie half-way between two. Level 3:
two lines, told apart by a legend.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Final

from steelyard.media.canvas import Canvas
from steelyard.tasks.pictures import plots, scene
from steelyard.tasks.pictures.scene import Asked, Scene

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_NAMES: Final = ("Alpha", "Beta", "Gamma", "Delta")
_POINTS: Final = 6
_TWO_LINES: Final = 3
_STEP: Final = 10


def make(rng: Random, level: int) -> Scene:
    """Draw months and values, and ask about them."""
    begin = rng.randrange(len(_MONTHS) - _POINTS + 1)
    months = _MONTHS[begin : begin + _POINTS]
    step = _STEP if level == 1 else _STEP // 2
    names = rng.sample(_NAMES, 2 if level == _TWO_LINES else 1)
    if level == _TWO_LINES:
        # How often one is above the other is drawn first: left to chance, half would be commonest.
        above = rng.sample(range(_POINTS), rng.randrange(_POINTS + 1))
        pairs = [sorted(rng.sample(range(0, 101, step), 2)) for _ in months]
        lines = [[pair[place in above] for place, pair in enumerate(pairs)]]
        lines.append([pair[place not in above] for place, pair in enumerate(pairs)])
    else:
        lines = [_one_steepest(rng, step)]
    values = dict(zip(names, lines, strict=True))
    inks = rng.sample(("red", "blue", "green", "purple", "black"), len(names))
    key = [f"{name} {line}" for name, line in values.items()]
    return Scene(
        ("lines", months[0], *key),
        tuple(_asked(rng, months, values, step)),
        lambda: _draw(months, values, inks),
    )


def _one_steepest(rng: Random, step: int) -> list[int]:
    """Return a line that rises most between two points, and nowhere else as much."""
    while True:
        line = [rng.randrange(0, 101, step) for _ in range(_POINTS)]
        rises = sorted(later - earlier for earlier, later in pairwise(line))
        if rises[-1] > 0 and rises[-1] > rises[-2]:
            return line


def _asked(
    rng: Random, months: tuple[str, ...], values: dict[str, list[int]], step: int
) -> list[Asked]:
    told = f"All values are whole multiples of {step}."
    name = rng.choice(list(values))
    line = values[name]
    at = rng.randrange(_POINTS)
    if len(values) > 1:
        other = next(each for each in values if each != name)
        above = sum(mine > theirs for mine, theirs in zip(line, values[other], strict=True))
        return [
            scene.number(
                "line_value", f"What is the value of {name} in {months[at]}? {told}", line[at]
            ),
            scene.number("line_above", f"In how many months is {name} above {other}?", above),
        ]
    rises = [later - earlier for earlier, later in pairwise(line)]
    steepest = months[rises.index(max(rises)) + 1]
    rise = "In which month is the rise from the month before the largest?"
    return [
        scene.number("line_value", f"What is the value in {months[at]}? {told}", line[at]),
        scene.word("line_rise", rise, steepest, months),
    ]


def _draw(months: tuple[str, ...], values: dict[str, list[int]], inks: list[str]) -> Canvas:
    legend = list(zip(values, inks, strict=True)) if len(values) > 1 else []
    canvas = plots.frame(months, _STEP, legend)
    for line, ink in zip(values.values(), inks, strict=True):
        points = [(plots.middle(at, _POINTS), plots.height(value)) for at, value in enumerate(line)]
        for start, end in pairwise(points):
            canvas.stroke(start, end, 3, ink)
        for x, y in points:
            canvas.disc(x, y, 6, ink)
    return canvas
