"""Bar charts: what one bar says, which is the highest, how far two are apart.

Level 1: four bars whose tops lie on grid lines. Level 2: five, some half-way between two. Level 3:
two sets of bars side by side, told apart by a legend.
"""

from __future__ import annotations

from random import Random
from typing import Final

from steelyard.media.canvas import Canvas
from steelyard.tasks.pictures import plots, scene
from steelyard.tasks.pictures.scene import Asked, Scene

_SETS: Final = ("North", "South", "East", "West")
_TWO_SETS: Final = 3
_BARS: Final = {1: 4, 2: 5, 3: 4}
_STEP: Final = 10


def make(rng: Random, level: int) -> Scene:
    """Draw names and values, and ask about them."""
    names = rng.sample(scene.FRUIT, _BARS[level])
    fine = 1 if level == 1 else 2
    sets = rng.sample(_SETS, 2 if level == _TWO_SETS else 1)
    # No two bars of a set are alike, so that one is the highest.
    values = {
        each: dict(
            zip(
                names, rng.sample(range(_STEP // fine, 101, _STEP // fine), len(names)), strict=True
            )
        )
        for each in sets
    }
    inks = rng.sample(scene.COLOURS, len(sets))
    key = tuple(f"{s} {name} {value}" for s, bars in values.items() for name, value in bars.items())
    return Scene(
        ("bars", *key), tuple(_asked(rng, values, level)), lambda: _draw(names, values, inks)
    )


def _asked(rng: Random, values: dict[str, dict[str, int]], level: int) -> list[Asked]:
    one = rng.choice(list(values))
    bars = values[one]
    # Which of two sets is meant must be said; of one there is nothing to tell apart.
    of = f" of {one}" if len(values) > 1 else ""
    name = rng.choice(list(bars))
    told = f"All values are whole multiples of {_STEP if level == 1 else _STEP // 2}."
    first, second = sorted(rng.sample(list(bars), 2), key=lambda each: -bars[each])
    extreme = rng.choice(("highest", "lowest"))
    found = (max if extreme == "highest" else min)(bars, key=lambda each: bars[each])
    asked = [
        scene.number("bar_value", f"What is the value of the bar {name}{of}? {told}", bars[name]),
        scene.word("bar_extreme", f"Which bar{of} is the {extreme}?", found, list(bars)),
    ]
    if level > 1:
        question = f"By how much is the bar {first}{of} higher than the bar {second}{of}? {told}"
        asked.append(scene.number("bar_difference", question, bars[first] - bars[second]))
    return asked


def _draw(names: list[str], values: dict[str, dict[str, int]], inks: list[str]) -> Canvas:
    legend = list(zip(values, inks, strict=True)) if len(values) > 1 else []
    canvas = plots.frame(names, _STEP, legend)
    wide = 44 // len(values)
    for place, name in enumerate(names):
        left = plots.middle(place, len(names)) - wide * len(values) // 2
        for number, bars in enumerate(values.values()):
            top = plots.height(bars[name])
            canvas.box(left + number * wide, top, wide - 2, plots.FLOOR - top, inks[number])
    return canvas
