"""Answers made to be misread, each with the truth about it.

`case(seed)` writes what a server sends, byte by byte and read by read, and states what a reader
must find. The truth comes from the plan of the answer and never from reading it back: no reader
of the product is used here. What is varied: tokens per event, thinking in every form, tool calls
in parallel, counts in every place, keep-alives, errors inside a good response, answers cut off,
line ends, ways to write JSON, HTTP framing, and where the reads fall.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_right
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


@dataclass(frozen=True)
class Truth:
    """What a reader must find. `events` are the token events: when, what kind, how many tokens."""

    why: str | None
    tokens: int | None
    events: tuple[tuple[int, str, int], ...]
    text: str
    reasoning: str
    calls: tuple[Call, ...]

    @property
    def first(self) -> tuple[int, str] | None:
        """When the first token came, and what it was."""
        return self.events[0][:2] if self.events else None

    @property
    def first_answer_ns(self) -> int | None:
        """When the first token came that was no thinking."""
        return next((at_ns for at_ns, kind, _ in self.events if kind != "reasoning"), None)

    @property
    def gaps_ns(self) -> tuple[int, ...]:
        """The gaps between token events."""
        return tuple(after[0] - before[0] for before, after in pairwise(self.events))


@dataclass(frozen=True)
class Case:
    """What came, read by read; after the last one the server may close; and the truth."""

    seed: int
    reads: tuple[tuple[int, bytes], ...]
    closes: bool
    truth: Truth


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


def case(seed: int) -> Case:
    """Return the answer of this number, always the same."""
    rng = random.Random(seed)
    kind = rng.random()
    if kind < 0.04:
        return _refused(seed, rng)
    if kind < 0.09:
        return _unstreamed(seed, rng)
    return _streamed(seed, rng)


# ── what is said ────────────────────────────────────────────────────────────────────────────


def _streamed(seed: int, rng: random.Random) -> Case:
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
    return _framed(seed, plan)


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
        said.data["usage"] = _usage(plan.generated)
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
        data["usage"] = _usage(plan.generated)
        last.counted = plan.generated
    elif plan.usage == "choice":
        data["choices"][0]["usage"] = _usage(plan.generated)
        last.counted = plan.generated
    if plan.usage in ("trailing", "continuous"):
        empty = {"id": "c", "object": "chat.completion.chunk", "choices": []}
        plan.said.append(Said({**empty, "usage": _usage(plan.generated)}, counted=plan.generated))
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


def _usage(tokens: int) -> Object:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
        "prompt_tokens_details": None,
    }


# ── how it is written ───────────────────────────────────────────────────────────────────────


@dataclass
class Lines:
    """How one server writes events: its line ends and its habits."""

    rng: random.Random
    ends: tuple[str, ...]
    comments: bool

    def end(self) -> str:
        return self.rng.choice(self.ends)

    def event(self, said: Said) -> tuple[bytes, int]:
        """Return the bytes of one event, and how many of them complete it."""
        rng = self.rng
        lines = [": keep-alive"] if self.comments and rng.random() < 0.4 else []
        if lines and rng.random() < 0.5:
            lines.append("")
        if rng.random() < 0.1:
            lines += [f"id: {rng.randint(0, 9)}", "retry: 3000"]
        if said.named:
            lines.append(f"event: {said.named}")
        space = rng.choice(("", " ", " "))
        lines += [f"data:{space}{line}" for line in self._data(said.data).split("\n")]
        begun = "".join(line + self.end() for line in lines).encode()
        # The first byte of the blank line's end completes the event.
        return begun + self.end().encode(), len(begun) + 1

    def _data(self, data: Object | str) -> str:
        if isinstance(data, str):
            return data
        style = self.rng.random()
        # Several data lines are joined by the reader.
        indent, separators = (1 if style < 0.1 else None), ((",", ":") if style > 0.5 else None)
        plain = json.dumps(data, indent=indent, separators=separators)
        text = json.dumps(data, indent=indent, separators=separators, ensure_ascii=False)
        halved = any("\ud800" <= each <= "\udfff" for each in text)  # can only be escaped
        return plain if halved or self.rng.random() < 0.5 else text


def _framed(seed: int, plan: Plan) -> Case:
    rng = plan.rng
    ends = rng.choice((("\n",), ("\n",), ("\r\n",), ("\r",), ("\n", "\r\n")))
    lines = Lines(rng, ends, comments=plan.chance(0.3))
    body = bytearray(b"\xef\xbb\xbf" if plan.chance(0.05) else b"")
    places, edges = [], []
    for said in plan.said:
        event, complete = lines.event(said)
        places.append(len(body) + complete)
        body += event
        edges.append(len(body))
    wire = _wire(rng, bytes(body), edges, "text/event-stream")
    cut = rng.randrange(wire.head, len(wire.raw)) if plan.chance(0.06) else None
    reads = _reads(rng, wire.raw[:cut], [wire.offset(edge) for edge in edges])
    came = [(wire.offset(place), said) for place, said in zip(places, plan.said, strict=True)]
    broken = cut is not None and wire.framing != "close"
    truth = _truth(
        plan, [(at, said) for at, said in came if at <= len(wire.raw[:cut])], reads, broken
    )
    return Case(seed, reads, cut is not None or wire.framing == "close", truth)


def _truth(
    plan: Plan, came: list[tuple[int, Said]], reads: tuple[tuple[int, bytes], ...], broken: bool
) -> Truth:
    """State what can be known from the events that came."""
    stops = next((n for n, (_, said) in enumerate(came) if said.error), None)
    heard = came if stops is None else came[:stops]
    arrived = _clock(reads)
    events = [(arrived(at), said) for at, said in heard]
    counted = [said.counted for _, said in events if said.counted is not None]
    calls: dict[int, Call] = {}
    for _, said in events:
        if said.call is not None:
            index, name, arguments = said.call
            known = calls.get(index, Call("", ""))
            calls[index] = Call(known.name + name, known.arguments + arguments)
    text, reasoning, kind = _told(plan, [said for _, said in events])
    tokens = counted[-1] if counted else None
    brought = any(said.kind for _, said in events)
    finished = any(said.finish for _, said in events)
    if stops is not None:
        why: str | None = "error_in_stream"
    elif broken:
        why = "disconnected"
    elif not finished:
        why = "truncated_stream"
    else:
        why = None if (tokens if tokens is not None else brought) else "zero_tokens"
    return Truth(
        why=why,
        tokens=tokens,
        events=tuple((at, kind or said.kind, said.tokens) for at, said in events if said.kind),
        text=text,
        reasoning=reasoning,
        calls=tuple(call for _, call in sorted(calls.items())),
    )


def _told(plan: Plan, said: list[Said]) -> tuple[str, str, str]:
    """Return the answer and the thinking; and the kind of all events, if it is one against plan.

    An answer that broke off within its thinking has not shown yet that it was any, or no end.
    """
    content = "".join(each.content for each in said)
    thought = "".join(each.thought for each in said)
    if plan.tags is None:
        halves = content.encode("utf-16", "surrogatepass")
        return halves.decode("utf-16", "replace"), thought, ""
    length, thought, opened = plan.tags
    if "</think>" in content:
        return content[length:], thought, ""
    if opened and "<think>" in content:
        return "", content.partition("<think>")[2].strip(), ""
    return content, "", "content"


def _clock(reads: tuple[tuple[int, bytes], ...]) -> Callable[[int], int]:
    """Return the function that says when the first so many bytes had come."""
    sizes, total = [], 0
    for _, data in reads:
        sizes.append(total)
        total += len(data)
    return lambda so_many: reads[bisect_right(sizes, so_many - 1) - 1][0]


# ── answers in one piece, and none ──────────────────────────────────────────────────────────


def _unstreamed(seed: int, rng: random.Random) -> Case:
    plan = Plan(rng)
    tokens = rng.randint(1, 40)
    text, thought = "Yes" + plan.words(tokens), plan.words(3) if plan.chance(0.4) else ""
    message: Object = {"role": "assistant", "content": text}
    if thought:
        message["reasoning_content"] = thought
    whole: Object = {"object": "chat.completion", "model": "tiny", "usage": _usage(tokens)}
    first = {"index": 0, "message": message, "finish_reason": "stop"}
    second = {"index": 1, "message": {"content": "another"}, "finish_reason": "length"}
    whole["choices"] = [first, second] if plan.chance(0.2) else [first]
    failed = plan.chance(0.4)
    if failed:
        whole = {"error": {"message": "no such thing", "type": "invalid_request_error"}}
    blank = rng.choice((b"", b"\n", b" "))
    body = blank + json.dumps(whole, indent=rng.choice((None, 2))).encode() + blank
    wire = _wire(rng, body, [], "application/json")
    reads = _reads(rng, wire.raw, [])
    at_ns = _clock(reads)(wire.offset(len(body)))
    said = [("reasoning", thought), ("content", text)] if thought else [("content", text)]
    truth = Truth(
        why="error_in_stream" if failed else None,
        tokens=None if failed else tokens,
        events=() if failed else tuple((at_ns, kind, 0) for kind, _ in said),
        text="" if failed else text,
        reasoning="" if failed else thought,
        calls=(),
    )
    return Case(seed, reads, wire.framing == "close", truth)


def _refused(seed: int, rng: random.Random) -> Case:
    """A redirect, a compressed answer, a proxy's word, or an HTTP error."""
    status, header, body, why = rng.choice(
        (
            (
                302,
                b"Location: https://user@other.example/v1\r\n",
                b"<html>moved</html>",
                "redirected",
            ),
            (307, b"location: /v2/chat\r\n", b"", "redirected"),
            (
                200,
                b"Content-Encoding: gzip\r\n",
                b"\x1f\x8b\x08\x00data: {}\n\n",
                "compressed_body",
            ),
            (200, b"content-encoding: br\r\n", b'{"choices":[]}', "compressed_body"),
            (200, b"Content-Encoding: identity\r\n", b"<html>sign in</html>", "malformed_stream"),
            (407, b"Proxy-Authenticate: Basic\r\n", b"", "proxy_wants_login"),
            (502, b"", b"<html>bad gateway</html>", "bad_gateway"),
            (504, b"Content-Encoding: gzip\r\n", b"\x1f\x8b", "gateway_timeout"),
            (429, b"Retry-After: 3\r\n", b'{"error":{"message":"slow down"}}', "overloaded"),
            (401, b"", b'{"error":{"message":"no key"}}', "not_allowed"),
        )
    )
    wire = _wire(rng, body, [], "text/plain", status=status, header=header)
    reads = _reads(rng, wire.raw, [])
    truth = Truth(why, None, (), "", "", ())
    return Case(seed, reads, wire.framing == "close", truth)


