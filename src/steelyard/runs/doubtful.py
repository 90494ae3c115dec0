"""Answers that came whole and are none to what was asked: the server cut, mixed up or kept them.

The model is not to blame for them, so that their items are `not_run` with the reason. Not aware of
marks. Bounds: a word with white space around it is a token at least, in every vocabulary in use; a
control token is never text where the template is the model's own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, final

from steelyard.domain.reading import Measured
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.task import Message

K = TypeVar("K", bound=Hashable)
# What no other request of the same run will be answered either.
HOPELESS: Final = frozenset({"quota", "not_allowed", "model_missing"})
_CUT_SHARE: Final = 0.7
_CUT_TOKENS: Final = 32
_CONTROL: Final = re.compile(
    r"<\|(?:im_start|im_end|im_sep|eot_id|eom_id|start_header_id|end_header_id|begin_of_text"
    r"|end_of_text|endoftext|system|user|assistant|end|start|message|channel)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<｜(?:User|Assistant|end▁of▁sentence)｜>"
)
_END: Final = "</s>"
_ANSWER: Final = re.compile(rb'"id"\s*:\s*"([^"\\]{1,200})"')
_HEAD: Final = 4096


def words_of(messages: Iterable[Message]) -> int:
    """Count the words of a conversation, as white space parts them."""
    return sum(len(turn.content.split()) for turn in messages)


def no_answer(words: int, attempt: Attempt) -> Failed | None:
    """Return why an answer to so many words is none, or None where nothing speaks against it."""
    return _cut(words, attempt) or _template(attempt)


def _cut(words: int, attempt: Attempt) -> Failed | None:
    """A server that counts fewer prompt tokens than there are words has not read them all."""
    if not isinstance(attempt.usage, Measured):
        return None
    came = attempt.usage.value.prompt_tokens
    if came >= words * _CUT_SHARE - _CUT_TOKENS:
        return None
    return Failed("prompt_cut", f"of {words} words the server counted {came} tokens")


def _template(attempt: Attempt) -> Failed | None:
    """Control tokens as text: the template is another model's, or the server shows its own."""
    text = attempt.text.rstrip()
    found = _CONTROL.search(text)
    if found is None and not text.endswith(_END):
        return None
    shown = found[0] if found else _END
    return Failed("template_broken", f"the answer holds {shown}, a token of a chat template")


def by_others(attempts: Iterable[Attempt]) -> frozenset[str]:
    """Return the samples that another model answered than the one that answered most.

    A hosted model may come from several providers: those have one name before ` by `.
    """
    named = {
        (a.sample, a.ask): a.model.partition(" by ")[0]
        for a in attempts
        if isinstance(a.outcome, Completed) and a.model is not None
    }
    if not named:
        return frozenset()
    ((most, _),) = Counter(named.values()).most_common(1)
    return frozenset(sample for (sample, _), name in named.items() if name != most)


# ── kept by somebody on the way ─────────────────────────────────────────────────────────────────


@final
@dataclass(frozen=True, slots=True)
class Named:
    """By what the server calls an answer, and what it says."""

    name: str
    text: str


def name_of(body: bytes) -> str:
    """Return the id that a server gave its answer; empty where it gave none."""
    found = _ANSWER.search(body[:_HEAD])
    return found[1].decode(errors="replace") if found else ""


def kept(answers: Mapping[K, Named]) -> frozenset[K]:
    """Return the requests that got an answer made for an earlier one, which are given in order.

    A name that comes back with the same words is a kept answer; of each such name the first request
    is the one that it was made for. A server that gives one name to answers of several words does
    not tell them apart, and nothing is known.
    """
    requests: dict[str, list[K]] = defaultdict(list)
    texts: dict[str, set[str]] = defaultdict(set)
    for request, answer in answers.items():
        if answer.name:
            requests[answer.name].append(request)
            texts[answer.name].add(answer.text)
    # One name for everything may be a server that names no answer.
    if any(len(said) > 1 for said in texts.values()) or len(requests) < 2:  # noqa: PLR2004
        return frozenset()
    return frozenset(later for asked in requests.values() for later in asked[1:])
