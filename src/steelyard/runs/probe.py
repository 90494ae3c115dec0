"""What can this server do? Tried, in about ten seconds, and not taken from a list.

Each ability is asked for in a way that an answer shows it: a schema that allows one odd word only,
a seed that must repeat what another must not, prompts that grow until the server stops counting all
of them. The head, the middle and the tail of the longest hold code words, which a model that can
repeats. Requests go over the measuring client, after whatever was measured. Fields: the chat and
the completions API; `grammar` of llama.cpp's server. Not aware of records or doors.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, final

from steelyard.domain.errors import SteelyardError
from steelyard.domain.probe import Answered, Finding, Probed
from steelyard.domain.reading import Measured, Missing, Reading, value_of
from steelyard.domain.stream import Attempt, Completed, Exchange, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines.api import HttpCall
from steelyard.engines.wires import openai
from steelyard.media.samples import sample
from steelyard.platform import clock
from steelyard.runs.bench import Bench, Key

BUDGET_S: Final = 10.0
_SECTION: Final = "probe"
_CHAT: Final = "/v1/chat/completions"
_COMPLETIONS: Final = "/v1/completions"
_OK: Final = 200
_NS_PER_S: Final = 1e9
_ODD: Final = "zebra-41"
_STREAMED: Final = 24
# Of the moments at which events came: fewer groups than this, and it was one lump cut in pieces.
_GROUPS_LEAST: Final = 3
_APART_NS: Final = 50_000
_LATE_NS: Final = 1_000_000
# A fast answer may come in one lump because the machine was busy: it is looked at so many times.
_LOOKS: Final = 3
_FAST_NS: Final = 500_000_000
_SEEDS: Final = (11, 11, 12, 13)
_WORDS_FIRST: Final = 256
_WORDS_MOST: Final = 1 << 17
# A prompt that is cut loses far more than this; templates and word boundaries move the count less.
_CUT_SHARE: Final = 0.05
# The next prompt is twice as long and, where attention weighs, takes more than twice as long.
_GROWTH: Final = 2.5
# The end of the context is looked for until the doubt is this part of what was taken.
_DOUBT: Final = 16
# Words below which a context is not looked for: a server that takes fewer takes nothing.
_LEAST: Final = 256
_SYLLABLES: Final = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri")


@final
@dataclass(slots=True)
class _Asking:
    """Sends one request after the other, until the time is over."""

    bench: Bench
    until_ns: int
    number: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def left_s(self) -> float:
        return (self.until_ns - clock.monotonic_ns()) / _NS_PER_S

    def send(self, call: HttpCall) -> Exchange:
        self.number += 1
        key = Key(_SECTION, 0, str(self.number))
        left_ns = max(1, self.until_ns - clock.monotonic_ns())
        self.bench.client.set_streams(1)
        self.bench.client.submit(str(key), self.bench.engine.prepare(call), deadline_ns=left_ns)
        (exchange,) = list(self.bench.client.results())
        if exchange.failure is not None:  # nobody's answer: it shows nothing of the server
            raise _Unanswered(exchange.failure)
        return exchange

    def attempt(self, request: GenerationRequest) -> tuple[Attempt, Exchange]:
        exchange = self.send(self.bench.dialect.encode(request))
        return self.bench.told(exchange), exchange

    def whole(self, call: HttpCall) -> tuple[int, Mapping[str, Any]]:
        """Return the status and the object of an unstreamed answer; an empty one where none is.

        What the server says is read without the key, which some servers repeat.
        """
        exchange = self.send(call)
        try:
            found = json.loads(self.bench.cover(exchange.body.decode(errors="replace")))
        except ValueError:
            return exchange.status, {}
        return exchange.status, found if isinstance(found, dict) else {}

    def chat(self, text: object, **more: object) -> HttpCall:
        """Return an unstreamed chat request with fields of its own, in the model's name."""
        request = GenerationRequest((Message("user", "."),), max_tokens=32, stream=False)
        named = self.bench.dialect.encode(request).json.get("model")
        body: dict[str, object] = {} if named is None else {"model": named}
        body |= {"messages": [{"role": "user", "content": text}], "max_tokens": 32}
        return HttpCall("POST", _CHAT, json={**body, "temperature": 0, "stream": False, **more})

    def note(self, name: str, answered: Answered, seen: str = "") -> None:
        self.findings.append(Finding(name, answered, seen))


