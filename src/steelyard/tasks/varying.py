"""Any text item asked clean and in forms that should change nothing: what `--vary` makes of a task.

The clean item stays what it is, id included; each form is another item of its cluster, named after
it. Only what the user says is changed, at every turn; the words that the known answer and its
scorer are made of stay. A form that an item has no room for is left out. What cannot be varied is
refused with the reason. Not aware of engines or of how forms are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from random import Random
from typing import Final, TypeAlias

from steelyard.domain.errors import BadInput, UnknownName
from steelyard.tasks.conversation import Conversation
from steelyard.tasks.errand import Errand
from steelyard.tasks.given.judged import JudgeScorer
from steelyard.tasks.given.texts import ContainsScorer, NormalisedScorer, Unscored
from steelyard.tasks.items import Question, Turn, content_hash
from steelyard.tasks.rewording import CLEAN, FORMS, OF_CASE, WORD, reworded
from steelyard.tasks.robustness import CASELESS, Robustness

Varied: TypeAlias = Question | Conversation
_MARK: Final = "~"


def origin_of(item_id: str) -> str:
    """Return the id of the clean item that an item is a form of, its own if it is no form."""
    return item_id.partition(_MARK)[0]


def form_of(item_id: str) -> str:
    """Return the form of an item of a varied task."""
    return item_id.partition(_MARK)[2] or CLEAN


def require_known(forms: Sequence[str]) -> None:
    """Raise `UnknownName` for a form that there is not."""
    for form in forms:
        if form not in FORMS:
            raise UnknownName.among("form", form, FORMS)


def with_forms(
    items: Sequence[Question | Conversation | Errand], forms: Sequence[str]
) -> Iterator[Varied]:
    """Yield each item, and behind it its forms; raise `BadInput` where they cannot be had."""
    require_known(forms)
    if why := obstacle(items):
        raise BadInput(
            f"{items[0].family} cannot be varied: {why}",
            hint="leave it out of --tasks, or --vary out",
        )
    for item in items:
        if isinstance(item, Errand):
            continue  # none: it is an obstacle
        kept = _kept(item)
        yield replace(item, kind=f"{item.kind}/{CLEAN}")
        for form in forms if decided(item) else ():
            if (made := _in_form(item, form, kept)) is not None:
                yield made


def obstacle(items: Sequence[Question | Conversation | Errand]) -> str:
    """Say why items cannot be varied; empty where they can."""
    if items and not any(map(decided, items)):
        return "its items have no answer that is right or wrong, so that no form could change one"
    return next(filter(None, map(_obstacle, items)), "")


def _obstacle(item: Varied | Errand) -> str:
    if isinstance(item, Errand):
        return "its items call tools by a schema, and go on from there"
    if item.family == Robustness.name:
        return "it asks its items in every form already"
    if isinstance(item, Conversation):
        return ""
    if item.stretch is not None:
        return "its prompts are written to a length in tokens"
    if item.tools:
        return "its items call tools by a schema"
    if item.show is not tuple:
        return "its items show pictures, sounds or films"
    return ""


def decided(item: object) -> bool:
    """Say whether an answer to an item will be right or wrong: a file may ask without knowing."""
    scorer = getattr(item, "scorer", None)
    if isinstance(scorer, JudgeScorer):
        return scorer.pass_mark is not None
    return not isinstance(scorer, Unscored)


def _in_form(item: Varied, form: str, kept: frozenset[str]) -> Varied | None:
    named, kind = f"{item.id}{_MARK}{form}", f"{item.kind}/{form}"
    rng = Random(content_hash("form", item.id, form))
    if form in OF_CASE and not all(map(_caseless, _scorers(item))):
        return None
    texts = [reworded(form, rng, text, kept) for text in _texts(item)]
    whole = [text for text in texts if text is not None]
    if len(whole) < len(texts):
        return None
    if isinstance(item, Question):
        return replace(item, id=named, kind=kind, prompt=whole[0])
    turns = zip(item.turns, whole, strict=True)
    return replace(
        item,
        id=named,
        kind=kind,
        turns=tuple(Turn(text, turn.answer, turn.scorer) for turn, text in turns),
    )


def _texts(item: Varied) -> list[str]:
    if isinstance(item, Question):
        return [item.prompt]
    return [turn.prompt for turn in item.turns]


def _scorers(item: Varied) -> list[object]:
    if isinstance(item, Question):
        return [item.scorer]
    return [turn.scorer for turn in item.turns]


def _caseless(scorer: object) -> bool:
    """Say whether capitals in the prompt say nothing about the answer."""
    if isinstance(scorer, ContainsScorer):
        return scorer.ignore_case
    return isinstance(scorer, (*CASELESS, NormalisedScorer))


def _kept(item: Varied) -> frozenset[str]:
    """Return the words that the answers and their scorers are made of, in lower case."""
    known = [item.answer] if isinstance(item, Question) else [t.answer for t in item.turns]
    held = [text for scorer in _scorers(item) for text in _words_of(scorer)]
    return frozenset(word.lower() for word in WORD.findall(" ".join([*known, *held])))


def _words_of(value: object) -> Iterator[str]:
    """Yield the texts within a scorer; a rubric speaks to the judge."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, re.Pattern):
        yield str(value.pattern)
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in _words_of(part))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (text for part in value for text in _words_of(part))
    elif is_dataclass(value) and not isinstance(value, type):
        rubric = {"rubric"} if isinstance(value, JudgeScorer) else set()
        parts = (getattr(value, part.name) for part in fields(value) if part.name not in rubric)
        yield from (text for part in parts for text in _words_of(part))
