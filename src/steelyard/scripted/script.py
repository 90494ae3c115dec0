"""From one request to the bytes of its answer and the moments at which they are due. Pure.

The wire is llama-server's: chat chunks and raw completions as server-sent events, usage and
timings in the last one. All bytes are made before the first is due.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, final

from steelyard.scripted.calls import PIECE, CallPiece, as_text, called, joined
from steelyard.scripted.media import Files, content
from steelyard.scripted.plan import FaultKind, Plan, prompt_key, share, told

Then: TypeAlias = Literal["go on", "keep", "close", "hang", "die"]

_TEMPLATE_TOKENS: Final = 4  # begin, role, line end, end: for each turn
_WORDS: Final = (" one", " two", " three", " four", " five", " six", " seven", " eight")
_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nServer: scripted\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@final
@dataclass(frozen=True, slots=True)
class Cue:
    """Bytes to send `at_s` after the begin, what they add to the body, and what follows."""

    at_s: float
    data: bytes
    body_bytes: int = 0
    tokens: int = 0
    then: Then = "go on"


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants, as far as the script cares."""

    chat: bool
    stream: bool
    max_tokens: int
    exact: bool
    key: str
    prompt_tokens: int
    model: str
    echoed: Mapping[str, object]
    media: tuple[str, ...] = ()
    tool_tokens: int = 0
    schema: bool = False


Piece: TypeAlias = str | CallPiece


@final
@dataclass(frozen=True, slots=True)
class Scene:
    """One request's circumstances: its number, the served name, and how slow things are now.

    `before` counts the requests with the same prompt since the `start`, which is a number.
    """

    number: int
    model: str
    context_tokens: int
    vocabulary: int
    slowness: float = 1.0
    before: int = 0
    start: int = 0


def tokenise(text: str, vocabulary: int) -> list[int]:
    """Return stable token ids: pieces of up to four letters."""
    return [zlib.crc32(piece.encode()) % vocabulary for piece in PIECE.findall(text)]


def asked(path: str, body: Mapping[str, Any]) -> Asked:
    """Read a request's body."""
    chat = path == "/v1/chat/completions"
    tools = json.dumps(body["tools"], sort_keys=True) if body.get("tools") else ""
    media: tuple[str, ...] = ()
    if chat:
        read = [(str(m.get("role")), *_content(m)) for m in body.get("messages", ())]
        media = tuple(kind for _, _, files in read for kind, _ in files)
        key = prompt_key(((role, told(text, files)) for role, text, files in read), tools)
        tokens = sum(len(PIECE.findall(text)) + _TEMPLATE_TOKENS for _, text, _ in read) + 3
    else:
        prompt = body.get("prompt", "")
        pieces = prompt if isinstance(prompt, list) else PIECE.findall(str(prompt))
        key, tokens = prompt_key([("prompt", json.dumps(pieces))]), len(pieces)
    limit = body.get("max_tokens" if chat else "n_predict")
    return Asked(
        chat=chat,
        stream=bool(body.get("stream", False)),
        max_tokens=limit if isinstance(limit, int) and limit >= 0 else 256,
        exact=bool(body.get("ignore_eos", False)),
        key=key,
        prompt_tokens=tokens,
        model=str(body.get("model", "")),
        echoed={name: body[name] for name in ("seed", "temperature") if name in body},
        media=media,
        tool_tokens=len(PIECE.findall(tools)),
        schema="response_format" in body,
    )


def _content(message: Mapping[str, Any]) -> tuple[str, Files]:
    """Return what a turn says and which tools it calls, and its files."""
    said, files = content(message.get("content"))
    calls = [call.get("function", {}) for call in message.get("tool_calls") or ()]
    told = (f"\x1f{call.get('name')}\x1f{call.get('arguments')}" for call in calls)
    return said + "".join(told), files


def perform(wish: Asked, plan: Plan, scene: Scene) -> tuple[tuple[Cue, ...], frozenset[FaultKind]]:
    """Return the cues of the whole answer, and the faults planted into it."""
    faults = plan.faults_of(scene.number, wish.key)
    if plan.keeps_prompt_tokens is not None:
        kept = min(wish.prompt_tokens, plan.keeps_prompt_tokens)
        wish = replace(wish, prompt_tokens=kept)
    wish, refused = shown(wish, plan, faults)
    if refused is not None:
        return (refused,), faults
    if wish.tool_tokens and "tools_refused" in faults:
        return (
            _refusal(400, "invalid_request_error", "this model does not support tools"),
        ), faults
    if "tools_ignored" not in faults:
        wish = replace(wish, prompt_tokens=wish.prompt_tokens + wish.tool_tokens)
    if wish.prompt_tokens + 1 > scene.context_tokens:
        words = (
            f"request ({wish.prompt_tokens} tokens) exceeds the available context size "
            f"({scene.context_tokens} tokens), try increasing it"
        )
        return (_refusal(400, "exceed_context_size_error", words),), faults
    if wish.schema and "schema_refused" in faults:
        words = "response_format: json_schema is not a valid choice"
        return (_refusal(400, "invalid_request_error", words),), faults
    if "http_error" in faults:
        return (_refusal(500, "server_error", "planted failure"),), faults
    pieces, reason = _said(wish, plan, scene, faults)
    pace = scene.slowness / plan.speed
    ttft = (plan.ttft_s + plan.prefill_s_per_token * wish.prompt_tokens) * pace
    times = _schedule(ttft, plan.gap_s * pace, len(pieces), plan, wish.key)
    writer = _Writer(wish, scene, faults, pieces, reason)
    decode_s = (times[-1] - ttft) if times else 0.0
    last = writer.last(prefill_s=ttft, decode_s=decode_s)
    if not wish.stream:
        whole = writer.whole(last)
        return (Cue(ttft + decode_s, whole[0], whole[1], len(pieces), "keep"),), faults
    return tuple(_streamed(writer, times, plan, last, ttft)), faults


