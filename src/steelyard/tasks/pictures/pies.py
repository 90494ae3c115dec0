"""Pie charts with a legend: how large a slice is, which is the largest, two slices together.

Level 1: four slices, in tenths. Level 2: five, in twentieths. Level 3: six, and two are added up.
"""

from __future__ import annotations

from math import cos, pi, sin
from random import Random
from typing import Final

from steelyard.media.canvas import Canvas
from steelyard.tasks.pictures import scene
from steelyard.tasks.pictures.scene import Asked, Scene

_SLICES: Final = {1: 4, 2: 5, 3: 6}
_UNIT: Final = {1: 10, 2: 5, 3: 5}  # per cent
_SUMS: Final = 3
_LARGEST: Final = 50  # per cent: what any number of slices leaves room for
_CENTRE: Final = (150, 168)
_RADIUS: Final = 130
# The rim at every hundredth, clockwise from the top. Rounding takes away what machines disagree on.
_RIM: Final = tuple(
    (
        _CENTRE[0] + round(_RADIUS * sin(2 * pi * part / 100)),
        _CENTRE[1] - round(_RADIUS * cos(2 * pi * part / 100)),
    )
    for part in range(101)
)


def make(rng: Random, level: int) -> Scene:
    """Draw names, shares and colours, and ask about them."""
    names = rng.sample(scene.FRUIT, _SLICES[level])
    # Of what share is asked is drawn first: left to chance, the smallest would be commonest.
    share = rng.randrange(_UNIT[level], _LARGEST + 1, _UNIT[level])
    shares = dict(zip(names, _shares(rng, len(names), _UNIT[level], share), strict=True))
    inks = rng.sample(scene.COLOURS, len(names))
    listed = rng.sample(names, len(names))  # else the legend would tell where the pie begins
    key = [f"{name} {share}" for name, share in shares.items()]
    return Scene(
        ("pie", *key),
        tuple(_asked(rng, shares, share, level)),
        lambda: _draw(shares, dict(zip(names, inks, strict=True)), listed),
    )


def _shares(rng: Random, count: int, unit: int, share: int) -> list[int]:
    """Return shares of 100, `share` among them; one is the largest, and one the smallest."""
    while True:
        cuts = sorted(rng.sample(range(1, 100 // unit), count - 1))
        shares = [unit * (b - a) for a, b in zip([0, *cuts], [*cuts, 100 // unit], strict=True)]
        inner = sorted(shares)
        if share in shares and inner[0] < inner[1] and inner[-1] > inner[-2]:
            return shares


def _asked(rng: Random, shares: dict[str, int], share: int, level: int) -> list[Asked]:
    told = f"All shares are whole multiples of {_UNIT[level]} %."
    name = rng.choice([each for each in shares if shares[each] == share])
    extreme = rng.choice(("largest", "smallest"))
    found = (max if extreme == "largest" else min)(shares, key=lambda each: shares[each])
    asked = [
        scene.number("pie_share", f"How many per cent is the share of {name}? {told}", share),
        scene.word("pie_extreme", f"Which share is the {extreme}?", found, list(shares)),
    ]
    if level == _SUMS:
        first, second = rng.sample(list(shares), 2)
        question = f"How many per cent are {first} and {second} together? {told}"
        asked.append(scene.number("pie_sum", question, shares[first] + shares[second]))
    return asked


def _draw(shares: dict[str, int], inks: dict[str, str], listed: list[str]) -> Canvas:
    canvas = Canvas(scene.WIDTH, scene.HEIGHT)
    begin = 0
    for name, share in shares.items():
        canvas.polygon([_CENTRE, *_RIM[begin : begin + share + 1]], inks[name])
        begin += share
    begin = 0
    for share in shares.values():
        canvas.stroke(_CENTRE, _RIM[begin], 3, "white")
        begin += share
    top = _CENTRE[1] - len(listed) * 16
    for place, name in enumerate(listed):
        row = top + place * 32
        canvas.box(312, row, 18, 18, inks[name])
        canvas.text(338, row + 2, name)
    return canvas
