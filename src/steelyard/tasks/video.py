"""Films: which colour comes when, how often a shape appears, which way it moves; from the seed.

Two frames a second, and nothing lasts less than two seconds, so that an engine which looks at one
frame a second misses nothing. The frames are drawn when the question is put. Level 1: three scenes
or one way; level 2: five scenes or two ways; level 3: seven scenes or three ways.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Final, TypeAlias, final

from steelyard.domain.task import Media
from steelyard.media import mov, png
from steelyard.media.canvas import Canvas
from steelyard.media.samples import packed
from steelyard.tasks.items import Cluster, Draft, alone
from steelyard.tasks.pictures import scene
from steelyard.tasks.pictures.scene import Asked

_WIDE: Final = 224
_HIGH: Final = 168
_A_SECOND: Final = 2
_LASTS: Final = 4  # frames
_ORDER: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
_SCENES: Final = {1: 3, 2: 5, 3: 7}
_WAYS: Final = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
_MOST: Final = {1: 4, 2: 6, 3: 8}
_RADIUS: Final = 22

# What a frame shows: the ground, and the ink and middle of a disc where there is one.
Frame: TypeAlias = tuple[str, str, int, int]


@final
class Video:
    """The family behind `video`."""

    name: Final = "video"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return the kinds of films, the same at every level."""
        return ("order", "count", "way")

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Make one film, and ask about it."""
        frames, asked = {"order": _order, "count": _count, "way": _way}[kind](rng, level)
        key = (asked.prompt, *(" ".join(map(str, frame)) for frame in frames))
        show = cache(lambda: (_film(frames),))
        return alone(Draft(kind, key, asked.prompt, asked.answer, 24, asked.scorer, show=show))


def _order(rng: Random, level: int) -> tuple[list[Frame], Asked]:
    inks = rng.sample(scene.COLOURS, _SCENES[level])
    at = rng.randrange(len(inks))
    frames = [(ink, "", 0, 0) for ink in inks for _ in range(_LASTS)]
    question = f"The screen has one colour after another. Which colour comes {_ORDER[at]}?"
    return frames, scene.word("order", question, inks[at], scene.COLOURS)


def _count(rng: Random, level: int) -> tuple[list[Frame], Asked]:
    count, ink = rng.randint(1, _MOST[level]), rng.choice(scene.COLOURS)
    empty = [("white", "", 0, 0)] * _LASTS
    frames = [*empty]
    for _ in range(count):
        x, y = rng.randrange(40, _WIDE - 40, 4), rng.randrange(40, _HIGH - 40, 4)
        frames += [("white", ink, x, y)] * _LASTS + empty
    return frames, scene.number("count", f"How many times does a {ink} circle appear?", count)


def _way(rng: Random, level: int) -> tuple[list[Frame], Asked]:
    ink = rng.choice(scene.COLOURS)
    ways = [rng.choice(list(_WAYS)) for _ in range(level)]
    frames: list[Frame] = []
    for way in ways:
        right, down = _WAYS[way]
        reach = rng.randrange(40, 80, 2) if right else rng.randrange(36, 56, 2)
        x, y = rng.randrange(84, 140, 2), rng.randrange(60, 108, 2)
        begin = x - right * reach, y - down * reach
        frames += [("white", "", 0, 0)] * _LASTS
        for step in range(2 * _LASTS + 1):
            gone = 2 * reach * step // (2 * _LASTS)
            frames.append(("white", ink, begin[0] + right * gone, begin[1] + down * gone))
    at = rng.randrange(level)
    options = tuple(_WAYS)
    which = "" if level == 1 else f" the {_ORDER[at]} time"
    question = f"Which way does the {ink} circle move{which}: {', '.join(options[:-1])} or "
    return frames, scene.word("way", f"{question}{options[-1]}?", ways[at], options)


def _film(frames: list[Frame]) -> Media:
    drawn = {frame: png.encode(_draw(frame)) for frame in dict.fromkeys(frames)}
    film = mov.encode([drawn[frame] for frame in frames], _WIDE, _HIGH, a_second=_A_SECOND)
    return packed("video", mov.TYPE, film)


def _draw(frame: Frame) -> Canvas:
    ground, ink, x, y = frame
    canvas = Canvas(_WIDE, _HIGH, ground)
    if ink:
        canvas.disc(x, y, _RADIUS, ink)
    return canvas
