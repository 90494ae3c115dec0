"""The reasoning ledger: thinking tokens, answers cut at their limit, loops (row F15).

Not aware of marks: an answer cut while it thinks is `invalid`, and that is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from steelyard.analysis import loops
from steelyard.analysis.clusters import cluster_key, clusters_of
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Section
from steelyard.domain.stream import Attempt, Usage
from steelyard.domain.summary import Estimate, Thinking
from steelyard.stats.ratios import ratio_estimate

ROOM: Final = "each answer so many tokens more (give more than before)"
_CUT: Final = "length"
_MOST: Final = 0.5
_NONE: Final = Missing("no_thinking", "no answer has thinking apart from it")


def ledger(sections: Sequence[Section], confidence: float = 0.95) -> Thinking:
    """Count the thinking of every answer that came whole."""
    answers = [(key, a) for section in sections for key, a in _answers(section)]
    thought = [(key, a) for key, a in answers if a.reasoning]
    cut = [a for _, a in answers if a.finish_reason == _CUT]
    return Thinking(
        answers=len(answers),
        thought=len(thought),
        tokens=_tokens(thought, confidence),
        share=_share(answers) if thought else _NONE,
        cut=len(cut),
        cut_thinking=sum(_thinks(a) and not (a.text.strip() or a.calls) for a in cut),
        loops=sum(_goes_round(a) for _, a in answers),
        cut_thought=sum(map(_thinks, cut)),
    )


def starved(sections: Sequence[Section]) -> bool:
    """Say whether most answers ended at their limit while thinking, or soon after it.

    Their marks say how much room there was, not how good the answers are.
    """
    answers = [answer for section in sections for _, answer in _answers(section)]
    cut = sum(a.finish_reason == _CUT and _thinks(a) for a in answers)
    return cut > _MOST * len(answers)


def more_room(found: Thinking) -> str:
    """Say how to give more room where most answers ended at their limit; empty where they did not.

    Thinking that nothing marks looks like an answer.
    """
    if found.cut <= _MOST * found.answers:
        return ""
    return f"if the model thinks before it answers, `--thinking 4096` gives {ROOM}"


def length_ratio(
    first: Sequence[Section], second: Sequence[Section], confidence: float = 0.95
) -> Estimate:
    """Estimate how many times as many output tokens the second run takes for the same items.

    Thinking is in the tokens. Fieller's interval over clusters; Missing where nothing is counted.
    """
    mine = _lengths(first)
    if isinstance(mine, Missing):
        return Estimate(mine, mine, mine, 0)
    theirs = _lengths(second)
    if isinstance(theirs, Missing):
        return Estimate(theirs, theirs, theirs, 0)
    clusters = clusters_of(first)
    both = sorted(mine.keys() & theirs.keys())
    return ratio_estimate(
        [theirs[item] for item in both],
        [mine[item] for item in both],
        [clusters.get(item, item) for item in both],
        confidence,
    )


def thinking_tokens(attempt: Attempt) -> Reading[float]:
    """Return the tokens of an answer's thinking: as counted, else by its share of the letters."""
    if isinstance(attempt.usage, Missing):
        return attempt.usage
    usage = attempt.usage.value
    if isinstance(usage.reasoning_tokens, Measured):
        return Measured(float(usage.reasoning_tokens.value), usage.reasoning_tokens.source)
    whole = len(attempt.reasoning) + len(attempt.text)
    share = len(attempt.reasoning) / whole if whole else 0.0
    return Measured(usage.output_tokens * share, "estimated")


def _answers(section: Section) -> Iterator[tuple[str, Attempt]]:
    for attempt in section.attempts:
        if attempt.outcome.kind == "completed":
            cluster = section.clusters.get(attempt.sample, attempt.sample)
            yield cluster_key(section.name, cluster), attempt


def _tokens(thought: Sequence[tuple[str, Attempt]], confidence: float) -> Estimate:
    counts: list[float] = []
    estimated = False
    for _, attempt in thought:
        found = thinking_tokens(attempt)
        if isinstance(found, Missing):
            return Estimate(found, found, found, 0)
        counts.append(found.value)
        estimated = estimated or found.source == "estimated"
    if not counts:
        return Estimate(_NONE, _NONE, _NONE, 0)
    clusters = [key for key, _ in thought]
    mean = ratio_estimate(counts, [1.0] * len(counts), clusters, confidence)
    if estimated and isinstance(mean.value, Measured):
        return replace(mean, value=Measured(mean.value.value, "estimated"))
    return mean


def _share(answers: Sequence[tuple[str, Attempt]]) -> Reading[float]:
    thought = whole = 0.0
    estimated = False
    for _, attempt in answers:
        found = thinking_tokens(attempt)
        if isinstance(found, Missing) or isinstance(attempt.usage, Missing):
            return attempt.usage if isinstance(attempt.usage, Missing) else _NONE
        whole += attempt.usage.value.output_tokens
        thought += found.value
        estimated = estimated or (found.source == "estimated" and bool(attempt.reasoning))
    if not whole:
        return Missing("zero_denominator", "no token was generated")
    return Measured(thought / whole, "estimated" if estimated else "derived")


def _thinks(attempt: Attempt) -> bool:
    """Say whether there was thinking, be it shown or only counted."""
    match attempt.usage:
        case Measured(value=Usage(reasoning_tokens=Measured(value=counted))):
            return bool(attempt.reasoning) or counted > 0
        case _:
            return bool(attempt.reasoning)


def _goes_round(attempt: Attempt) -> bool:
    if attempt.reasoning and loops.find(attempt.reasoning) is not None:
        return True
    return attempt.finish_reason == _CUT and loops.find(attempt.text) is not None


def _lengths(sections: Sequence[Section]) -> dict[str, float] | Missing:
    found: dict[str, float] = {}
    for section in sections:
        for attempt in section.attempts:
            if attempt.outcome.kind != "completed":
                continue
            if isinstance(attempt.usage, Missing):
                return attempt.usage
            key = f"{section.name}/{attempt.sample}"
            found[key] = found.get(key, 0.0) + attempt.usage.value.output_tokens
    return found
