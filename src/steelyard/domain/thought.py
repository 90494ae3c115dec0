"""Thinking within generated text: the marks that models put around it, and what was said aloud.

One table for all that reads answers. Thinking stands at the beginning; where a chat template opened
it within the prompt, only the closing mark is seen. Sources of the marks: the reasoning parsers of
vLLM and SGLang, llama.cpp's chat parser, the harmony format. Not aware of engines or items.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

MARKS: Final[tuple[tuple[str, str], ...]] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    # harmony: the turn's head stands behind the thinking, and what ends its message before that
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
_ANYWHERE: Final = re.compile(
    "|".join(rf"{re.escape(opens)}.*?(?:{re.escape(ends)}|\Z)" for opens, ends in MARKS), re.DOTALL
)


@final
@dataclass(frozen=True, slots=True)
class Thought:
    """What was thought at the beginning of a text, and where the answer begins behind it.

    `end` is 0 where nothing was thought, and the text's length where it never ended. White space
    behind a closing mark belongs to it.
    """

    text: str = ""
    end: int = 0


def leading(text: str, *, bare: bool) -> Thought:
    """Find the thinking that a text begins with; `bare` also takes a closing mark alone.

    A closing mark is none where thinking came in a field of its own: then it is only a word.
    """
    parts: list[str] = []
    end = 0
    while (found := _next(text, end)) is not None:
        part, end = found
        parts.append(part)
    if not parts and bare:
        return _unopened(text)
    return Thought("\n".join(filter(None, parts)), end)


def aloud(text: str, *, bare: bool) -> str:
    """Return what a text says aloud: without thinking, wherever it stands."""
    return _ANYWHERE.sub("", text[leading(text, bare=bare).end :])


def _next(text: str, start: int) -> tuple[str, int] | None:
    """Return a stretch of thinking that is opened here, and where it ends."""
    at = _past_space(text, start)
    for opens, ends in MARKS:
        if text.startswith(opens, at):
            begins = at + len(opens)
            close = text.find(ends, begins)
            if close < 0:
                return text[begins:].strip(), len(text)
            return text[begins:close].strip(), _past_space(text, close + len(ends))
    return None


def _unopened(text: str) -> Thought:
    """Return what comes before the first closing mark whose own opening does not."""
    closes = ((text.find(ends), opens, ends) for opens, ends in MARKS)
    known = [found for found in closes if found[0] >= 0 and found[1] not in text[: found[0]]]
    if not known:
        return Thought()
    close, _, ends = min(known)
    return Thought(text[:close].strip(), _past_space(text, close + len(ends)))


def _past_space(text: str, start: int) -> int:
    rest = text[start:]
    return start + len(rest) - len(rest.lstrip())
