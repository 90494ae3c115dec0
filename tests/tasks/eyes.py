"""A second solver of pictures: it has the file and the question, and reads pixels.

Nothing of how a picture was drawn is used, save the shapes of the letters: bars are measured,
slices counted, letters matched.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelyard.media.glyphs import GLYPHS, HEIGHT, WIDTH

Pixels = npt.NDArray[np.int64]
NAMED = {
    "red": (214, 30, 40), "blue": (30, 80, 210), "green": (20, 140, 60), "yellow": (250, 215, 30),
    "orange": (255, 135, 0), "purple": (125, 45, 165), "pink": (255, 130, 190), "black": (0, 0, 0),
}  # fmt: skip
WRITTEN = (25, 25, 25)
_CODES = {
    sum(row << WIDTH * (HEIGHT - 1 - at) for at, row in enumerate(rows)): letter
    for letter, rows in GLYPHS.items()
    if letter != " "
}


@dataclass(frozen=True, eq=False)
class Picture:
    """What is looked at, often more than once."""

    pixels: Pixels


class Word(NamedTuple):
    """Letters without a gap: the text, and where its box begins and ends."""

    text: str
    x: int
    y: int
    right: int

    @property
    def middle(self) -> float:
        return (self.x + self.right) / 2


@lru_cache(4)
def opened(data: bytes) -> Picture:
    """Return a picture, the same for the same file."""
    return Picture(decode(data))


def decode(data: bytes) -> Pixels:
    """Return rows of pixels, each as one number 0xRRGGBB."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, size = 8, b"", (0, 0)
    while at < len(data):
        (length,), name = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(name + body)
        if name == b"IHDR":
            size = struct.unpack(">II", body[:8])
            assert body[8:] == b"\x08\x02\0\0\0"
        elif name == b"IDAT":
            packed += body
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(size[1], 1 + 3 * size[0])
    assert not rows[:, 0].any()
    parts = rows[:, 1:].reshape(size[1], size[0], 3).astype(np.int64)
    return parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]