def shown(wish: Asked, plan: Plan, faults: frozenset[FaultKind]) -> tuple[Asked, Cue | None]:
    """Return the request with its media counted, or llama-server's refusal of one of them."""
    if "media_dropped" in faults:
        return wish, None
    kind = next((kind for kind in wish.media if kind not in plan.takes), None)
    if kind is not None:
        words = (
            f"{kind} input is not supported - hint: if this is unexpected, you may need to "
            "provide the mmproj"
        )
        return wish, _refusal(500, "server_error", words)
    return replace(
        wish, prompt_tokens=wish.prompt_tokens + len(wish.media) * plan.media_tokens
    ), None


def _said(
    wish: Asked, plan: Plan, scene: Scene, faults: frozenset[FaultKind]
) -> tuple[list[Piece], str]:
    """Return the pieces of the answer, one per token, and why it ends."""
    if "zero_tokens" in faults:
        return [], "stop"
    answer = spoilt_json(plan.answer(wish.key, scene.before, scene.start), faults)
    calls = plan.called(wish.key) if wish.chat else ()
    if "calls_as_text" in faults and calls:
        answer, calls = (answer or "") + "".join(map(as_text, calls)), ()
    pieces: list[Piece] = []
    if answer is not None:
        pieces += PIECE.findall(answer)
    if calls:
        pieces += called(calls, broken="calls_broken" in faults)
    elif answer is None:
        pieces += _filler(wish.max_tokens if plan.output_tokens is None else plan.output_tokens)
    if "think_tags" in faults:
        pieces = ["<think>", "let", " me", " see", "</think>", *pieces]
    if wish.exact:
        pieces += _filler(wish.max_tokens - len(pieces))
    endless = wish.exact or (answer is None and not calls and plan.output_tokens is None)
    cut = len(pieces) > wish.max_tokens
    ended = "tool_calls" if calls else "stop"
    return pieces[: wish.max_tokens], "length" if endless or cut else ended


def spoilt_json(answer: str | None, faults: frozenset[FaultKind]) -> str | None:
    """Return a planted answer that is a JSON object as by plan it is not one, or a wrong one."""
    if answer is None or not answer.startswith("{"):
        return answer
    if "json_off_scale" in faults:
        answer = json.dumps({**json.loads(answer), "score": 9})
    if "json_wrapped" in faults:
        answer = f"Here is what I think:\n```json\n{answer}\n```"
    return answer[:-1] if "json_broken" in faults else answer


def _filler(tokens: int) -> list[str]:
    return [_WORDS[number % len(_WORDS)] for number in range(tokens)]


def _schedule(ttft: float, gap: float, tokens: int, plan: Plan, key: str) -> list[float]:
    """Return when each token is due: drawn once, absolute."""
    times = []
    at_s = ttft
    for number in range(tokens):
        times.append(at_s)
        drawn = 1 + plan.jitter * (2 * share(plan.seed, key, number) - 1) if plan.jitter else 1.0
        at_s += gap * drawn
    return times


def _streamed(
    writer: _Writer, times: Sequence[float], plan: Plan, last: bytes, ttft: float
) -> Iterator[Cue]:
    size, faults = plan.tokens_per_event, writer.faults
    starts = range(0, len(times), size)
    breaks = _break(faults)
    stop_before = len(starts) // 2 if breaks else len(starts)
    head = writer.first()
    yield Cue(ttft if not times else times[0], _STREAM_HEAD + _chunk(head), len(head))
    for number, start in enumerate(starts):
        if number >= stop_before:
            break
        message = writer.piece(start, start + size)
        tokens = len(times[start : start + size])
        yield Cue(times[start], _chunk(message), len(message), tokens)
    end = times[-1] if times else ttft
    if "error_in_stream" in faults:
        words = writer.error("planted failure")
        yield Cue(end, _chunk(words) + _LAST_CHUNK, len(words), then="keep")
    elif "truncated" in faults:
        yield Cue(end, _LAST_CHUNK, then="keep")
    elif breaks is not None:
        yield Cue(end, b"", then=breaks)
    else:
        yield Cue(end, _chunk(last) + _LAST_CHUNK, len(last), then="keep")


