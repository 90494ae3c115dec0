"""What casts doubt on runs, as lines of text. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from steelyard.domain.faults import Faults

# How a server is met and not what went wrong: named, and told in the record.
_CIRCUMSTANCES: Final = {"NOT_CONTROLLABLE", "BACKGROUND_LOAD_UNKNOWN", "STAMPS_USER"}


def lines(found: Faults, of: str = "") -> Iterator[str]:
    """Name each proof that failed and each caution with its advice; nothing where there are none.

    `of` says which of several runs it is.
    """
    whose = f" {of}:" if of else ""
    for proof in found.failed:
        yield f"!{whose} proof failed: {proof.name}, found {proof.found}"
    for one in found.cautions:
        if one.code not in _CIRCUMSTANCES:
            yield f"!{whose} {one.code}: {one.seen} → {one.advice}"
    if told := [one.code for one in found.cautions if one.code in _CIRCUMSTANCES]:
        yield f"Circumstances{f' of {of}' if of else ''}, told in the record: {', '.join(told)}"


def beside(found: Mapping[str, Faults]) -> Iterator[str]:
    """Name those of several runs, each with whose they are."""
    for name, each in found.items():
        yield from lines(each, name)
