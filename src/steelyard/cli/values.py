"""Option types of the command line: durations, lists of quants, core masks."""

from __future__ import annotations

import math
import re
from typing import Final, final

import click

from steelyard.domain import duration

_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@final
class Duration(click.ParamType[float]):
    """`45m`, `90s`, `1h30m`, `500ms`: seconds as a float. Inherits because click asks for it."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a duration, or fail with an example."""
        seconds = duration.seconds(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no duration; write {duration.EXAMPLES}", param, ctx)
        if not 0 < seconds < math.inf:
            self.fail("a duration is longer than nothing, and ends", param, ctx)
        return seconds


@final
class Finite(click.FloatRange):
    """A number within bounds; `nan` is within none. Inherits because click asks for it."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number."""
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


@final
class Names(click.ParamType[tuple[str, ...]]):
    """`Q8_0,Q4_K_M`: a tuple of names, none twice. Inherits because click asks for it."""

    name = "names"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read a comma-separated list."""
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",")]
        if not all(names) or len(set(names)) < len(names):
            self.fail(f"{value!r} has an empty or a repeated name", param, ctx)
        return tuple(names)


@final
class Words(click.ParamType[tuple[str, ...]]):
    """`math_words,logic:2`: a tuple of words, at least one. Inherits because click asks for it."""

    name = "words"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read a comma-separated list; what is empty between two commas is let be."""
        if isinstance(value, tuple):
            return value
        words = tuple(filter(None, (word.strip() for word in str(value).split(","))))
        if not words:
            self.fail(f"{value!r} names nothing; leave the option out for the usual", param, ctx)
        return words


@final
class Secret(click.ParamType[str]):
    """A word that only its owner knows; never empty. Inherits because click asks for it."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Take a word as it is; an empty one comes of a shell variable that is not set."""
        word = str(value)
        if not word.strip():
            self.fail("it is empty: is the variable set that it comes from?", param, ctx)
        return word


@final
class Cores(click.ParamType[tuple[int, ...]]):
    """`0-3,6`: core numbers, sorted. Inherits because click asks for it."""

    name = "cores"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read a list of cores and ranges of cores."""
        if isinstance(value, tuple):
            return value
        cores: set[int] = set()
        for part in str(value).split(","):
            found = _RANGE.fullmatch(part.strip())
            if found is None:
                self.fail(f"{part!r} is no core; write 0-3 or 0,2", param, ctx)
            first, last = int(found[1]), int(found[2] or found[1])
            if last < first:
                self.fail(f"{part!r} runs backwards; write {last}-{first}", param, ctx)
            cores.update(range(first, last + 1))
        return tuple(sorted(cores))


@final
class Size(click.ParamType[int]):
    """`10GB`, `500MB`, `1.5GiB`, `0`: bytes. Inherits because click asks for it."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read a size, or fail with an example."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no size; write 10GB, 500MB or 1.5GiB", param, ctx)
        unit = 1024 if match[3] else 1000
        power: int = unit ** _POWERS[match[2].lower()]
        return round(float(match[1]) * power)


DURATION: Final = Duration()
NAMES: Final = Names()
WORDS: Final = Words()
SECRET: Final = Secret()
CORES: Final = Cores()
SIZE: Final = Size()
