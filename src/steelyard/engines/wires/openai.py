"""The OpenAI-style chat wire that several engines speak: request bodies and stream chunks.

Fields: the chat-completions API, and `reasoning_content` / `reasoning` as vLLM, SGLang and
llama.cpp send them. One answer is asked for: of several choices the first is read, and the tokens
of the others are in the engine's count alone. Not aware of any one engine, of sockets, or of time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.stream import (
    Content,
    Finished,
    Reasoning,
    RoleStarted,
    StreamEvent,
    ToolCall,
    Usage,
)
from steelyard.domain.task import Media, Message
from steelyard.domain.workload import GenerationRequest

Object: TypeAlias = Mapping[str, Any]

UNREADABLE: Final = "the answer's content is neither a text nor parts of one"
_KIND_MAX: Final = 40

# By which words engines and gateways say what went wrong; the first that fits counts.
_FAILURES: Final = {
    "malformed_content": re.escape(UNREADABLE.lower()),
    "media_refused": r"(image|audio|video|multimodal)s? inputs? (is|are) not supported"
    r"|(does|do) not support (image|audio|video|vision|multimodal)"
    r"|support (image|audio|video) input|is not a multimodal model"
    r"|at most 0 (image|audio|video)|missing data required for image"
    r"|unsupported content(\[\]\.type| part type)|failed to load (image|audio|video)",
    "prompt_cut": r"the prompt was cut",
    # What a server says that has no place for tools, or was started without their parser.
    "no_tools": r"not support tools|not support tool|support tool use|enable-auto-tool-choice"
    r"|tool-call-parser|tools param requires|requires --jinja|tools are not supported",
    "context_overflow": r"exceed_context_size|context.size|context.length|context window"
    r"|max_seq_len|`inputs` (tokens|must have less)|context the overflows",
    "model_missing": r"\bmodel\b.* (not found|does not exist)|model_not_found"
    r"|no models? (are currently )?loaded"
    r"|no endpoints found for|not a valid model",
    # One that could not be loaded will not be there a moment later.
    "loading": r"(?<!failed )(?<!error )loading model|model is (currently )?load|still loading",
    "quota": r"insufficient.(quota|credits)|exceeded your current quota|requires more credits"
    r"|usage limit",
    "content_filter": r"content_filter|content management policy|moderation|flagged",
    "overloaded": r"overloaded|no slot available|queue is full|server busy|rate.limit"
    r"|too many requests|maximum pending requests",
}


@final
@dataclass(frozen=True, slots=True)
class Chunk:
    """One message: what it says in the product's words, and the object itself."""

    events: tuple[StreamEvent, ...]
    raw: Object

    def mapping(self, key: str) -> Object | None:
        """Return the object under `key`, where there is one."""
        return as_object(self.raw.get(key))


def chat_body(request: GenerationRequest) -> dict[str, object]:
    """Return the body of a chat request; everything that is not asked for is left out."""
    body: dict[str, object] = {
        "messages": [message(turn) for turn in request.messages],
        "max_tokens": request.max_tokens,
        "stream": request.stream,
        **sampling(request),
    }
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    if request.top_logprobs:
        body["logprobs"], body["top_logprobs"] = True, request.top_logprobs
    if request.tools:
        body["tools"] = [json.loads(tool) for tool in request.tools]
    if request.schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "strict": True,
                "schema": json.loads(request.schema),
            },
        }
    return body


def message(turn: Message) -> dict[str, object]:
    """Return one turn as the chat API has it: media as parts before the text."""
    content: object = turn.content
    if turn.media:
        content = [*map(_part, turn.media), {"type": "text", "text": turn.content}]
    written: dict[str, object] = {"role": turn.role, "content": content}
    if turn.calls:
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in turn.calls
        ]
    if turn.answers:
        written["tool_call_id"] = turn.answers
    return written


def _part(media: Media) -> dict[str, object]:
    """Return a part: sound by OpenAI's own word, film by the one that vLLM and SGLang take."""
    url = f"data:{media.type};base64,{media.data}"
    match media.kind:
        case "image":
            return {"type": "image_url", "image_url": {"url": url}}
        case "audio":
            form = media.type.rpartition("/")[2]
            return {"type": "input_audio", "input_audio": {"data": media.data, "format": form}}
        case "video":
            return {"type": "video_url", "video_url": {"url": url}}


def sampling(request: GenerationRequest) -> dict[str, object]:
    """Return the seed and every sampling parameter that is stated."""
    chosen = request.sampling
    optional = {"top_k": chosen.top_k, "top_p": chosen.top_p, "min_p": chosen.min_p}
    stated = {name: value for name, value in optional.items() if value is not None}
    return {"seed": request.seed, "temperature": chosen.temperature, **stated}


def parse(data: str) -> Chunk:
    """Read one chunk, or one whole unstreamed answer; raise `DialectError` if it is an error."""
    try:
        return _chunk(data)
    except RecursionError:
        words = f"the engine sent JSON that nests too deeply: {data[:120]!r}"
        raise DialectError(words) from None


def _chunk(data: str) -> Chunk:
    try:
        raw = json.loads(data)
    except ValueError:
        raise DialectError(f"the engine sent what is not JSON: {data[:120]!r}") from None
    if not isinstance(raw, dict):
        raise DialectError(f"the engine sent {data[:120]!r} where an object belongs")
    if raw.get("error"):
        raise DialectError(error_words(raw["error"]))
    if raw.get("object") == "error":  # vLLM until 2025 put its errors so
        raise DialectError(error_words(raw))
    return Chunk(tuple(_events(raw)), raw)


