"""How one goes on with what was interrupted, or not all asked: what was answered is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from steelyard.analysis import unrun
from steelyard.domain.errors import Interrupted
from steelyard.domain.summary import Marks

SPEC: Final = "spec.json"  # what a folder holds from the first question on


def hint(folder: Path) -> str:
    """Say what goes on with a folder."""
    return f"the same command with --out {folder} goes on"


def missed(marks: Marks, folder: Path) -> str:
    """Say how many items were not run, and the way on; empty where there is none to go.

    Over 1 % of them no verdict can rest on it, so that it is said in any case.
    """
    many, whys = unrun.too_many(marks), marks.not_run_why
    open_ = sum(whys[code] for code in unrun.passing(whys))
    if not many and not open_:
        return ""
    asked = marks.right + marks.wrong + marks.invalid + marks.not_run
    told = f"{unrun.unanswered(marks):,} of {asked:,} items not run"
    told = f"! {told}, over 1 %: no verdict rests on it" if many else told
    if not open_:
        return f"{told}; asked again they would come to the same, until that is mended"
    return f"{told}; {hint(folder)} and asks {open_:,} of them again, keeping the answers"


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Say after an interrupt how to go on. Around the session, which ends its engine first.

    What is interrupted as a part of something larger names the folder of that.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted; the answers so far are kept", hint=hint(folder)) from None