def where(pixels: Pixels, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    red, green, blue = colour
    return np.equal(pixels, red << 16 | green << 8 | blue)


@lru_cache(8)
def words(picture: Picture, scale: int) -> list[Word]:
    """Read all words of letters whose dots are so large, line by line from above."""
    mask = where(picture.pixels, WRITTEN)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    above, before = int(rows[0]), int(columns[0])
    edge = scale * (HEIGHT + 1)
    ink = np.pad(mask[above : rows[-1] + 1, before : columns[-1] + 1], edge)
    found: list[tuple[int, int, str]] = []
    for down in range(scale):
        for right in range(scale):
            blocks = ink[down:, right:]
            high, wide = blocks.shape[0] // scale, blocks.shape[1] // scale
            dots = blocks[: high * scale, : wide * scale].reshape(high, scale, wide, scale)
            full: Pixels = np.asarray(dots.all(axis=(1, 3)), np.int64)
            whole = (full == dots.any(axis=(1, 3))).astype(bool)
            line: Pixels = np.zeros((high, wide - WIDTH), np.int64)
            for at in range(WIDTH):
                line += full[:, at : wide - WIDTH + at] << (WIDTH - 1 - at)
            code: Pixels = np.zeros((high - HEIGHT, wide - WIDTH), np.int64)
            for at in range(HEIGHT):
                code += line[at : high - HEIGHT + at] << WIDTH * (HEIGHT - 1 - at)
            for y, x in np.argwhere(np.isin(code, list(_CODES))):
                around = full[y : y + HEIGHT, [x - 1, min(x + WIDTH, wide - 1)]]
                if whole[y : y + HEIGHT, x : x + WIDTH].all() and not around.any():
                    place = (
                        int(y) * scale + down - edge + above,
                        int(x) * scale + right - edge + before,
                    )
                    found.append((*place, _CODES[int(code[y, x])]))
    return _joined(sorted(found), scale)


def _joined(letters: list[tuple[int, int, str]], scale: int) -> list[Word]:
    made: list[Word] = []
    for y, x, letter in letters:
        last = made[-1] if made else None
        if last is not None and last.y == y and x - last.right <= scale * 2:
            made[-1] = Word(last.text + letter, last.x, y, x + WIDTH * scale)
        else:
            made.append(Word(letter, x, y, x + WIDTH * scale))
    return made


def solve(kind: str, data: bytes, question: str) -> str:
    """Answer a question about a picture."""
    return {
        "bars": _bars, "lines": _lines, "pie": _pie, "shapes": _shapes, "table": _table,
        "writing": _writing,
    }[kind.partition("/")[0]](opened(data), question)  # fmt: skip


# ── charts ──────────────────────────────────────────────────────────────────────────────────────


def _scale_of(read: list[Word]) -> tuple[float, float]:
    """Return the row of 0 and the pixels of one unit, by the numbers beside the axis."""
    ticks = {int(w.text): w.y for w in read if w.text.isdigit() and w.x < 50}
    unit = (ticks[0] - ticks[100]) / 100
    return ticks[0] + 7.0, unit


def _legend(pixels: Pixels, read: list[Word], beside: int) -> dict[str, str]:
    """Return the colour of each name that stands right of a patch of it."""
    found = {}
    for word in read:
        patch = pixels[word.y + 7, word.x - beside]
        for colour, (red, green, blue) in NAMED.items():
            if patch == red << 16 | green << 8 | blue:
                found[word.text] = colour
    return found


def _labels(read: list[Word]) -> dict[str, float]:
    return {w.text: w.middle for w in read if w.y > 292}


def _values(picture: Picture, ask: str, step: int) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Return the values by set (one is nameless) and by label, and the labels from the left."""
    pixels, read = picture.pixels, words(picture, 2)
    floor, unit = _scale_of(read)
    legend = _legend(pixels, [w for w in read if w.y < 20], 13)
    labels = _labels(read)
    values: dict[str, dict[str, int]] = {}
    for colour, rgb in NAMED.items():
        mask = where(pixels, rgb)
        mask[:30] = False
        name = next((each for each, ink in legend.items() if ink == colour), "")
        if not mask.any() or (legend and not name):
            continue
        values[name] = {}
        for label, x in labels.items():
            near = mask[:, int(x) - 24 : int(x) + 25]
            rows = np.flatnonzero(near.any(axis=1))
            top = float(rows[0])
            if ask == "lines":
                column = mask[:, round(x)]
                # The marker is the thickest there is around the column.
                wide = mask[:, round(x) - 6 : round(x) + 7].sum(axis=1) * column
                best = np.flatnonzero(wide == wide.max())
                top = float(best.mean())
            values[name][label] = round((floor - top) / unit / step) * step
    return values, sorted(labels, key=lambda each: labels[each])


def _step(question: str) -> int:
    told = re.search(r"multiples of (\d+)", question)
    return int(told[1]) if told else 5


def _bars(picture: Picture, question: str) -> str:
    values, _ = _values(picture, "bars", _step(question))
    of = re.search(r" of (North|South|East|West)", question)
    bars = values[of[1] if of else ""]
    if (asked := re.search(r"value of the bar (\w+)", question)) is not None:
        return str(bars[asked[1]])
    if (asked := re.search(r"is the bar (\w+).* than the bar (\w+)", question)) is not None:
        return str(bars[asked[1]] - bars[asked[2]])
    return (max if "highest" in question else min)(bars, key=lambda each: bars[each])


def _lines(picture: Picture, question: str) -> str:
    values, months = _values(picture, "lines", _step(question))
    if (asked := re.search(r"value (?:of (\w+) )?in (\w+)\?", question)) is not None:
        return str(values[asked[1] or ""][asked[2]])
    if (asked := re.search(r"is (\w+) above (\w+)\?", question)) is not None:
        return str(sum(values[asked[1]][m] > values[asked[2]][m] for m in months))
    line = values[""]
    rises = {m: line[m] - line[b] for b, m in pairwise(months)}
    return max(rises, key=lambda each: rises[each])


def _pie(picture: Picture, question: str) -> str:
    legend = _legend(picture.pixels, words(picture, 2), 15)
    disc = picture.pixels[:, :300]
    area = {name: int(where(disc, NAMED[ink]).sum()) for name, ink in legend.items()}
    step = _step(question)
    share = {n: round(100 * a / sum(area.values()) / step) * step for n, a in area.items()}
    if (asked := re.search(r"share of (\w+)\?", question)) is not None:
        return str(share[asked[1]])
    if (asked := re.search(r"are (\w+) and (\w+) together", question)) is not None:
        return str(share[asked[1]] + share[asked[2]])
    return (max if "largest" in question else min)(area, key=lambda each: area[each])


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────


class Seen(NamedTuple):
    """A shape that was made out: its colour, its form, its middle."""

    colour: str
    form: str
    x: float
    y: float


@lru_cache(4)
def _made_out(picture: Picture) -> list[Seen]:
    found = []
    for colour, rgb in NAMED.items():
        left = where(picture.pixels, rgb)
        while left.any():
            y, x = np.argwhere(left)[0]
            # No shape is larger than a cell of the coarsest grid.
            near = (slice(int(y), int(y) + 112), slice(max(int(x) - 112, 0), int(x) + 112))
            part = np.zeros_like(left)
            part[near] = _flooded(left[near], 0, int(x) - near[1].start)
            left &= ~part
            rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
            box = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            middle = float(columns.mean()), float(rows.mean())
            found.append(Seen(colour, _form(box), *middle))
    return found


def _flooded(mask: npt.NDArray[np.bool_], y: int, x: int) -> npt.NDArray[np.bool_]:
    """Return what hangs together with a pixel, grown until nothing is added."""
    part = np.zeros_like(mask)
    part[y, x] = True
    while True:
        grown = part.copy()
        grown[1:] |= part[:-1]
        grown[:-1] |= part[1:]
        grown[:, 1:] |= part[:, :-1]
        grown[:, :-1] |= part[:, 1:]
        grown &= mask
        if (grown == part).all():
            return part
        part = grown


def _form(box: npt.NDArray[np.bool_]) -> str:
    full = box.mean()
    if full > 0.95:
        return "square"
    if full > 0.7:
        return "circle"
    return "triangle" if box[-1].mean() > 0.9 else "cross"


def _shapes(picture: Picture, question: str) -> str:
    seen = _made_out(picture)
    asked = re.search(
        r"directly (to the right of|to the left of|above|below) the (\w+) (\w+)\?", question
    )
    if asked is not None:
        (one,) = (s for s in seen if (s.colour, s.form) == (asked[2], asked[3]))
        right, down = {"to the right of": (1, 0), "to the left of": (-1, 0), "above": (0, -1)}.get(
            asked[1], (0, 1)
        )
        beside = [
            s
            for s in seen
            if (s.x - one.x) * right + (s.y - one.y) * down > 20
            and abs((s.x - one.x) * down + (s.y - one.y) * right) < 20
        ]
        other = min(beside, key=lambda s: abs(s.x - one.x) + abs(s.y - one.y))
        return other.colour if "What colour" in question else other.form
    if (asked := re.search(r"How many shapes are (\w+)\?", question)) is not None:
        return str(sum(s.colour == asked[1] for s in seen))
    asked = re.search(r"How many (?:(\w+) )?(\w+?)(?:es|s) are there", question)
    assert asked is not None
    form = {"cross": "cross", "circl": "circle", "squar": "square", "triangl": "triangle"}
    wanted = form.get(asked[2], asked[2])
    return str(sum(s.form == wanted and s.colour in (asked[1] or s.colour) for s in seen))


# ── written ─────────────────────────────────────────────────────────────────────────────────────


def _table(picture: Picture, question: str) -> str:
    read = words(picture, 2)
    rows: dict[int, list[Word]] = {}
    for word in read:
        rows.setdefault(word.y, []).append(word)
    head, *body = (sorted(rows[y], key=lambda w: w.x) for y in sorted(rows))
    heads = [w.text for w in head[1:]]
    cells = {r[0].text: dict(zip(heads, (int(w.text) for w in r[1:]), strict=True)) for r in body}
    if (asked := re.search(r"is the (\w+) of (\w+)\?", question)) is not None:
        return str(cells[asked[2]][asked[1]])
    if (asked := re.search(r"do the (\w+) of (\w+) and of (\w+)", question)) is not None:
        return str(cells[asked[2]][asked[1]] + cells[asked[3]][asked[1]])
    asked = re.search(r"has the (largest|smallest) (\w+)\?", question)
    assert asked is not None
    column = asked[2]
    return (max if asked[1] == "largest" else min)(cells, key=lambda name: cells[name][column])


def _writing(picture: Picture, question: str) -> str:
    asked = re.search(r"behind (\w+)\?", question)
    if asked is None:
        (code,) = words(picture, 8)
        return code.text
    for scale in (2, 3):
        read = words(picture, scale)
        for word in read:
            if word.text == f"{asked[1]}:":
                after = [w for w in read if w.y == word.y and w.x > word.right]
                return min(after, key=lambda w: w.x).text
    raise AssertionError(question)
