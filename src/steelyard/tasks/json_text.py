"""JSON as a model wrote it, read whole or not at all.

What cannot be read is refused: `NaN` and `Infinity`, which are no JSON, numbers of more digits than
Python reads or past the largest double, and values nested too deep. Not aware of what it means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isinf
from typing import Any, Final, final

_LOOKED_INTO: Final = 64  # broken ones: each inner one would be tried to the text's end
FENCE: Final = r"```(?:json)?[^\S\n]*\n(.*?)\n?```"  # with DOTALL
# Where an object or a list may begin: a look at the next sign saves most tries.
_OPENS: Final = {
    "{": re.compile(r"\{(?=\s*[\"}])"),
    "[": re.compile(r"\[(?=\s*[\[\]{\"\-\dtfnNI])"),
}


@final
class RefusedError(ValueError):
    """It is JSON in form, and what it holds cannot be read."""


@final
class _Decoder(json.JSONDecoder):
    """Goes on behind a number that is none, so that it is known where the value ends."""

    def __init__(self) -> None:
        self.refused = False
        super().__init__(
            parse_constant=self._refuse, parse_float=self._decimal, parse_int=self._whole
        )

    def _refuse(self, _: str) -> None:
        self.refused = True

    def _decimal(self, written: str) -> float:
        value = float(written)
        self.refused = self.refused or isinf(value)
        return value

    def _whole(self, written: str) -> int:
        try:
            return int(written)
        except ValueError:
            self.refused = True
            return 0


def read(text: str) -> Any:
    """Return the value that a whole text is; raise `ValueError` alone where it is none."""
    decoder = _Decoder()
    try:
        value = decoder.decode(text)
    except RecursionError:
        raise RefusedError("it is nested too deep") from None
    if decoder.refused:
        raise RefusedError("one of its numbers cannot be read")
    return value


def whole_object(text: str) -> dict[str, object] | None:
    """Return the object that a whole text is, or None."""
    try:
        value: object = read(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def outermost(text: str, opens: str, *, in_broken: bool = False) -> Iterator[Any]:
    """Yield the objects ("{") or lists ("[") that stand in a text, the outermost ones.

    Those inside a broken one are a part of it, unless `in_broken` and there are not too many. What
    is nested too deep to be read ends the search.
    """
    for value, read in _standing(text, opens, in_broken=in_broken):
        if read:
            yield value


def last(text: str, opens: str) -> Any | None:
    """Return the last outermost object or list of a text; None where that cannot be read."""
    found, read = None, False
    for found, read in _standing(text, opens, in_broken=False):  # noqa: B007 - the last is wanted
        pass
    return found if read else None


def _standing(text: str, opens: str, *, in_broken: bool) -> Iterator[tuple[Any, bool]]:
    """Yield what stands in a text, and whether it can be read."""
    at, broken = 0, 0
    while (found := _OPENS[opens].search(text, at)) is not None:
        decoder = _Decoder()
        # An error counts the lines before it: from here on, or each would count the whole text.
        try:
            value, end = decoder.raw_decode(text[found.start() :])
        except json.JSONDecodeError as error:
            broken += 1
            inside = in_broken and broken <= _LOOKED_INTO
            at = found.start() + (1 if inside else max(error.pos, 1))
            continue
        except RecursionError:
            yield None, False
            return
        at = found.start() + end
        yield value, not decoder.refused