def probe(bench: Bench, *, budget_s: float = BUDGET_S) -> Probed:
    """Try what the server can do; what there was no time for is said to be not tried."""
    started_ns = clock.monotonic_ns()
    asking = _Asking(bench, started_ns + round(budget_s * _NS_PER_S))
    over = f"{budget_s:g} s were over"
    for names, trial in _TRIALS:
        try:
            if asking.left_s <= 0:
                raise _Unanswered(over)
            trial(asking)
            why = "the answer before it failed"
        except (_Unanswered, SteelyardError) as error:
            why = over if asking.left_s <= 0 else str(error)
        known = {finding.name for finding in asking.findings}
        for name in names:
            if name not in known:
                asking.note(name, "not_tried", why)
    context: Reading[int] = Missing("out_of_time", over)
    if asking.left_s > 0:
        context = _context(asking)
    elapsed_s = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    return Probed(tuple(asking.findings), context, elapsed_s)


class _Unanswered(Exception):
    """No answer came whole: the connection broke, or the time was over."""


# ── one trial each ──────────────────────────────────────────────────────────────────────────────


def _streaming(asking: _Asking) -> None:
    request = GenerationRequest(
        (Message("user", "Count from one to twenty in words."),),
        max_tokens=_STREAMED,
        exact_tokens=True,
    )
    attempt, exchange = asking.attempt(request)
    if isinstance(attempt.outcome, Failed):
        asking.note("streaming", "refused", f"{attempt.outcome.why}: {attempt.outcome.detail}")
        return
    streams = _seen(attempt)
    for _ in range(_LOOKS - 1):
        if streams[0] == "yes" or exchange.done_ns - exchange.sent_ns > _FAST_NS:
            break
        again, exchange = asking.attempt(request)
        streams = _seen(again)
    asking.note("streaming", *streams)
    usage = value_of(attempt.usage)
    asking.note(
        "usage",
        "no" if usage is None else "yes",
        "" if usage is None else f"{usage.prompt_tokens} in, {usage.output_tokens} out",
    )
    asking.note("timings", "yes" if isinstance(attempt.timings, Measured) else "no")
    length = usage is not None and usage.output_tokens == _STREAMED
    asking.note("exact_length", "yes" if length else "no", f"asked for {_STREAMED} tokens")


def _seen(attempt: Attempt) -> tuple[Answered, str]:
    moments = [a.at_ns for a in attempt.arrivals if a.kind in ("content", "reasoning")]
    groups = sum(after - before > _APART_NS for before, after in pairwise(moments)) + bool(moments)
    return _streams(len(moments), groups, attempt.late_ns)


def _streams(events: int, groups: int, late_ns: int) -> tuple[Answered, str]:
    """Say whether events came one by one; read too late, they would look like one lump as well."""
    seen = f"{events} events in {groups} groups"
    if groups >= _GROUPS_LEAST:
        return "yes", seen
    if late_ns > _LATE_NS:
        return "unclear", f"{seen}, and the client read up to {late_ns / 1e6:.1f} ms late"
    return ("unclear" if events < _GROUPS_LEAST else "no"), seen


def _logprobs(asking: _Asking) -> None:
    status, found = asking.whole(asking.chat("Hello.", logprobs=True, top_logprobs=2))
    content = _at(found, "choices", 0, "logprobs", "content")
    asking.note("logprobs", _told(status, content), _error(found))


