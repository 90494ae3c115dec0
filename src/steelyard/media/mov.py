"""A QuickTime film whose frames are PNG files: lossless, no codec needed to write it.

What ffmpeg decodes, and with it what engines sample films by; the header says how many frames there
are. Format: Apple's QuickTime file format specification; atoms are named as there.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

TYPE: Final = "video/quicktime"
_UNITY: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SHORT: Final = 0x7FFF  # a language that is none


def encode(frames: Sequence[bytes], width: int, height: int, *, a_second: int) -> bytes:
    """Return the file of these PNG frames, each shown equally long."""
    head = _atom(b"ftyp", b"qt  ", struct.pack(">I", 0), b"qt  ")
    first = len(head) + 8
    places = list(accumulate(map(len, frames), initial=first))[:-1]
    moov = _atom(
        b"moov",
        _atom(b"mvhd", _movie(len(frames), a_second)),
        _atom(
            b"trak",
            _atom(b"tkhd", _track(len(frames), width, height)),
            _atom(
                b"mdia",
                _atom(b"mdhd", struct.pack(">5I2H", 0, 0, 0, a_second, len(frames), _SHORT, 0)),
                _handler(b"mhlr", b"vide"),
                _atom(
                    b"minf",
                    _atom(b"vmhd", struct.pack(">I4H", 1, 0, 0, 0, 0)),
                    _handler(b"dhlr", b"url "),
                    _atom(b"dinf", _list(b"dref", [_atom(b"url ", struct.pack(">I", 1))])),
                    _samples(frames, places, width, height),
                ),
            ),
        ),
    )
    return head + _atom(b"mdat", *frames) + moov


def _atom(name: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + name + data


def _list(name: bytes, entries: Sequence[bytes]) -> bytes:
    return _atom(name, struct.pack(">II", 0, len(entries)), *entries)


def _handler(component: bytes, kind: bytes) -> bytes:
    return _atom(b"hdlr", struct.pack(">I", 0), component, kind, bytes(13))


def _movie(frames: int, a_second: int) -> bytes:
    """Version and flags, two dates, time scale, duration, rate, volume, matrix, next track."""
    times = struct.pack(">5I", 0, 0, 0, a_second, frames)
    return times + struct.pack(">IH10x", 0x10000, 0x100) + _UNITY + bytes(24) + b"\0\0\0\2"


def _track(frames: int, width: int, height: int) -> bytes:
    """Flags (enabled, in the movie), two dates, number, duration, layer and volume, size."""
    times = struct.pack(">6I8x4H", 7, 0, 0, 1, 0, frames, 0, 0, 0, 0)
    return times + _UNITY + struct.pack(">II", width << 16, height << 16)


def _samples(frames: Sequence[bytes], places: Sequence[int], width: int, height: int) -> bytes:
    """Describe the frames: what they are, how long each lasts, where each lies."""
    dots = 72 << 16
    described = struct.pack(">4I2H2IIH", 0, 0, 0, 0, width, height, dots, dots, 0, 1)
    entry = _atom(
        b"png ", bytes(6), b"\0\1", described, b"\3png".ljust(32, b"\0"), b"\0\x18\xff\xff"
    )
    numbers = [struct.pack(">I", place) for place in places]
    sizes = [struct.pack(">I", len(frame)) for frame in frames]
    return _atom(
        b"stbl",
        _list(b"stsd", [entry]),
        _list(b"stts", [struct.pack(">II", len(frames), 1)]),
        _list(b"stsc", [struct.pack(">III", 1, 1, 1)]),
        _atom(b"stsz", struct.pack(">III", 0, 0, len(frames)), *sizes),
        _list(b"stco", numbers),
    )
