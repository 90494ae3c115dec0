"""How variants think: tokens, answers cut at their limit, loops, length against the reference.

Told only where an answer of any variant thinks or goes round in circles. Not aware of formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Estimate, SweepSummary, Thinking, VariantRow
from steelyard.reports.figures import NOTHING, percent

TITLE: Final = "How it thinks"
ABOUT: Final = (
    "Thinking tokens are the mean of each answer that thinks. An answer cut while it thinks has no "
    "answer in it and is invalid. Loops go round in circles: in their thinking, or until they are "
    "cut. Length is that of all output, thinking included, for the same items."
)
HEADS: Final = (
    "answers", "think", "thinking tokens", "share of output", "cut at the limit",
    "cut while thinking", "loops", "length by the reference's",
)  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class Reasoned:
    """One variant: a text for each of `HEADS`, or why there is none."""

    label: str
    texts: tuple[str, ...]
    why: str = ""


def of_sweep(rows: Sequence[VariantRow]) -> tuple[Reasoned, ...]:
    """Return a line for each variant, or nothing where there is nothing to tell."""
    if not any(_tells(row.thinking) for row in rows):
        return ()
    return tuple(map(_reasoned, rows))


def sentence(one: Reasoned) -> str:
    """Say one variant's line in words."""
    if one.why:
        return f"{one.label}: {one.why}"
    answers, think, tokens, share, cut, cut_thinking, loops, length = one.texts
    parts = [f"{think} of {answers} answers think"]
    parts += [f"{tokens} tokens each, {share} of all output"] if tokens != NOTHING else []
    parts += [f"{cut} cut at the limit, {cut_thinking} of them while thinking"]
    parts += [f"{loops} go round in circles"]
    parts += [f"{length} times as long as the reference's"] if length != NOTHING else []
    return f"{one.label}: {'; '.join(parts)}"


def sentences(summary: SweepSummary) -> tuple[str, ...]:
    """Return one sentence for each variant, where there is anything to tell."""
    return tuple(map(sentence, of_sweep(summary.per_quant)))


def _tells(reading: Reading[Thinking]) -> bool:
    if isinstance(reading, Missing):
        return False
    found = reading.value
    return bool(found.thought or found.loops)


def _reasoned(row: VariantRow) -> Reasoned:
    if isinstance(row.thinking, Missing):
        return Reasoned(row.variant.label, (NOTHING,) * len(HEADS), str(row.thinking))
    found = row.thinking.value
    share = percent(found.share.value) if isinstance(found.share, Measured) else NOTHING
    return Reasoned(
        row.variant.label,
        (
            f"{found.answers:,}",
            f"{found.thought:,}",
            _spread(found.tokens, 0),
            share,
            f"{found.cut:,}",
            f"{found.cut_thinking:,}",
            f"{found.loops:,}",
            _spread(row.length_ratio, 2),
        ),
    )


def _spread(found: Estimate, digits: int) -> str:
    if isinstance(found.value, Missing):
        return NOTHING
    about = "about " if found.value.source == "estimated" else ""
    text = f"{about}{found.value.value:,.{digits}f}"
    if isinstance(found.low, Measured) and isinstance(found.high, Measured):
        return f"{text} [{found.low.value:,.{digits}f}, {found.high.value:,.{digits}f}]"
    return text
