"""A canvas of named inks, and the few shapes that pictures with known answers need.

All arithmetic is in whole numbers and nothing is smoothed, so that every pixel is the same on every
machine. Coordinates are pixels from the top left corner. Filling: scan lines through the middles of
pixels, and a pixel is inside where its middle is. Not aware of what a picture shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from typing import Final, TypeAlias, final

from steelyard.media.glyphs import ADVANCE, GLYPHS, HEIGHT, WIDTH, width

Rgb: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[int, int]

# Far enough apart in hue and in brightness that nobody with full sight takes one for another.
INKS: Final[dict[str, Rgb]] = {
    "white": (255, 255, 255),
    "red": (214, 30, 40),
    "blue": (30, 80, 210),
    "green": (20, 140, 60),
    "yellow": (250, 215, 30),
    "orange": (255, 135, 0),
    "purple": (125, 45, 165),
    "pink": (255, 130, 190),
    "black": (0, 0, 0),
    "text": (25, 25, 25),
    "grid": (205, 205, 205),
    "faint": (165, 165, 165),
}
_NUMBERS: Final = {name: number for number, name in enumerate(INKS)}
# What takes a number back to one part of its colour: for red, for green, for blue.
_TABLES: Final = tuple(
    bytes(rgb[part] for rgb in INKS.values()) + bytes(256 - len(INKS)) for part in range(3)
)


@final
class Canvas:
    """Pixels, each of one ink."""

    def __init__(self, width: int, height: int, ground: str = "white") -> None:
        self.width, self.height = width, height
        self._pixels = bytearray([_NUMBERS[ground]]) * (width * height)

    def rgb(self) -> bytes:
        """Return three bytes a pixel, row by row from above."""
        whole = bytearray(3 * len(self._pixels))
        for part, table in enumerate(_TABLES):
            whole[part::3] = self._pixels.translate(table)
        return bytes(whole)

    def box(self, x: int, y: int, wide: int, high: int, ink: str) -> None:
        """Fill a rectangle; what lies outside the canvas is left out."""
        for row in range(y, y + high):
            self._span(x, x + wide, row, _NUMBERS[ink])

    def disc(self, x: int, y: int, radius: int, ink: str) -> None:
        """Fill a circle around a pixel."""
        for row in range(-radius, radius + 1):
            half = isqrt(radius * radius - row * row)
            self._span(x - half, x + half + 1, y + row, _NUMBERS[ink])

    def polygon(self, corners: Sequence[Point], ink: str) -> None:
        """Fill what the corners enclose, by the even-odd rule."""
        rows = [y for _, y in corners]
        for row in range(min(rows), max(rows)):
            middle = 2 * row + 1
            cuts = sorted(
                # The first pixel whose middle is right of where the edge crosses.
                -(
                    -(2 * x1 * (y2 - y1) + (middle - 2 * y1) * (x2 - x1) - (y2 - y1))
                    // (2 * (y2 - y1))
                )
                for (x1, y1), (x2, y2) in map(_downwards, pairwise([*corners, corners[0]]))
                if 2 * y1 < middle < 2 * y2
            )
            for left, right in zip(cuts[::2], cuts[1::2], strict=True):
                self._span(left, right, row, _NUMBERS[ink])

    def stroke(self, start: Point, end: Point, thick: int, ink: str) -> None:
        """Draw a line of squares, `thick` pixels a side."""
        (x1, y1), (x2, y2) = start, end
        steps = max(abs(x2 - x1), abs(y2 - y1), 1)
        for step in range(steps + 1):
            x = x1 + (2 * (x2 - x1) * step + steps) // (2 * steps)
            y = y1 + (2 * (y2 - y1) * step + steps) // (2 * steps)
            self.box(x - thick // 2, y - thick // 2, thick, thick, ink)

    def text(self, x: int, y: int, words: str, ink: str = "text", scale: int = 2) -> None:
        """Write a line whose top left corner this is, each dot `scale` pixels a side."""
        for place, letter in enumerate(words):
            left = x + place * ADVANCE * scale
            for row in range(HEIGHT):
                bits = GLYPHS[letter][row]
                for column in range(WIDTH):
                    if bits >> (WIDTH - 1 - column) & 1:
                        self.box(left + column * scale, y + row * scale, scale, scale, ink)

    def centred(self, x: int, y: int, words: str, ink: str = "text", scale: int = 2) -> None:
        """Write a line around the column `x`."""
        self.text(x - width(words, scale) // 2, y, words, ink, scale)

    def _span(self, left: int, right: int, row: int, ink: int) -> None:
        left, right = max(left, 0), min(right, self.width)
        if 0 <= row < self.height and left < right:
            at = row * self.width
            self._pixels[at + left : at + right] = bytes([ink]) * (right - left)


def _downwards(edge: tuple[Point, Point]) -> tuple[Point, Point]:
    first, second = edge
    return (first, second) if first[1] <= second[1] else (second, first)
