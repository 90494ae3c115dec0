"""Where the requests of a load come from: one endless hand of prompts a source, for a whole run.

Lengths are as exact as the engine lets them be: token ids where it takes them, else messages whose
tokens it counts, else what its usage of a few answers teaches. What a chat template adds is learned
the same way. Not aware of when anything is sent.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.load import Conversations
from steelyard.domain.prompts import FromFile, PromptSource, Recorded, ShareGpt, Synthetic
from steelyard.domain.reading import Measured
from steelyard.domain.stream import Attempt
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
    rows = isinstance(source, FromFile | ShareGpt)
    if bench.dialect.capabilities.token_prompts and not (as_messages or rows):
        return RawTokens(bench.engine.tokenise)
    if bench.lengths is None:
        bench.lengths = _learned(bench)
    return bench.lengths


def _learned(bench: Bench) -> MessageTokens | Calibrated:
    tokenise = bench.engine.tokenise
    texts = [_words(count) for count in _WORDS]
    asked = [_ask(bench, number, text) for number, text in enumerate(texts)]
    pairs = [
        (text, attempt.usage.value.prompt_tokens)
        for text, attempt in zip(texts, asked, strict=True)
        if isinstance(attempt.usage, Measured)
    ]
    try:
        counted = [(len(tokenise(text)), came) for text, came in pairs]
    except UnsupportedSubject:
        fitted = learned([(len(text.split()), came) for text, came in pairs])
        return fitted.value if isinstance(fitted, Measured) else Calibrated()
    overhead = learned_overhead(counted)
    return MessageTokens(tokenise, overhead.value if isinstance(overhead, Measured) else 0)


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
