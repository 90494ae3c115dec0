"""WAV: the file of a sound, written with the standard library. Tones are triangle waves.

Sixteen bits, one channel, 16,000 samples a second, which is what speech models are fed. A triangle
needs no sine, so that every sample is the same on every machine.
"""

from __future__ import annotations

import io
import struct
import wave
from typing import Final

TYPE: Final = "audio/wav"
RATE: Final = 16_000
_LOUD: Final = 12_000
_FADE: Final = RATE // 200  # five milliseconds, so that no tone begins with a click


def tone(hertz: int, milliseconds: int) -> list[int]:
    """Return the samples of a tone."""
    count = RATE * milliseconds // 1000
    return [_triangle(at * hertz % RATE) * _gain(at, count) // _FADE for at in range(count)]


def silence(milliseconds: int) -> list[int]:
    """Return the samples of a pause."""
    return [0] * (RATE * milliseconds // 1000)


def encode(samples: list[int]) -> bytes:
    """Return the file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return out.getvalue()


def _triangle(phase: int) -> int:
    """Return the height at a phase that runs from 0 to the sample rate."""
    return _LOUD * (4 * min(phase, RATE - phase) - RATE) // RATE


def _gain(at: int, count: int) -> int:
    return min(at, count - 1 - at, _FADE)