def _break(faults: frozenset[FaultKind]) -> Then | None:
    kinds: tuple[tuple[FaultKind, Then], ...] = (
        ("die", "die"),
        ("disconnect", "close"),
        ("stall", "hang"),
        ("error_in_stream", "keep"),
        ("truncated", "keep"),
    )
    return next((then for kind, then in kinds if kind in faults), None)


_LAST_CHUNK: Final = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _refusal(status: int, kind: str, words: str) -> Cue:
    return reply(status, {"error": {"code": status, "message": words, "type": kind}})


def reply(status: int, value: object) -> Cue:
    """Return a whole JSON answer, due at once."""
    body = json.dumps(value).encode()
    head = (
        f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Cue(0.0, head.encode() + body, len(body), then="keep")


@final
class _Writer:
    """Writes the messages of one answer: chat chunks or raw completions."""

    def __init__(
        self,
        wish: Asked,
        scene: Scene,
        faults: frozenset[FaultKind],
        pieces: Sequence[Piece],
        reason: str,
    ) -> None:
        self.faults = faults
        self._wish, self._scene, self._pieces, self._reason = wish, scene, pieces, reason
        self._name = "another-model.gguf" if "wrong_name" in faults else scene.model
        self._thinking = len(pieces) // 2 if "reasoning" in faults else 0
        self._kept = json.dumps({"id": f"scripted-{scene.number}"}, separators=(",", ":"))[1:-1]

    def first(self) -> bytes:
        """Announce the answer; carries no token."""
        if not self._wish.chat:
            return self._completion(content="", tokens=[], stop=False)
        return self._chat({"role": "assistant", "content": None})

    def piece(self, start: int, end: int) -> bytes:
        pieces = self._pieces[start:end]
        words = [piece for piece in pieces if isinstance(piece, str)]
        text = "".join(words)
        if not self._wish.chat:
            ids = [zlib.crc32(word.encode()) % self._scene.vocabulary for word in words]
            return self._completion(content=text, tokens=ids, stop=False)
        delta: dict[str, object] = {}
        if words:
            delta["reasoning_content" if start < self._thinking else "content"] = text
        if calls := [piece.delta() for piece in pieces if isinstance(piece, CallPiece)]:
            delta["tool_calls"] = calls
        return self._chat(delta)

    def error(self, words: str) -> bytes:
        return self._message({"error": {"code": 500, "message": words, "type": "server_error"}})

    def last(self, *, prefill_s: float, decode_s: float) -> bytes:
        """Return the messages that end a stream: reason, usage, timings."""
        closing = self._closing(prefill_s, decode_s)
        if not self._wish.chat:
            return self._completion(**self._completion_end(closing))
        finish = self._chat({}, finish=self._reason)
        return finish + self._message({"choices": [], **closing}) + b"data: [DONE]\n\n"

    def whole(self, last: bytes) -> tuple[bytes, int]:
        """Return an unstreamed answer with its head, and its body's length."""
        text = "".join(piece for piece in self._pieces if isinstance(piece, str))
        if self._wish.chat:
            closing = json.loads(last.split(b"data: ")[2])
            message: dict[str, object] = {"role": "assistant", "content": text}
            if calls := joined([p for p in self._pieces if isinstance(p, CallPiece)]):
                message["tool_calls"] = calls
            closing["choices"] = [{"message": message, "finish_reason": self._reason}]
        else:
            closing = json.loads(last.removeprefix(b"data: "))
            closing["content"] = text
            closing["generation_settings"] = dict(self._wish.echoed)
        cue = reply(200, closing)
        return cue.data, cue.body_bytes

    def _chat(self, delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._message({"choices": [choice], "object": "chat.completion.chunk"})

    def _completion(self, **fields: object) -> bytes:
        return self._message({**fields, "tokens_evaluated": self._wish.prompt_tokens})

    def _message(self, value: Mapping[str, object]) -> bytes:
        text = json.dumps({**value, "model": self._name}, separators=(",", ":"))
        return f"data: {{{self._kept},{text[1:]}\n\n".encode()

    def _closing(self, prefill_s: float, decode_s: float) -> dict[str, object]:
        prompt, output = self._wish.prompt_tokens, len(self._pieces)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
        timings: dict[str, object] = {
            "cache_n": 0,
            "prompt_n": prompt,
            "prompt_ms": prefill_s * 1e3,
            "predicted_n": output,
            "predicted_ms": decode_s * 1e3,
        }
        if "partial_metadata" in self.faults:
            del usage["completion_tokens"], timings["predicted_ms"], timings["predicted_n"]
        closing: dict[str, object] = {"usage": usage, "timings": timings}
        for fault, key in (("missing_usage", "usage"), ("missing_timings", "timings")):
            if fault in self.faults:
                del closing[key]
        return closing

    def _completion_end(self, closing: Mapping[str, object]) -> dict[str, object]:
        end: dict[str, object] = {"content": "", "tokens": [], "stop": True}
        end["stop_type"] = "limit" if self._reason == "length" else "eos"
        if not {"missing_usage", "partial_metadata"} & self.faults:
            end["tokens_predicted"] = len(self._pieces)
        if "timings" in closing:
            end["timings"] = closing["timings"]
        return end