def named_model(data: str) -> str | None:
    """Return the model's name in a message, where one stands."""
    model = parse(data).raw.get("model")
    return model if isinstance(model, str) else None


def error_words(error: object) -> str:
    """Return what an error object says, its type first; a code only where it is a word."""
    if not isinstance(error, dict):
        return str(error)
    said = (error.get(key) for key in ("type", "code", "message"))
    words = [str(word) for word in said if word and not isinstance(word, int)]
    reasons = (as_object(error.get("metadata")) or {}).get("reasons")
    if isinstance(reasons, list) and reasons:  # OpenRouter's, of an input that was flagged
        words.append(f"flagged for {', '.join(map(str, reasons))}")
    return ": ".join(words) or json.dumps(error)


def failure_code(words: str, *, otherwise: str) -> str:
    """Return the stable code of an engine's error by its words."""
    lower = words.lower()
    found = (code for code, marks in _FAILURES.items() if re.search(marks, lower))
    return next(found, otherwise)


def as_object(value: object) -> Object | None:
    """Return the value if it is an object."""
    return value if isinstance(value, dict) else None


def count(raw: Object, key: str, *, who: str) -> Reading[int]:
    """Return a whole number, or why there is none. Absent is not zero."""
    value = raw.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return Measured(value, source="engine")
    return Missing("not_reported", f"{who}={value!r}")


def _events(raw: Object) -> Iterator[StreamEvent]:
    choices = raw.get("choices")
    counted = as_object(raw.get("usage"))
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            raise DialectError(f"the engine sent a choice that is no object: {choice!r}")
        if choice.get("index", position) != 0:
            continue
        # The completions route, which takes tokens for a prompt, puts its text beside them.
        said = {"content": choice["text"]} if choice.get("text") else {}
        delta = as_object(choice.get("delta")) or as_object(choice.get("message")) or said
        yield from _delta(delta)
        if isinstance(reason := choice.get("finish_reason"), str):
            yield Finished(reason)
        counted = counted or as_object(choice.get("usage"))  # Moonshot counts within the choice
    if counted is not None:
        yield from _usage(counted)


def _delta(delta: Object) -> Iterator[StreamEvent]:
    found: list[StreamEvent] = []
    for key in ("reasoning_content", "reasoning"):
        if isinstance(thought := delta.get(key), str) and thought:
            found.append(Reasoning(thought))
            break
    found.extend(_said(delta.get("content")))
    if isinstance(refusal := delta.get("refusal"), str) and refusal:
        found.append(Content(refusal))  # what the model said instead
    calls = delta.get("tool_calls")
    for position, call in enumerate(calls if isinstance(calls, list) else ()):
        found.append(_tool_call(call, position))
    if not found and "role" in delta:
        found.append(RoleStarted())
    yield from found


def _said(content: object) -> Iterator[Content | Reasoning]:
    """Read what was said: a text, or parts of it as Mistral and gateways send them.

    A part that is none of text is left out where another one is: a citation, say.

    Raises `DialectError` for anything else: an answer that cannot be read is not an empty one.
    """
    if isinstance(content, str):
        if content:
            yield Content(content)
        return
    if content is not None and not isinstance(content, list):
        raise _unreadable(type(content).__name__)
    read, unread = False, ""
    for part in content or ():
        match part:
            case {"type": "reference"} | None:
                read = read or part is None  # no words of the answer's own
            case str(text):
                read = True
                yield from _said(text)
            case {"type": "text" | "output_text", "text": str() | None as text}:
                read = True
                yield from _said(text)
            case {"type": "refusal", "refusal": str() | None as text}:
                read = True
                yield from _said(text)
            case {"type": "thinking", "thinking": str() | list() | None as thought}:
                yield from (Reasoning(one.text) for one in _said(thought))
            case {"type": str(kind)}:
                unread = unread or f"a part of type {kind[:_KIND_MAX]!r}"
            case _:
                unread = unread or f"a part that is {type(part).__name__}"
    if unread and not read:
        raise _unreadable(unread)


def _unreadable(what: str) -> DialectError:
    return DialectError(f"{UNREADABLE}: {what}")


def _tool_call(call: object, position: int) -> ToolCall:
    raw = as_object(call) or {}
    function = as_object(raw.get("function")) or {}
    index = raw.get("index")
    return ToolCall(
        index if isinstance(index, int) else position,
        str(function.get("name") or ""),
        str(function.get("arguments") or ""),
        str(raw.get("id") or ""),
    )


def _usage(raw: Object) -> Iterator[Usage]:
    prompt, output = raw.get("prompt_tokens"), raw.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(output, int):
        return  # one count without the other cannot be used as a pair
    prompt_details = as_object(raw.get("prompt_tokens_details")) or {}
    output_details = as_object(raw.get("completion_tokens_details")) or {}
    thought = "reasoning_tokens"  # SGLang counts them beside the others
    yield Usage(
        prompt,
        output,
        cached_tokens=_detail(prompt_details, "cached_tokens"),
        reasoning_tokens=_detail(output_details if thought in output_details else raw, thought),
        cost=_cost(raw),
    )


def _cost(raw: Object) -> Reading[float]:
    """Return what was billed, in US dollars, as OpenRouter writes it beside the counts."""
    value = raw.get("cost")
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Measured(float(value), "engine")
    return Missing("not_reported")


def _detail(details: Object, key: str) -> Reading[int]:
    value = details.get(key)
    return Measured(value, source="engine") if isinstance(value, int) else Missing("not_reported")
