"""Robustness: items of the other families, each clean and in forms that should change nothing.

One cluster is one clean item with its forms: reworded, with typos, with small words left out, in
one letter case, as a JSON record, as a broken one. Names, numbers, quoted words and whatever the
answer is made of stay as they are, and a typo is nearer to the word that was meant than to any
other, so the answer stays what it was. A form that an item has no room for is left out. The key
tells the clean item and the form; the split is that of the family that the item comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final, final

from steelyard.tasks.business import Business
from steelyard.tasks.formats import Forms
from steelyard.tasks.items import Cluster, Dialogue, Draft, Examiner, Family, Turn
from steelyard.tasks.logic import Logic
from steelyard.tasks.math_words import MathWords
from steelyard.tasks.measures import MeasureScorer
from steelyard.tasks.multi_turn import MultiTurn, TurnScorer
from steelyard.tasks.reading import Reading
from steelyard.tasks.rewording import WORD, written
from steelyard.tasks.scoring import ChoiceScorer, NumberScorer
from steelyard.tasks.tools_prompted import ToolsPrompted
from steelyard.tasks.values import ValueScorer

_BASES: Final[dict[str, type[Family]]] = {
    "math_words": MathWords,
    "reading": Reading,
    "logic": Logic,
    "formats": Forms,
    "multi_turn": MultiTurn,
    "business": Business,
    "tools_prompted": ToolsPrompted,
}
# Capitals in a prompt say nothing about the answers that these read.
CASELESS: Final = (NumberScorer, ChoiceScorer, ValueScorer, TurnScorer, MeasureScorer)


def _kept(answers: tuple[str, ...], scorers: tuple[Examiner, ...]) -> frozenset[str]:
    """Return the words that the answers are made of, and those that could be chosen instead."""
    listed = [option for scorer in scorers for option in _options(scorer)]
    return frozenset(word.lower() for word in WORD.findall(" ".join([*answers, *listed])))


def _options(scorer: Examiner) -> tuple[str, ...]:
    match scorer:
        case (
            ChoiceScorer(options=options)
            | ValueScorer(options=options)
            | MeasureScorer(options=options)
        ):
            return options
        case TurnScorer(value=value):
            return value.options
        case _:
            return ()


@final
class Robustness:
    """The family behind `robustness`."""

    name: Final = "robustness"
    revision: Final = 2
    levels: Final = (1, 2, 3)

    def kinds(self, _level: int) -> tuple[str, ...]:
        """Return the families that the items come from, the same at every level."""
        return tuple(_BASES)

    def draft(self, kind: str, level: int, rng: Random) -> Cluster:
        """Write one clean item and its forms."""
        source = _BASES[kind]()
        made = source.draft(rng.choice(source.kinds(level)), level, rng)

        def forms() -> Iterator[Draft | Dialogue]:
            clean = rng.choice(made.written())
            if isinstance(clean, Dialogue):
                return _dialogues(rng, kind, clean)
            if isinstance(clean, Draft):
                return _drafts(rng, kind, clean)
            raise TypeError(f"{kind} drafts what has no forms")

        return Cluster(made.key, family=kind, late=forms, whole=True)


def _drafts(rng: Random, source: str, clean: Draft) -> Iterator[Draft]:
    kept = _kept((clean.answer,), (clean.scorer,))
    caseless = isinstance(clean.scorer, CASELESS)
    for form, prompts in written(rng, (clean.prompt,), kept, caseless=caseless):
        yield replace(
            clean,
            kind=f"{source}/{form}",
            key=(source, clean.kind, *clean.key, form),
            prompt=prompts[0],
        )


def _dialogues(rng: Random, source: str, clean: Dialogue) -> Iterator[Dialogue]:
    prompts = tuple(turn.prompt for turn in clean.turns)
    kept = _kept(
        tuple(turn.answer for turn in clean.turns), tuple(turn.scorer for turn in clean.turns)
    )
    for form, texts in written(rng, prompts, kept, caseless=True):
        turns = zip(clean.turns, texts, strict=True)
        yield replace(
            clean,
            kind=f"{source}/{form}",
            key=(source, clean.kind, *clean.key, form),
            turns=tuple(Turn(text, turn.answer, turn.scorer) for turn, text in turns),
        )
