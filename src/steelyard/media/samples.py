"""One small sample of each kind of media, to see whether a server takes it at all."""

from __future__ import annotations

import base64
from typing import Final, Literal, TypeAlias, assert_never

from steelyard.domain.task import Media
from steelyard.media import mov, png, wav
from steelyard.media.canvas import Canvas

Kind: TypeAlias = Literal["image", "audio", "video"]

SIDE: Final = 112  # what the encoders of all models take: whole patches of 14 or of 16
_FRAMES: Final = 4


def sample(kind: Kind) -> Media:
    """Return a red square, half a second of a tone, or a film of two seconds."""
    match kind:
        case "image":
            return packed(kind, png.TYPE, _square("red"))
        case "audio":
            return packed(kind, wav.TYPE, wav.encode(wav.tone(440, 500)))
        case "video":
            frames = [_square("red")] * _FRAMES
            return packed(kind, mov.TYPE, mov.encode(frames, SIDE, SIDE, a_second=2))
        case _:
            assert_never(kind)


def packed(kind: Kind, form: str, data: bytes) -> Media:
    """Return the bytes of a file as they are sent."""
    return Media(kind, form, base64.b64encode(data).decode())


def _square(ink: str) -> bytes:
    return png.encode(Canvas(SIDE, SIDE, ink))
