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
from dataclasses import dataclass
from itertools import pairwise

from tests.engines.adversarial_plan import Call, Object, Plan, Said, planned, usage_of
from tests.engines.adversarial_wire import clock, on_the_wire, reads_of


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


def case(seed: int) -> Case:
    """Return the answer of this number, always the same."""
    rng = random.Random(seed)
    kind = rng.random()
    if kind < 0.04:
        return _refused(seed, rng)
    if kind < 0.09:
        return _unstreamed(seed, rng)
    return _framed(seed, planned(rng))


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
    wire = on_the_wire(rng, bytes(body), edges, "text/event-stream")
    cut = rng.randrange(wire.head, len(wire.raw)) if plan.chance(0.06) else None
    reads = reads_of(rng, wire.raw[:cut], [wire.offset(edge) for edge in edges])
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
    arrived = clock(reads)
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


# ── answers in one piece, and none ──────────────────────────────────────────────────────────


def _unstreamed(seed: int, rng: random.Random) -> Case:
    plan = Plan(rng)
    tokens = rng.randint(1, 40)
    text, thought = "Yes" + plan.words(tokens), plan.words(3) if plan.chance(0.4) else ""
    message: Object = {"role": "assistant", "content": text}
    if thought:
        message["reasoning_content"] = thought
    whole: Object = {"object": "chat.completion", "model": "tiny", "usage": usage_of(tokens)}
    first = {"index": 0, "message": message, "finish_reason": "stop"}
    second = {"index": 1, "message": {"content": "another"}, "finish_reason": "length"}
    whole["choices"] = [first, second] if plan.chance(0.2) else [first]
    failed = plan.chance(0.4)
    if failed:
        whole = {"error": {"message": "no such thing", "type": "invalid_request_error"}}
    blank = rng.choice((b"", b"\n", b" "))
    body = blank + json.dumps(whole, indent=rng.choice((None, 2))).encode() + blank
    wire = on_the_wire(rng, body, [], "application/json")
    reads = reads_of(rng, wire.raw, [])
    at_ns = clock(reads)(wire.offset(len(body)))
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
    wire = on_the_wire(rng, body, [], "text/plain", status=status, header=header)
    reads = reads_of(rng, wire.raw, [])
    truth = Truth(why, None, (), "", "", ())
    return Case(seed, reads, wire.framing == "close", truth)