def _prompt_logprobs(asking: _Asking) -> None:
    named = asking.chat(".").json.get("model")
    model = {} if named is None else {"model": named}
    body = {"prompt": "One two three four.", "max_tokens": 1, "echo": True, "logprobs": 1}
    status, found = asking.whole(
        HttpCall("POST", _COMPLETIONS, json={**model, **body, "temperature": 0})
    )
    given = _at(found, "choices", 0, "logprobs", "token_logprobs")
    text = _at(found, "choices", 0, "text")
    echoed = isinstance(text, str) and text.startswith("One two")
    several = isinstance(given, list) and sum(isinstance(p, int | float) for p in given) > 2  # noqa: PLR2004 - more than the one generated
    asking.note("prompt_logprobs", _told(status, several and echoed), _error(found))


def _seed(asking: _Asking) -> None:
    texts = []
    for seed in _SEEDS:
        attempt, _ = asking.attempt(
            GenerationRequest(
                (Message("user", "Invent a name and a short story."),),
                max_tokens=16,
                sampling=Sampling(1.0),
                seed=seed,
                stream=False,
            )
        )
        if not isinstance(attempt.outcome, Completed):
            asking.note("seed", "refused", str(attempt.outcome))
            return
        texts.append(attempt.text + attempt.reasoning)
    if len(set(texts)) == 1:
        asking.note("seed", "unclear", "three seeds gave one text at temperature 1")
    else:
        asking.note("seed", "yes" if texts[0] == texts[1] else "no")


def _schema(asking: _Asking) -> None:
    schema = {
        "type": "object",
        "properties": {"q7": {"type": "string", "enum": [_ODD]}},
        "required": ["q7"],
        "additionalProperties": False,
    }
    shape = {
        "type": "json_schema",
        "json_schema": {"name": "odd", "strict": True, "schema": schema},
    }
    status, found = asking.whole(asking.chat("Say hello.", response_format=shape))
    try:
        obeyed = json.loads(_text(found)) == {"q7": _ODD}
    except ValueError:
        obeyed = False
    asking.note("json_schema", _told(status, obeyed), _error(found))


def _grammar(asking: _Asking) -> None:
    status, found = asking.whole(asking.chat("Say hello.", grammar=f'root ::= "{_ODD}"'))
    asking.note("grammar", _told(status, _text(found).strip() == _ODD), _error(found))


def _tools(asking: _Asking) -> None:
    function = {
        "name": "get_weather",
        "description": "Tells the weather of a town.",
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string"}},
            "required": ["town"],
        },
    }
    tools = [{"type": "function", "function": function}]
    question = "What is the weather in Oslo? Use the tool."
    status, found = asking.whole(
        asking.chat(question, tools=tools, tool_choice="required", max_tokens=64)
    )
    name = _at(found, "choices", 0, "message", "tool_calls", 0, "function", "name")
    asking.note("tool_calls", _told(status, name == "get_weather"), _error(found))


def _images(asking: _Asking) -> None:
    question = Message("user", "Which colour is this? One word.", (sample("image"),))
    content = openai.message(question)["content"]
    status, found = asking.whole(asking.chat(content))
    said = _text(found)
    if status == _OK and "red" not in said.lower():
        asking.note("images", "unclear", f"taken, and answered {said[:60]!r}")
    else:
        asking.note("images", _told(status, said), _error(found))


_TRIALS: Final[Sequence[tuple[tuple[str, ...], Callable[[_Asking], None]]]] = (
    (("streaming", "usage", "timings", "exact_length"), _streaming),
    (("logprobs",), _logprobs),
    (("prompt_logprobs",), _prompt_logprobs),
    (("seed",), _seed),
    (("json_schema",), _schema),
    (("grammar",), _grammar),
    (("tool_calls",), _tools),
    (("images",), _images),
)


# ── the context that is really there ────────────────────────────────────────────────────────────


