"""The few speeds that stand in front, out of all that a sweep takes.

They are output speed at depth 0 and 2k, time to first token and prompt speed at 512 prompt tokens.
Everything else stands in the table of all speeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.reports.columns import Circumstances, Column


@final
@dataclass(frozen=True, slots=True)
class Headline:
    """A metric and where it is wanted: `tokens` of depth if `deep`, else of prompt at depth 0."""

    metric: str
    tokens: int
    deep: bool = False


SHALLOW: Final = Headline("output_tps", 0)
DEEP: Final = Headline("output_tps", 2048, deep=True)
FIRST_TOKEN: Final = Headline("ttft_s", 512)
PROMPT: Final = Headline("prompt_tps", 512)
HEADLINES: Final = (SHALLOW, DEEP, FIRST_TOKEN, PROMPT)


def headline(found: Sequence[Column], wanted: Headline) -> Column | None:
    """Return the column of one stream that comes nearest to what is wanted, if there is one."""
    near = [
        (abs((at.depth_tokens if wanted.deep else at.prompt_tokens) - wanted.tokens), place)
        for place, column in enumerate(found)
        if (at := column.at) is not None and _fits(at, wanted)
    ]
    return found[min(near)[1]] if near else None


def headlines(found: Sequence[Column]) -> list[Column]:
    """Return the columns of all headlines that the sweep took."""
    return [column for wanted in HEADLINES if (column := headline(found, wanted)) is not None]


def _fits(at: Circumstances, wanted: Headline) -> bool:
    return at.metric == wanted.metric and at.streams == 1 and bool(at.depth_tokens) is wanted.deep