# ── HTTP ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Wire:
    """A response as bytes. `chunks` are (where in the body, where on the wire) they begin."""

    raw: bytes
    head: int
    framing: str
    chunks: list[tuple[int, int]]

    def offset(self, so_many: int) -> int:
        """How many bytes of the wire it takes until so many of the body are there."""
        starts = [start for start, _ in self.chunks]
        start, at = self.chunks[max(0, bisect_right(starts, so_many - 1) - 1)]
        return at + so_many - start


def _wire(
    rng: random.Random,
    body: bytes,
    edges: list[int],
    content_type: str,
    *,
    status: int = 200,
    header: bytes = b"",
) -> Wire:
    framing = rng.choice(("chunked", "chunked", "chunked", "length", "close"))
    lead = rng.choice((b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", _HINTS, _HINTS + _HINTS))
    head = b"%sHTTP/1.1 %d %s\r\n%s" % (lead, status, rng.choice((b"OK", b"", b"So So")), header)
    head += b"Content-Type: %s\r\n" % content_type.encode()
    if framing == "length":
        head += rng.choice((b"Content-Length", b"content-length")) + b": %d\r\n\r\n" % len(body)
        return Wire(head + body, len(head), framing, [(0, len(head))])
    if framing == "close":
        head += b"Connection: close\r\n\r\n"
        return Wire(head + body, len(head), framing, [(0, len(head))])
    head += rng.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked")) + b"\r\n\r\n"
    if rng.random() < 0.4:  # an event is a chunk
        cuts = [edge for edge in edges if 0 < edge < len(body)]
    else:
        cuts = sorted(
            {rng.randrange(1, len(body)) for _ in range(rng.randint(0, 12))}
            if len(body) > 1
            else ()
        )
    raw, chunks = bytearray(head), []
    for start, end in pairwise([0, *cuts, len(body)] if body else ()):
        size = rng.choice((b"%x", b"%X", b"00%x")) % (end - start)
        raw += size + rng.choice((b"", b"", b"", b";a=b", b' ;q="x y"', b" ")) + b"\r\n"
        chunks.append((start, len(raw)))
        raw += body[start:end] + b"\r\n"
    raw += b"0\r\n" + rng.choice((b"", b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n")) + b"\r\n"
    return Wire(bytes(raw), len(head), framing, chunks or [(0, len(head))])


_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


def _reads(rng: random.Random, raw: bytes, edges: list[int]) -> tuple[tuple[int, bytes], ...]:
    """Cut what came into reads, and stamp them."""
    size, way = len(raw), rng.random()
    if way < 0.1:
        cuts: list[int] = []
    elif way < 0.4:
        cuts = [edge for edge in edges if edge < size]
    elif way < 0.45 and size < 1_500:
        cuts = list(range(1, size))
    else:
        cuts = sorted({rng.randrange(1, size) for _ in range(rng.randint(1, 40))})
    now_ns = rng.randint(10**9, 10**12)
    reads = []
    for start, end in pairwise([0, *(cut for cut in cuts if cut), size]):
        now_ns += rng.randint(0, 40_000_000)
        reads.append((now_ns, raw[start:end]))
    return tuple(reads)
