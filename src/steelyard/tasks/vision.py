"""Pictures: charts, shapes, tables and written lines, drawn from the seed with known answers.

The questions about one picture are one cluster. What is true in it is drawn at once, its pixels
only when the question is put: an item's id says nothing of a file. Levels make the pictures fuller
and what is asked two steps long; each kind of picture has its own (`tasks.pictures`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Final, final

from steelyard.media import png
from steelyard.media.samples import packed
from steelyard.tasks.items import Cluster, Draft
from steelyard.tasks.pictures import bars, lines, pies, shapes, tables, writing
from steelyard.tasks.pictures.scene import Scene

_ROOM: Final = {1: 24, 2: 64, 3: 64}  # tokens
_MAKERS: Final[Mapping[str, Callable[[Random, int], Scene]]] = {
    "bars": bars.make,
    "lines": lines.make,
    "pie": pies.make,
    "shapes": shapes.make,
    "table": tables.make,
    "writing": writing.make,
}


@final
class Vision:
    """The family behind `vision`."""

    name: Final = "vision"
    revision: Final = 1
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return the kinds of pictures, the same at every level."""
        return tuple(_MAKERS)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Draw one scene, and ask about it."""
        scene = _MAKERS[kind](rng, level)
        show = cache(lambda: (packed("image", png.TYPE, png.encode(scene.draw())),))
        drafts = (
            Draft(
                f"{kind}/{asked.kind}",
                (*scene.key, asked.prompt),
                asked.prompt,
                asked.answer,
                _ROOM[level],
                asked.scorer,
                show=show,
            )
            for asked in scene.asked
        )
        return Cluster(scene.key, tuple(drafts))
