"""Do several engines get the same prompt, and do they then give the same answers? Pure.

The prompt first: rendered tokens, chat template, beginning-of-text token, end tokens and sampler.
Where one of them differs, or is not known, answers and speeds of these engines are no comparison of
engines. Then the answers: the share that is identical to the first engine's (Wilson's interval),
and the first token at which two part. Not aware of how anything was asked.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, final

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.summary import Marks, Speed
from steelyard.engines.api import PromptFacts
from steelyard.stats.proportions import wilson

_AROUND: Final = 4
_END: Final = "end"


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same, in words, for each engine in order."""

    what: str
    said: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True, slots=True)
class Agreement:
    """How one engine's answers agree with the first engine's.

    `parts_at` maps a prompt to the first token at which the two answers differ, counted from 0.
    """

    identical: int
    compared: int
    low: float
    high: float
    parts_at: Mapping[str, int]

    @property
    def median_parting(self) -> Reading[float]:
        """The middle one of the positions at which answers part."""
        if not self.parts_at:
            return Missing("not_applicable", "no answer differs")
        return Measured(statistics.median(self.parts_at.values()), "derived")


def differences(found: Mapping[str, Sequence[PromptFacts]]) -> tuple[Difference, ...]:
    """Return everything that is not the same; engines by name, each with the facts of every prompt.

    What does not depend on the prompt is looked at once; of the rendered prompts the first that
    differs is shown.
    """
    first = {name: facts[0] for name, facts in found.items()}
    candidates = (
        ("chat template", {n: _word(f.template_sha256) for n, f in first.items()}),
        ("beginning of a text", {n: _word(f.begin) for n, f in first.items()}),
        ("end tokens", {n: _word(f.ends) for n, f in first.items()}),
        ("sampler", {n: _sampler(f.sampler) for n, f in first.items()}),
    )
    seen = [Difference(what, tuple(said.items())) for what, said in candidates if not _same(said)]
    for number, facts in enumerate(zip(*found.values(), strict=True)):
        tokens = dict(zip(found, (each.tokens for each in facts), strict=True))
        if not _same({name: _word(reading) for name, reading in tokens.items()}):
            seen.append(_tokens(number, tokens))
            break
    return tuple(seen)


def agreement(
    first: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]
) -> Reading[Agreement]:
    """Compare answers, as tokens by prompt; only prompts that both answered count."""
    both = sorted(first.keys() & other.keys())
    if not both:
        return Missing("no_paired_answers", "no prompt was answered by both")
    parts = {key: parting(first[key], other[key]) for key in both}
    parted = {key: at for key, at in parts.items() if at is not None}
    same = len(both) - len(parted)
    low, high = wilson(same, len(both))
    return Measured(Agreement(same, len(both), low, high, parted), "derived")


def parting(first: Sequence[int], other: Sequence[int]) -> int | None:
    """Return the first position at which two rows of tokens differ, None where they do not."""
    pairs = enumerate(zip_longest(first, other))
    return next((at for at, (mine, theirs) in pairs if mine != theirs), None)


def _same(said: Mapping[str, str]) -> bool:
    """Whether all say the same; what one of them does not tell is not proved to be the same."""
    values = set(said.values())
    return len(values) == 1 and not next(iter(values)).startswith("not known")


def _word(reading: Reading[str] | Reading[tuple[int, ...]]) -> str:
    match reading:
        case Measured(value=str() as text):
            return text
        case Measured(value=numbers):
            return " ".join(map(str, numbers))
        case Missing() as reason:
            return f"not known: {reason}"


def _sampler(reading: Reading[Mapping[str, str]]) -> str:
    match reading:
        case Measured(value=settings):
            return ", ".join(f"{name} {value}" for name, value in sorted(settings.items()))
        case Missing() as reason:
            return f"not known: {reason}"


def _tokens(number: int, tokens: Mapping[str, Reading[tuple[int, ...]]]) -> Difference:
    """Show where the rendered prompts part, with a few tokens before and after."""
    known = [reading.value for reading in tokens.values() if isinstance(reading, Measured)]
    partings = [parting(known[0], other) for other in known[1:]]
    at = min((each for each in partings if each is not None), default=0)
    said = []
    for name, reading in tokens.items():
        match reading:
            case Measured(value=row):
                before, after = row[max(0, at - _AROUND) : at], row[at : at + _AROUND]
                words = [*map(str, before), "»", *(map(str, after) if after else [_END])]
                said.append((name, f"{len(row)} tokens: … {' '.join(words)}"))
            case Missing():
                said.append((name, _word(reading)))
    return Difference(f"tokens of prompt {number + 1}, from position {at} on", tuple(said))


@final
@dataclass(frozen=True, slots=True)
class EngineRow:
    """What was found of one engine; `agrees` is None for the first, which others are held against.

    `miscounted` prompts came to another number of tokens in the engine's own count than rendered.
    """

    name: str
    engine: str
    build: Reading[str]
    run_id: str
    outcome: str
    reason: str
    marks: Marks
    speeds: tuple[Speed, ...]
    agrees: Reading[Agreement] | None
    miscounted: int
    polluted: bool


@final
@dataclass(frozen=True, slots=True)
class EngineComparison:
    """Several engines on the same prompts at temperature 0, or the reasons why that is none."""

    prompts: int
    differs: tuple[Difference, ...]
    engines: tuple[EngineRow, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the prompts are not proved to be the same."""
        return bool(self.differs) or any(row.miscounted for row in self.engines)
