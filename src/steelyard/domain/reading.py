"""A reading: a measured value with its source, or the reason why there is none.

Not aware of units, metrics or reports. Absent, unsupported, failed and zero are four different
facts; nothing in the product stands for "unknown" except `Missing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar, assert_never, final

T = TypeVar("T")
U = TypeVar("U")

Source: TypeAlias = Literal["client", "engine", "derived", "estimated"]


@final
@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """A value and who vouches for it."""

    value: T
    source: Source


@final
@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no value: a stable code for machines, a sentence for people."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or self.code.replace("_", " ")


Reading: TypeAlias = Measured[T] | Missing


def derived(reading: Reading[T], formula: Callable[[T], U]) -> Reading[U]:
    """Apply `formula` to a measured value; a reason passes through unchanged."""
    match reading:
        case Measured(value=value):
            return Measured(formula(value), source="derived")
        case Missing():
            return reading
        case _:
            assert_never(reading)


def value_of(reading: Reading[T]) -> T | None:
    """Return the value, or None: for file formats whose null stands beside the reason."""
    match reading:
        case Measured(value=value):
            return value
        case Missing():
            return None
        case _:
            assert_never(reading)
