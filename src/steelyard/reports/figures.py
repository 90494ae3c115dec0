"""Numbers as people read them: display units, digits, intervals, durations.

Inside the product everything is in seconds, bytes and shares; only here are they turned into
milliseconds, megabytes and percent. Not aware of any format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, final

from steelyard.domain.reading import Measured, Missing, Reading

T = TypeVar("T")

NOTHING: Final = "\N{EM DASH}"
LEAST_P: Final = 0.001  # a smaller p-value is told as a bound
_MILLI: Final = 1e-3
_MEGA: Final = 1_000_000
_GIGA: Final = 1_000_000_000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_LONG: Final = 1000  # from here on a decimal says nothing
_SMALL: Final = 0.1
# A column whose smallest value would lose all its digits gets significant ones instead.
_WIDE: Final = 0.02


@final
@dataclass(frozen=True, slots=True)
class Display:
    """How one column's numbers are shown: `decimals` None gives each two significant digits."""

    unit: str
    scale: float
    decimals: int | None
    signed: bool = False

    def text(self, value: float) -> str:
        """Return a value in base units as text in display units, without the unit."""
        shown = value * self.scale
        if self.decimals is None:
            return significant(shown, 2)
        text = f"{shown:+,.{self.decimals}f}" if self.signed else f"{shown:,.{self.decimals}f}"
        zero = f"{0:.{self.decimals}f}"
        return zero if text.lstrip("+-") == zero else text

    def interval(self, low: float, high: float) -> str:
        """Return both ends in brackets."""
        return f"[{self.text(low)}, {self.text(high)}]"


def display(unit: str, values: Sequence[float], *, declared: tuple[str, float] | None) -> Display:
    """Choose one display for a whole column from its base unit and its values.

    `declared` is the display unit and scale of the metric's own declaration; it wins.
    """
    top = max((abs(value) for value in values), default=0.0)
    fixed = _fixed(unit, top)
    if fixed is not None and declared is None:
        return fixed
    name, scale = declared or _scaled(unit, top)
    return Display(name, scale, _decimals([abs(value) * scale for value in values]))


def significant(value: float, digits: int) -> str:
    """Return a value with so many significant digits, never in exponent form."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    return f"{rounded:,.{max(0, digits - 1 - exponent)}f}"


def points(share: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return Display("points", 100, 1, signed=True).text(share)


def percent(share: float, decimals: int = 1) -> str:
    """Return a share in percent."""
    return f"{share * 100:.{decimals}f} %"


def size(count: float) -> str:
    """Return bytes in MB or GB (powers of ten)."""
    unit, scale = ("GB", 1 / _GIGA) if count >= _GIGA else ("MB", 1 / _MEGA)
    return f"{significant(count * scale, 3)} {unit}"


def duration(seconds: float) -> str:
    """Return a time span in the unit that suits it."""
    if seconds < _MILLI:
        return f"{significant(seconds * 1e6, 2)} µs"
    if seconds < 1:
        return f"{significant(seconds * 1e3, 2)} ms"
    if seconds < _MINUTE_S:
        return f"{significant(seconds, 2)} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def said(reading: Reading[T], write: Callable[[T], str]) -> str:
    """Return a reading as text by `write`, or a dash with the reason."""
    match reading:
        case Measured(value=value):
            return write(value)
        case Missing():
            return f"{NOTHING} ({reading})"


def _fixed(unit: str, top: float) -> Display | None:
    match unit:
        case "share":
            return Display("%", 100, 1)
        case "points":
            return Display("points", 100, 1, signed=True)
        case "bpw":
            return Display("", 1, 2)
        case "count":
            return Display("", 1, 0)
        case "bytes":
            name, scale = ("GB", 1 / _GIGA) if top >= 2 * _GIGA else ("MB", 1 / _MEGA)
            return Display(name, scale, 1 if top * scale < _LONG else 0)
        case _:
            return None


def _scaled(unit: str, top: float) -> tuple[str, float]:
    return ("ms", 1e3) if unit == "s" and 0 < top < 1 else (unit, 1.0)


def _decimals(shown: Sequence[float]) -> int | None:
    top = max(shown, default=0.0)
    least = min((value for value in shown if value > 0), default=top)
    if top <= 0:
        return 1
    if least < top * _WIDE or top < _SMALL:
        return None
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if top >= limit:
            return digits
    return 3
