"""Robustness: items of the other families, each clean and in forms that should change nothing.

One cluster is one clean item with its forms: reworded, with typos, with small words left out, in
one letter case, as a JSON record, as a broken one. Names, numbers, quoted words and whatever the
answer is made of stay as they are, and a typo is nearer to the word that was meant than to any
other, so the answer stays what it was. A form that an item has no room for is left out. The key
tells the clean item and the form; the split is that of the family that the item comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Final, final

from steelyard.tasks import lexicon
from steelyard.tasks.business import Business
from steelyard.tasks.formats import Forms
from steelyard.tasks.items import Cluster, Dialogue, Draft, Examiner, Family, Turn
from steelyard.tasks.logic import Logic
from steelyard.tasks.math_words import MathWords
from steelyard.tasks.measures import MeasureScorer
from steelyard.tasks.multi_turn import MultiTurn, TurnScorer
from steelyard.tasks.reading import Reading
from steelyard.tasks.scoring import ChoiceScorer, NumberScorer
from steelyard.tasks.tools_prompted import ToolsPrompted
from steelyard.tasks.values import ValueScorer

CLEAN: Final = "clean"
_BASES: Final[dict[str, type[Family]]] = {
    "math_words": MathWords,
    "reading": Reading,
    "logic": Logic,
    "formats": Forms,
    "multi_turn": MultiTurn,
    "business": Business,
    "tools_prompted": ToolsPrompted,
}
_RATES: Final = (5, 10, 15)  # percent of the words of running text
_CASELESS: Final = (NumberScorer, ChoiceScorer, ValueScorer, TurnScorer, MeasureScorer)
# What a reader fills in without noticing; nothing here tells one answer from another.
_SMALL: Final = frozenset(
    {"the", "a", "an", "is", "are", "of", "does", "do", "it", "them", "there"}
)
# Not running text: quoted words, JSON, and whatever is joined to a digit or an underscore.
_SET_APART: Final = re.compile(r"\{[^\n]*\}|\"[^\"\n]*\"|'[^'\n]*'|\S*[\d_]\S*")
_WORD: Final = re.compile(r"[A-Za-z]+")
_SHORTEST: Final = 3

# What is said, and two other ways to say it.
_REWORDINGS: Final = tuple(
    (re.compile(pattern), ways)
    for pattern, ways in (
        (r"\bWrite\b", ("Produce", "Type")),
        (r"\bAnswer with the\b", ("Reply with the", "Give the")),
        (r"\bAnswer with\b", ("Reply with", "Respond with")),
        (r"\bReply with nothing else\.", ("Write nothing else.", "Add nothing to it.")),
        (r"\bWork it out step by step\.", ("Think it through one step at a time.", "Go slowly.")),
        (r"\bReason step by step\.", ("Think it through one step at a time.", "Go slowly.")),
        (r"\bHow many (\w+) does (\w+) have", (r"What number of \1 does \2 have",) * 2),
        (r"\bis in the\b", ("is inside the", "stands in the")),
        (r"\bhas the\b", ("holds the", "carries the")),
        (r"\bpicks up the\b", ("takes the", "lifts the")),
        (r"\bgoes to the\b", ("walks to the", "heads to the")),
        (r"\bWhere is\b", ("In which place is", "At what place is")),
        (r"\bWho is the\b", ("Which of them is the", "Name the")),
        (r"\bEvery (\w+) is\b", (r"Each \1 is", r"Any \1 is")),
        (r"\bgives (\d+ \w+) away\b", (r"parts with \1", r"lets go of \1")),
        (r"\bgives\b", ("hands", "passes")),
        (r"\bbuys\b", ("gets", "obtains")),
        (r"\bfinds\b", ("comes upon", "discovers")),
        (r"\bFrom now on\b", ("From here on", "Starting now")),
        (
            r"\bWhere does (\w+) live\?",
            (r"In which city does \1 live?", r"What city is \1 at home in?"),
        ),
        (r"\bForget\b", ("Do not remember", "Wipe from your memory")),
        (r"\bYou can use these tools:", ("These tools are yours to use:", "Tools at hand:")),
        (r"\bRequest:", ("What is wanted:", "The wish:")),
        (r"\bWhat is the sum of\b", ("What do you get if you add up", "Add up")),
        (r"\bHow many days lie between\b", ("What number of days lies between",) * 2),
        (r"\bHow many minutes\b", ("What number of minutes",) * 2),
    )
)


def _reworded(way: int) -> Callable[[str], str]:
    def change(text: str) -> str:
        for pattern, ways in _REWORDINGS:
            text = pattern.sub(ways[way], text)
        return text

    return change


def _framed(before: str, after: str, way: int) -> Callable[[str], str]:
    reword = _reworded(way)
    return lambda text: f"{before}{reword(text)}{after}"


_PARAPHRASES: Final[dict[str, Callable[[str], str]]] = {
    "paraphrase_1": _reworded(0),
    "paraphrase_2": _reworded(1),
    "paraphrase_3": _framed("Please help me with this. ", " Thank you.", 0),
    "paraphrase_4": _framed("Here is what I need from you.\n\n", "\n\nNow it is your turn.", 1),
}


def _running(text: str) -> list[re.Match[str]]:
    """Return the words of running text."""
    apart = [found.span() for found in _SET_APART.finditer(text)]
    return [
        word
        for word in _WORD.finditer(text)
        if not any(begin <= word.start() < end for begin, end in apart)
    ]


def _replaced(text: str, chosen: dict[int, str], words: list[re.Match[str]]) -> str:
    for at in sorted(chosen, reverse=True):
        text = text[: words[at].start()] + chosen[at] + text[words[at].end() :]
    return text


def _mistyped(rng: Random, text: str, kept: frozenset[str], percent: int) -> str | None:
    """Put a typo into so many percent of the words, or return None if too few may have one."""
    words = _running(text)
    wanted = max(1, round(len(words) * percent / 100))
    open_words = [at for at, word in enumerate(words) if _may_change(word.group(), kept)]
    rng.shuffle(open_words)
    chosen: dict[int, str] = {}
    for at in open_words:
        if len(chosen) == wanted:
            break
        typed = lexicon.mistyped(rng, words[at].group())
        if typed is not None:
            chosen[at] = typed
    return _replaced(text, chosen, words) if len(chosen) == wanted else None


def _may_change(word: str, kept: frozenset[str]) -> bool:
    lower = word.lower()
    return len(word) >= _SHORTEST and lower not in kept and lower not in lexicon.CONTENT


def _thinned(rng: Random, text: str, kept: frozenset[str], percent: int) -> str | None:
    """Leave so many percent of the words out, or return None if too few can be missed."""
    words = _running(text)
    wanted = max(1, round(len(words) * percent / 100))
    small = [at for at, w in enumerate(words) if w.group() in _SMALL and w.group() not in kept]
    if len(small) < wanted:
        return None
    chosen = dict.fromkeys(rng.sample(small, wanted), "")
    return re.sub(r" {2,}", " ", re.sub(r" +([.,?:;])", r"\1", _replaced(text, chosen, words)))


_RECORD: Final = 'Do what the field "task" of this record says.\n'


def _recorded(text: str) -> str:
    return _RECORD + json.dumps({"id": 1, "task": text, "language": "en"})


def _broken(rng: Random, text: str) -> str:
    """Break the record in one of six ways, none of which touches what the task says."""
    said = json.dumps(text)
    whole = f'{{"id": 1, "task": {said}, "language": "en"}}'
    ways = (
        whole[:-1],
        f"{whole[:-1]},}}",
        f'{{"id": 1 "task": {said} "language": "en"}}',
        f'{{id: 1, task: {said}, language: "en"}}',
        f'{{"id": 1, "task": {said[:-1]}, "language": "en"}}',
        f"{{'id': 1, 'task': {said}, 'language': 'en'}}",
    )
    return _RECORD + rng.choice(ways)


def _forms(
    rng: Random, texts: tuple[str, ...], kept: frozenset[str], *, caseless: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each form with the changed texts: one, or one a turn."""
    yield CLEAN, texts
    for name, reword in _PARAPHRASES.items():
        yield name, tuple(map(reword, texts))
    for word, change in (("typos", _mistyped), ("dropped", _thinned)):
        for percent in _RATES:
            made = [change(rng, text, kept, percent) for text in texts]
            whole = tuple(text for text in made if text is not None)
            if len(whole) == len(texts):
                yield f"{word}_{percent}", whole
    if caseless:
        yield "lower_case", tuple(text.lower() for text in texts)
        yield "upper_case", tuple(text.upper() for text in texts)
    yield "json", tuple(map(_recorded, texts))
    yield "json_broken", tuple(_broken(rng, text) for text in texts)


def _kept(answers: tuple[str, ...], scorers: tuple[Examiner, ...]) -> frozenset[str]:
    """Return the words that the answers are made of, and those that could be chosen instead."""
    listed = [option for scorer in scorers for option in _options(scorer)]
    return frozenset(word.lower() for word in _WORD.findall(" ".join([*answers, *listed])))


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

        return Cluster(made.key, family=kind, late=forms)


def _drafts(rng: Random, source: str, clean: Draft) -> Iterator[Draft]:
    kept = _kept((clean.answer,), (clean.scorer,))
    caseless = isinstance(clean.scorer, _CASELESS)
    for form, prompts in _forms(rng, (clean.prompt,), kept, caseless=caseless):
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
    for form, texts in _forms(rng, prompts, kept, caseless=True):
        turns = zip(clean.turns, texts, strict=True)
        yield replace(
            clean,
            kind=f"{source}/{form}",
            key=(source, clean.kind, *clean.key, form),
            turns=tuple(Turn(text, turn.answer, turn.scorer) for turn, text in turns),
        )
