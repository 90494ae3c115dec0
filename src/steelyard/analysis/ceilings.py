"""Items that can hardly show a loss: nearly all are right, so few can be lost; or nearly none.

A caution beside a verdict, never a part of it. Not aware of runs, nor of what a level is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Missing
from steelyard.domain.summary import Estimate

EASY_FROM: Final = 0.95
HARD_TO: Final = 0.05
ENOUGH: Final = 30  # items; of fewer all may be right by luck
_OTHERS: Final = "your own (`steelyard eval --file`) or a standard set (`steelyard eval --set`)"


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """The share that was right of some items, and the next harder and easier level there is."""

    name: str
    right: Estimate
    harder: int | None = None
    easier: int | None = None


def remarks(who: str, whole: Asked, families: Sequence[Asked]) -> tuple[str, ...]:
    """Return a sentence where what `who` was asked is too easy or too hard, families last.

    Of families nothing is said where it holds of the whole.
    """
    return tuple(filter(None, (_easy(who, whole, families), _hard(who, whole, families))))


def levels(asked: int, there: Sequence[int]) -> tuple[int | None, int | None]:
    """Return the next harder and the next easier level; None for either that there is not.

    Levels that do not count up from 1 are lengths, or something else: neither is told.
    """
    if sorted(there) != list(range(1, len(there) + 1)):
        return None, None
    return (asked + 1 if asked < max(there) else None), (asked - 1 if asked > 1 else None)


def _easy(who: str, whole: Asked, families: Sequence[Asked]) -> str:
    def is_easy(share: float) -> bool:
        return share >= EASY_FROM

    told = _told(is_easy, whole, families)
    if not told:
        return ""
    harder = [one.harder for one in told if one.harder is not None]
    ask = f"ask --level {max(harder)}" if harder else f"harder questions are wanted, {_OTHERS}"
    numbers = _numbers(told, whole)
    return f"EASY: {who} gets {numbers}, so these items can hardly show a loss: {ask}."


def _hard(who: str, whole: Asked, families: Sequence[Asked]) -> str:
    def is_hard(share: float) -> bool:
        return share <= HARD_TO

    told = _told(is_hard, whole, families)
    if not told:
        return ""
    easier = [one.easier for one in told if one.easier is not None]
    ask = f"ask --level {min(easier)}" if easier else f"easier questions are wanted, {_OTHERS}"
    numbers = _numbers(told, whole)
    return f"HARD: {who} gets {numbers}, so there is hardly anything to lose: {ask}."


def _told(
    holds: Callable[[float], bool], whole: Asked, families: Sequence[Asked]
) -> Sequence[Asked]:
    if _is(holds, whole):
        return (whole,)
    return [one for one in families if _is(holds, one)]


def _is(holds: Callable[[float], bool], one: Asked) -> bool:
    share = one.right.value
    return not isinstance(share, Missing) and one.right.n >= ENOUGH and holds(share.value)


def _numbers(told: Sequence[Asked], whole: Asked) -> str:
    if told[0] is whole:
        return f"{_of(whole)} right"
    named = ", ".join(f"{_of(one)} in {one.name.replace('_', ' ')}" for one in told)
    return f"{named} right"


def _of(one: Asked) -> str:
    share = one.right.value
    right = 0 if isinstance(share, Missing) else round(share.value * one.right.n)
    return f"{right:,} of {one.right.n:,}"