@final
@dataclass(frozen=True, slots=True)
class _Long:
    """A prompt of many words with a code word at its head, in its middle and at its tail."""

    text: str
    canaries: tuple[str, str, str]


def _context(asking: _Asking) -> Reading[int]:
    """Double the prompt until it is refused or cut, then halve the doubt; or until time is over."""
    per_word: float | None = None
    best: Reading[int] = Missing("not_found", "no growing prompt was answered and counted")
    words, taken, ended, taken_s = _WORDS_FIRST, 0, 0, 0.0
    while words <= _WORDS_MOST and not (ended and ended - taken <= max(taken, _LEAST) // _DOUBT):
        if taken_s * _GROWTH > asking.left_s:
            if not ended:
                asking.note("context_end", "not_tried", f"{words} words would take too long")
            return best
        prompt = _long(words)
        request = GenerationRequest((Message("user", prompt.text),), max_tokens=48, stream=False)
        try:
            attempt, exchange = asking.attempt(request)
        except (_Unanswered, SteelyardError):
            return best
        taken_s = (exchange.done_ns - exchange.sent_ns) / _NS_PER_S
        usage = value_of(attempt.usage)
        if isinstance(attempt.outcome, Failed):
            ended = words
            _end(asking, "refused", f"{words} words: {attempt.outcome.why}")
        elif usage is None:
            return best
        else:
            each = usage.prompt_tokens / words
            if per_word is not None and each < per_word * (1 - _CUT_SHARE) - _slack(words):
                ended, counted = words, usage.prompt_tokens
                due = round(per_word * words)
                _end(asking, "no", f"cut in silence: of {due:,} tokens {counted:,} were counted")
            else:
                per_word = each if per_word is None else min(per_word, each)
                taken, best = words, Measured(usage.prompt_tokens, "engine")
                _canaries(asking, prompt, attempt.text + attempt.reasoning)
        words = (taken + ended) // 2 if ended else words * 2
    return best


def _end(asking: _Asking, answered: Answered, seen: str) -> None:
    """Note how the context ends; the shortest prompt that did not go through counts."""
    asking.findings = [f for f in asking.findings if f.name != "context_end"]
    asking.note("context_end", answered, seen)


def _slack(words: int) -> float:
    """Return what a template's own tokens may add to the first prompt's tokens a word."""
    return 64 * (1 / _WORDS_FIRST - 1 / words)


def _canaries(asking: _Asking, prompt: _Long, said: str) -> None:
    """Note which code words came back from the longest prompt so far; silence shows nothing."""
    asking.findings = [f for f in asking.findings if not f.name.startswith("canary_")]
    found = [canary in said for canary in prompt.canaries]
    for place, there in zip(("head", "middle", "tail"), found, strict=True):
        answered: Answered = "yes" if there else "no" if any(found) else "unclear"
        asking.note(f"canary_{place}", answered)


def _long(words: int) -> _Long:
    rng = random.Random(words)
    made = ["".join(rng.choices(_SYLLABLES, k=3)) for _ in range(words)]
    canaries = tuple(f"{rng.randrange(1000, 9999)}" for _ in range(3))
    head, middle, tail = canaries
    made[0] = f"The first code is {head}."
    made[words // 2] = f"The second code is {middle}."
    question = "Repeat the three codes that stand in this text."
    return _Long(f"{' '.join(made)} The third code is {tail}. {question}", (head, middle, tail))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def _told(status: int, there: object) -> Answered:
    if status != _OK:
        return "refused"
    return "yes" if there else "no"


def _at(value: object, *path: str | int) -> object:
    """Return what lies at a path of keys and positions, or None."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _text(found: Mapping[str, Any]) -> str:
    said = _at(found, "choices", 0, "message", "content")
    return said if isinstance(said, str) else ""


def _error(found: Mapping[str, Any]) -> str:
    error = found.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    return str(words)[:160] if words else ""
