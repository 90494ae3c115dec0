"""Answers that came whole and are none to what was asked: the server cut, mixed up or kept them.

The model is not to blame for them, so that their items are `not_run` with the reason. Not aware of
marks. Bounds: a word with white space around it is a token at least, in every vocabulary in use; a
control token is never text where the template is the model's own.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
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
_BEGINNING: Final = 30
_SEVERAL: Final = 2
_TELLING: Final = 8


@final
@dataclass(frozen=True, slots=True)
class Put:
    """What is known of a question: how many words it has, and the control tokens in it.

    It is not `fresh` as a later turn, or where it begins like an earlier one: some servers count
    only what their cache did not have.
    """

    words: int
    fresh: bool = True
    controls: frozenset[str] = frozenset()

    @classmethod
    def of(cls, messages: Sequence[Message], ask: int, begun: set[str]) -> Put:
        """Look at a question; `begun` holds how the others of the run begin, and takes this."""
        said = " ".join(turn.content for turn in messages)
        words = said.split()
        beginning = " ".join(words[:_BEGINNING])
        known = beginning in begun
        begun.add(beginning)
        controls = frozenset(m[0] for m in _CONTROL.finditer(said))
        return cls(len(words), not ask and not known, controls)


def no_answer(put: Put, attempt: Attempt) -> Failed | None:
    """Return why an answer is none to a question, or None where nothing speaks against it."""
    cut = _cut(put.words, attempt) if put.fresh else None
    return cut or _template(put.controls, attempt)


def may_be_cut(put: Put, attempt: Attempt) -> bool:
    """Say whether a question that is not fresh was cut, if the server cuts at all."""
    return not put.fresh and _cut(put.words, attempt) is not None


def _cut(words: int, attempt: Attempt) -> Failed | None:
    """A server that counts fewer prompt tokens than there are words has not read them all."""
    if not isinstance(attempt.usage, Measured):
        return None
    usage = attempt.usage.value
    cached = usage.cached_tokens.value if isinstance(usage.cached_tokens, Measured) else 0
    came = usage.prompt_tokens + cached
    if came >= words * _CUT_SHARE - _CUT_TOKENS:
        return None
    return Failed("prompt_cut", f"of {words} words the server counted {came} tokens")


def _template(asked: frozenset[str], attempt: Attempt) -> Failed | None:
    """Control tokens as text: the template is another model's, or the server shows its own.

    They stand where a turn begins or ends. One within a sentence, or one that the question brought
    up, is spoken of.
    """
    text = attempt.text.strip()
    found = [m for m in _CONTROL.finditer(text) if m[0] not in asked]
    edges = [m for m in found if m.start() == 0 or m.end() == len(text)]
    if edges or len(found) >= _SEVERAL:
        shown = (edges or found)[0][0]
    elif text.endswith(_END) and "<s>" not in text and "</" not in text[: -len(_END)]:
        shown = _END
    else:
        return None
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
    """Return the id that a server gave its answer; empty where it gave none that tells it apart."""
    for line in body.split(b"\n"):
        data = line.strip().removeprefix(b"data:").strip()
        if data.startswith(b"{"):
            try:
                named = json.loads(data).get("id")
            except (ValueError, RecursionError):
                return ""
            told = named if isinstance(named, str) else ""
            # Short numbers are drawn by some servers and come again by chance.
            return told if len(told.rpartition("-")[2]) >= _TELLING else ""
    return ""


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
