"""A summary in one sentence that must hold some facts and none of the others, and its mark.

Which documents belong in is what has to be found out; each is named by its id and one fact of it.
How the sentence is worded is free, so is the order. Not aware of documents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from steelyard.domain.task import Answer, Mark
from steelyard.tasks.scoring import finished_part, mark_of

_SENTENCE_ENDS: Final = re.compile(r"[.!?]\s+\S")
_WORDS_OF_FRAME: Final = 16
_WORDS_A_DOCUMENT: Final = 4


def room(documents: int) -> int:
    """Return how many words a summary may have: as many whatever belongs in."""
    return _WORDS_OF_FRAME + _WORDS_A_DOCUMENT * documents


def sentence(noun: str, facts: Mapping[str, str], said: str) -> str:
    """Write a summary that is right."""
    listed = ", ".join(f"{name} ({fact})" for name, fact in facts.items())
    return f"{noun.capitalize()}s {said}: {listed}."


@final
@dataclass(frozen=True, slots=True)
class SummaryScorer:
    """One sentence of at most so many words with all of `wanted` and nothing of `others`.

    `noun` is what the documents are called: a text that has neither it nor a fact is no summary.
    """

    noun: str
    wanted: tuple[str, ...]
    others: tuple[str, ...]
    words: int

    def mark(self, answer: Answer) -> Mark:
        """Right if every fact is there, no other one is, and the words do."""
        text = finished_part(answer)
        about = rf"\b{self.noun}s?\b"
        read = re.search(about, text, re.IGNORECASE) or any(
            _has(text, fact) for fact in (*self.wanted, *self.others)
        )
        held = {
            "all_facts": all(_has(text, fact) for fact in self.wanted),
            "no_other_fact": not any(_has(text, fact) for fact in self.others),
            "short": len(text.split()) <= self.words,
        }
        one = bool(text) and not _SENTENCE_ENDS.search(text)
        return mark_of(
            answer,
            text if read and one and "\n" not in text else None,
            text if read else None,
            {"one_sentence": one, **held},
            right=all(held.values()),
        )


def _has(text: str, fact: str) -> bool:
    """Say whether a fact stands in a text as it was written: a `Will` is no `will`."""
    return re.search(rf"(?<![\w-]){re.escape(fact)}(?![\w-])", text) is not None
