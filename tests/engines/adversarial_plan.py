"""What a made-up server says, drawn from a seed: words, thoughts, tool calls, counts, failures."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]


WORDS = (
    *(
        " the",
        " cat",
        "ä",
        "€uro",
        "日本",
        "🙂",
        "👩‍🚀",
        "\n",
        "\r\n",
        "\t",
        '"quoted"',
        "\\n",
        "data:",
    ),
    *(" <b>", "&amp;", "\u2028", "\x00", " ", "a", "[DONE]", "{", "}", "é̂", ":", "\ufeff", " 4.2"),
)


PROMPT_TOKENS = 17


@dataclass(frozen=True)
class Call:
    """One tool call, whole."""

    name: str
    arguments: str


@dataclass
class Said:
    """One message of the answer and what it means. `kind` is None where it brings no token."""

    data: Object | str
    kind: str | None = None
    tokens: int = 0
    content: str = ""
    thought: str = ""
    call: tuple[int, str, str] | None = None
    finish: bool = False
    counted: int | None = None
    error: str | None = None
    named: str = ""


@dataclass
class Plan:
    """An answer in the making.

    `tags` is set where thinking stands within the content: how long that part is, the thinking
    itself, and whether the answer shows the opening tag.
    """

    rng: random.Random
    said: list[Said] = field(default_factory=list)
    tags: tuple[int, str, bool] | None = None
    field: str = "reasoning_content"
    usage: str = "trailing"
    generated: int = 0

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def words(self, tokens: int) -> str:
        return "".join(self.rng.choices(WORDS, k=tokens))

    def several(self) -> int:
        """How many tokens an event carries."""
        return 1 if self.chance(0.5) else self.rng.randint(1, 32)


def planned(rng: random.Random) -> Plan:
    """Draw an answer that is streamed."""
    plan = Plan(rng)
    plan.usage = rng.choice(("absent", "trailing", "continuous", "finish", "choice"))
    plan.field = rng.choice(("reasoning_content", "reasoning", "both"))
    if plan.chance(0.7):
        plan.said.append(Said(_delta(rng, role="assistant", content=rng.choice((None, "")))))
    thinking = rng.choice(("none", "none", "field", "tags", "bare"))
    silent = plan.chance(0.03)
    if not silent:
        if thinking == "field":
            _think_apart(plan)
        if thinking in ("tags", "bare"):
            _think_within(plan, opened=thinking == "tags")
        elif plan.chance(0.8) or not plan.said:
            _answer(plan, beside=thinking == "field")
            if thinking == "field" and plan.chance(0.2):
                _think_apart(plan)
        if plan.chance(0.25):
            _call_tools(plan)
    _finish(plan, silent=silent)
    _disturb(plan)
    return plan


def _think_apart(plan: Plan) -> None:
    for _ in range(plan.rng.randint(1, 5)):
        tokens = plan.several()
        text = plan.words(tokens)
        keys = ("reasoning_content", "reasoning") if plan.field == "both" else (plan.field,)
        _token(plan, dict.fromkeys(keys, text), "reasoning", tokens, thought=text)


def _think_within(plan: Plan, *, opened: bool) -> None:
    """Thinking between tags inside the content; events end anywhere, within the tags too."""
    thought = plan.words(plan.rng.randint(0, 8)).strip()
    blank = plan.rng.choice(("", "\n", "\n\n", " "))
    before = plan.rng.choice(("", "\n")) if opened else ""
    head = f"{before}{'<think>' if opened else ''}{thought}</think>{blank}"
    answer = "The" + plan.words(plan.rng.randint(0, 8))
    whole = head + answer
    cuts = sorted({plan.rng.randrange(1, len(whole)) for _ in range(plan.rng.randint(0, 9))})
    for start, end in pairwise([0, *cuts, len(whole)]):
        piece = whole[start:end]
        kind = "reasoning" if end <= len(head) else "content"
        _token(plan, {"content": piece}, kind, plan.several(), content=piece)
    plan.tags = (len(head), thought, opened)


def _answer(plan: Plan, *, beside: bool) -> None:
    """Answer text. `beside` thinking in a field of its own, a closing tag is only a word."""
    for _ in range(plan.rng.randint(1, 6)):
        tokens = plan.several()
        text = plan.words(tokens) + ("</think>" if beside and plan.chance(0.1) else "")
        key = "refusal" if plan.chance(0.02) else "content"
        _token(plan, {key: text}, "content", tokens, content=text)
    if plan.chance(0.03):  # a character that comes in halves
        for half in ("\ud83d", "\ude42"):
            _token(plan, {"content": half}, "content", 1, content=half)


def _call_tools(plan: Plan) -> None:
    """Several calls whose pieces come mixed; the index says which is which."""
    rng = plan.rng
    pieces: list[list[tuple[int, str, str]]] = []
    for index in range(rng.randint(1, 3)):
        arguments = json.dumps({"city": plan.words(3), "n": index})
        cuts = sorted({rng.randrange(1, len(arguments)) for _ in range(rng.randint(0, 3))})
        parts = [arguments[a:b] for a, b in pairwise([0, *cuts, len(arguments)])]
        first = "" if plan.chance(0.5) else parts.pop(0)
        pieces.append([(index, f"tool_{index}", first), *((index, "", part) for part in parts)])
    while pieces:
        queue = rng.choice(pieces)
        index, name, arguments = queue.pop(0)
        if not queue:
            pieces.remove(queue)
        function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
        call = {"index": index, "type": "function", "function": function}
        said = Said(_delta(rng, tool_calls=[call]), "tool_call", plan.several())
        said.call = (index, name, arguments)
        _add(plan, said)


def _token(
    plan: Plan, delta: Object, kind: str, tokens: int, *, content: str = "", thought: str = ""
) -> None:
    _add(plan, Said(_delta(plan.rng, **delta), kind, tokens, content, thought))


def _add(plan: Plan, said: Said) -> None:
    plan.generated += said.tokens
    if plan.usage == "continuous" and isinstance(said.data, dict):
        said.data["usage"] = usage_of(plan.generated)
        said.counted = plan.generated
    plan.said.append(said)


def _finish(plan: Plan, *, silent: bool) -> None:
    rng = plan.rng
    reason = rng.choice(("stop", "length", "tool_calls"))
    # The end token is counted and has no text; an engine may also stop at once, uncounted.
    plan.generated += (not silent or plan.chance(0.5)) and reason == "stop"
    data = _delta(rng)
    data["choices"][0]["finish_reason"] = reason
    last = Said(data, finish=True)
    plan.said.append(last)
    if plan.usage in ("finish", "continuous"):
        data["usage"] = usage_of(plan.generated)
        last.counted = plan.generated
    elif plan.usage == "choice":
        data["choices"][0]["usage"] = usage_of(plan.generated)
        last.counted = plan.generated
    if plan.usage in ("trailing", "continuous"):
        empty = {"id": "c", "object": "chat.completion.chunk", "choices": []}
        plan.said.append(Said({**empty, "usage": usage_of(plan.generated)}, counted=plan.generated))
    if plan.chance(0.85):
        plan.said.append(Said("[DONE]"))


def _disturb(plan: Plan) -> None:
    """Put in what means nothing, and in some answers an error or a second choice."""
    rng = plan.rng
    noise: tuple[Callable[[], Object], ...] = (
        lambda: _delta(rng, content=""),
        lambda: _delta(rng),
        lambda: _delta(rng, tool_calls=[]),
        lambda: _delta(rng, reasoning_content=None, content=None),
        lambda: {"choices": []},
    )
    for _ in range(rng.choice((0, 0, 1, 3))):
        plan.said.insert(rng.randint(0, len(plan.said)), Said(rng.choice(noise)()))
    if plan.chance(0.08):
        for _ in range(rng.randint(1, 4)):
            other = _delta(rng, content=plan.words(3))
            other["choices"][0]["index"] = rng.randint(1, 2)
            plan.said.insert(rng.randint(0, len(plan.said)), Said(other))
    if plan.chance(0.06):
        plan.said.insert(rng.randint(0, len(plan.said)), _failure(rng))


def _failure(rng: random.Random) -> Said:
    error = {"message": "CUDA error", "type": "server_error", "code": 500}
    forms: tuple[tuple[Object | str, str], ...] = (
        ({"error": error}, ""),
        ({"error": "CUDA error"}, ""),
        ({"object": "error", **error}, ""),
        (error, "error"),
        ({"error": error}, "error"),
        ({"type": "error", "error": error}, "error"),
        ("CUDA error", "error"),
    )
    data, named = rng.choice(forms)
    return Said(data, error="error_in_stream", named=named)


def _delta(rng: random.Random, **fields: object) -> Object:
    choice: Object = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": None}
    if rng.random() < 0.2:
        del choice["finish_reason"]
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": "tiny", "choices": [choice]}
    return {**chunk, "usage": None} if rng.random() < 0.2 else chunk


def usage_of(tokens: int) -> Object:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
        "prompt_tokens_details": None,
    }
