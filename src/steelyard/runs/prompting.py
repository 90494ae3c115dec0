"""Where the requests of a load come from: one endless hand of prompts a source, for a whole run.

Lengths are as exact as the engine lets them be: token ids where it takes them, else messages whose
tokens it counts, else what its usage of a few answers teaches. What a chat template adds is learned
the same way. Not aware of when anything is sent.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

from steelyard.analysis.failure_hints import hint
from steelyard.domain.errors import EngineError, UnsupportedSubject
from steelyard.domain.load import Conversations
from steelyard.domain.prompts import FromFile, Images, PromptSource, Recorded, ShareGpt, Synthetic
from steelyard.domain.reading import Measured
from steelyard.domain.stream import Attempt, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Workload
from steelyard.runs.bench import Bench, Key
from steelyard.runs.texts import passage
from steelyard.workloads.lengths import (
    Calibrated,
    Lengths,
    MessageTokens,
    RawTokens,
    learned,
    learned_overhead,
)
from steelyard.workloads.prompts import Prompt, make
from steelyard.workloads.sources import Prompts

LEARNING: Final = "learning"
# Two lengths tell a template's own tokens from those of the words.
_WORDS: Final = (40, 160, 80, 240)


def hand(bench: Bench, workload: Workload) -> Iterator[Prompt]:
    """Return the prompts of a workload, from where the last taker of that source left off."""
    source = workload.prompts or Synthetic(workload.prompt_tokens, workload.output_tokens)
    as_messages = isinstance(workload.load, Conversations)
    key = (source, as_messages)
    if key not in bench.hands:
        bench.hands[key] = _made(bench, source, "", as_messages=as_messages)
    return bench.hands[key]


def warming(bench: Bench, workload: Workload) -> Iterator[Prompt]:
    """Return the prompts that a workload warms up with: of its own hand, which goes on after them.

    The lengths of a recorded load belong to its moments, so that one begins with its first request:
    there the prompts are others of the same lengths.
    """
    if isinstance(workload.prompts, Recorded):
        return _made(bench, workload.prompts, "/warm", as_messages=False)
    return hand(bench, workload)


def _made(bench: Bench, source: PromptSource, use: str, *, as_messages: bool) -> Iterator[Prompt]:
    return make(
        bench.prompts.get(source, Prompts(source)),
        _lengths(bench, source, as_messages=as_messages),
        text=passage,
        seed=bench.spec.campaign_seed,
        workload=f"{bench.spec.repeat}/{bench.spec.replica}{use}",
        exact_tokens=bench.dialect.capabilities.exact_tokens,
    )


def _lengths(bench: Bench, source: PromptSource, *, as_messages: bool) -> Lengths:
    rows = isinstance(source, FromFile | ShareGpt | Images)  # these go as messages
    if bench.dialect.capabilities.token_prompts and not (as_messages or rows):
        return RawTokens(bench.engine.tokenise)
    if bench.lengths is None:
        bench.lengths = _learned(bench)
    return bench.lengths


def taught(bench: Bench, texts: Sequence[str]) -> list[Attempt]:
    """Ask for one token after each text, since usage tells lengths; raise if no answer comes."""
    asked: list[Attempt] = []
    for number, text in enumerate(texts):
        asked.append(_ask(bench, number, text))
        if _stalled(asked[-1]):
            break
    _refuse_silence(asked)
    return asked


def _learned(bench: Bench) -> MessageTokens | Calibrated:
    texts = [_words(count) for count in _WORDS]
    asked = taught(bench, texts)
    came = [a.usage.value.prompt_tokens if isinstance(a.usage, Measured) else None for a in asked]
    pairs = [(text, each) for text, each in zip(texts, came, strict=True) if each is not None]
    try:
        own = {text: len(bench.engine.tokenise(text)) for text in texts}
    except UnsupportedSubject:
        fitted = learned([(len(text.split()), each) for text, each in pairs])
        return fitted.value if isinstance(fitted, Measured) else Calibrated()
    overhead = learned_overhead([(own[text], each) for text, each in pairs])
    return MessageTokens(
        bench.engine.tokenise, overhead.value if isinstance(overhead, Measured) else 0
    )


def _stalled(attempt: Attempt) -> bool:
    return isinstance(attempt.outcome, Failed) and attempt.outcome.why == "stalled"


def _refuse_silence(asked: Sequence[Attempt]) -> None:
    """A server that answers none of these will answer none of a load: say what it says."""
    failures = [a.outcome for a in asked if isinstance(a.outcome, Failed)]
    if _stalled(asked[-1]):
        raise EngineError(
            f"short request {len(asked)} was not answered within the time-out",
            hint="ask the server the same by hand; --timeout says how long a silence may last",
        )
    if len(failures) == len(asked):
        why, detail = failures[0].why, failures[0].detail
        raise EngineError(
            f"none of {len(asked)} short requests was answered: {why.replace('_', ' ')}"
            f"{f' ({detail})' if detail else ''}",
            hint=hint(why) or "ask the server the same by hand: a chat completion of one token",
        )


def _ask(bench: Bench, number: int, text: str) -> Attempt:
    request = GenerationRequest((Message("user", text),), max_tokens=1)
    bench.submit(Key(LEARNING, 0, str(number)), request)
    (exchange,) = bench.client.drain()
    return bench.read(exchange)


def _words(count: int) -> str:
    """Return prose of so many words, none of which begins like another text here."""
    draw = random.Random(count)
    found: list[str] = []
    while len(found) < count:
        found += passage(draw).split()
    return " ".join(found[:count])
