"""Does a text go round in circles? One unit of words, repeated with hardly a change.

Units of up to 240 words are all tried; of longer ones those at which rows of twelve words come
again most often. In a word of 120 characters and more its characters are set against each other.

For each period p the words are set against those p places before; a stretch in which at least nine
of ten agree is a loop once its unit stands there three times and the repeats are 24 words or more.
Counting up ("1, 2, 3 …") and rows of one shape with other contents agree in fewer. Not aware of
models. The stretch is the one of greatest sum (J. Bentley, Communications of the ACM 27 (1984)
865-873) with +1 for a word that agrees and -9 for one that does not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

_WORD: Final = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\w+|[^\w\s]")
_PERIOD_MOST: Final = 240
_COPIES: Final = 3
_REPEATED_LEAST: Final = 24
_LETTERS_LEAST: Final = 120  # a rule of underscores or a number of many zeros is shorter
_ROW: Final = 12
_LONG_TRIED: Final = 8
_PENALTY: Final = -9
_AGREES: Final = 0.9


@final
@dataclass(frozen=True, slots=True)
class Loop:
    """A unit of `period` words, and how many words repeat it from the word `start` on.

    Within one word, the characters of that word are counted in place of words.
    """

    period: int
    start: int
    repeated: int


def find(text: str) -> Loop | None:
    """Return the longest loop of the text, the one of the shortest unit where several are as long.

    Takes time in proportion to the words times 250 at most.
    """
    words = _WORD.findall(text)
    return _found(words, _REPEATED_LEAST) or max(
        filter(None, (_found(word, _LETTERS_LEAST) for word in words)),
        key=lambda loop: loop.repeated + loop.period,
        default=None,
    )


def _found(words: Sequence[str], least: int) -> Loop | None:
    if len(words) <= least:
        return None
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    codes = np.array([numbers[word] for word in words], dtype=np.int64)
    best: Loop | None = None
    periods = range(1, min(_PERIOD_MOST, len(words) // _COPIES) + 1)
    for period in (*periods, *_long_periods(codes)):
        start, length = _stretch(codes[period:] == codes[:-period])
        enough = length >= max(_AGREES * (_COPIES - 1) * period, least)
        if enough and (best is None or length > best.repeated + best.period):
            best = Loop(period, start, length)
    return best


def _long_periods(codes: npt.NDArray[np.int64]) -> list[int]:
    """Return the distances over 240 at which most rows of twelve words come again, in order."""
    longest = len(codes) // _COPIES
    if longest <= _PERIOD_MOST:
        return []
    last: dict[bytes, int] = {}
    apart: Counter[int] = Counter()
    for place in range(len(codes) - _ROW + 1):
        row = codes[place : place + _ROW].tobytes()
        if _PERIOD_MOST < (distance := place - last.get(row, place)) <= longest:
            apart[distance] += 1
        last[row] = place
    return sorted(distance for distance, _ in apart.most_common(_LONG_TRIED))


def _stretch(agrees: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the stretch of greatest sum begins, and its length."""
    sums = np.concatenate(([0], np.cumsum(np.where(agrees, 1, _PENALTY))))
    lows = np.minimum.accumulate(sums)
    end = int(np.argmax(sums - lows))
    start = int(np.argmax(sums[: end + 1] == lows[end]))
    return start, end - start
