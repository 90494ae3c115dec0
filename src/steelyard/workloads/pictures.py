"""Pictures for a load: patches of colour in an order that no other picture has.

Nothing is asked of them, so that nothing is written on them; they are there to be encoded. Not
aware of engines or clocks.
"""

from __future__ import annotations

import random
from typing import Final

from steelyard.domain.task import Media
from steelyard.media import png
from steelyard.media.canvas import INKS, Canvas
from steelyard.media.samples import packed

_PATCH: Final = 16  # pixels
_INKS: Final = tuple(INKS)


def picture(draw: random.Random, width: int, height: int) -> Media:
    """Return a picture of this size; a cache finds none of them twice."""
    canvas = Canvas(width, height)
    for y in range(0, height, _PATCH):
        for x in range(0, width, _PATCH):
            canvas.box(x, y, _PATCH, _PATCH, draw.choice(_INKS))
    return packed("image", png.TYPE, png.encode(canvas))
