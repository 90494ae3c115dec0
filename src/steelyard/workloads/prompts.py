"""Prompts of an exact length that never repeat by accident.

Text is cut in the tokens of the served model, so that "512 prompt tokens" is 512. Every prompt of a
campaign starts differently (campaign seed, workload, number), so that a prefix cache that is on
against our word finds nothing to reuse. Prompts that share a beginning on purpose say so. Not aware
of engines or clocks.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never, final

from steelyard.domain.errors import BadInput
from steelyard.domain.ids import content_id
from steelyard.domain.ports import Tokenise
from steelyard.domain.prompts import FromFile, Images, Prefix, Recorded, ShareGpt, Synthetic
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Workload
from steelyard.workloads.lengths import (
    Calibrated,
    Lengths,
    MessageTokens,
    RawTokens,
    Text,
    count,
    token_ids,
    written,
)
from steelyard.workloads.pictures import picture
from steelyard.workloads.rows import Row
from steelyard.workloads.sources import SHORTEST_TOKENS, Prompts

# What vLLM's benchmark leaves out of ShareGPT, so that figures can be put side by side: prompts and
# answers under 4 tokens, prompts over 1,024, both together over 2,048 (vllm/benchmarks/datasets).
_LEAST_TOKENS: Final = 4
_MOST_PROMPT_TOKENS: Final = 1024
_MOST_TOKENS: Final = 2048


@final
@dataclass(frozen=True, slots=True)
class Prompt:
    """A request, and how many tokens its prompt was to have; None: it has the length it has."""

    request: GenerationRequest
    prompt_tokens_wanted: int | None = None


def requests(
    workload: Workload, *, seed: int, repeat: int, tokenise: Tokenise, text: Text
) -> list[GenerationRequest]:
    """Return the warm-up requests followed by the measured ones.

    `text` draws a passage of plain prose. Lengths are in tokens, the begin-of-text token that the
    tokenizer adds included.
    """
    made = []
    for number in range(workload.warmup + workload.requests):
        draw = random.Random(content_id([seed, workload, repeat, number]))
        length = workload.prompt_tokens
        if workload.prompt_tokens_max is not None:
            length = draw.randint(workload.prompt_tokens, workload.prompt_tokens_max)
        start = f"{draw.getrandbits(40):x}. "
        ids = token_ids(start, length, draw=draw, tokenise=tokenise, text=text)
        made.append(
            GenerationRequest(
                prompt_tokens=tuple(ids),
                max_tokens=workload.output_tokens,
                exact_tokens=True,
                seed=draw.getrandbits(31),
            )
        )
    return made


def make(
    prompts: Prompts,
    lengths: Lengths,
    *,
    text: Text,
    seed: int,
    workload: str = "",
    exact_tokens: bool = False,
) -> Iterator[Prompt]:
    """Yield prompts without end; the same arguments give the same ones in the same order.

    Take what each load of a run needs from one iterator: a second one begins anew, and a file's
    prompts would be sent again. `text` draws a passage of prose; `exact_tokens`: the engine can be
    told to run to `max_tokens`. Rows of a file go as messages, whatever `lengths` is.
    """
    maker = _Maker(lengths, text, content_id([seed, workload, prompts.source]), exact_tokens)
    match prompts.source:
        case Synthetic() as source:
            return _synthetic(source, maker)
        case Recorded() as source:
            return _recorded(source, maker)
        case Prefix() as source:
            return _prefixed(source, maker)
        case Images() as source:
            return _pictured(source, maker)
        case FromFile() as source:
            return _again_and_again(_own(prompts.rows, source, maker), maker)
        case ShareGpt() as source:
            return _again_and_again(_fitting(prompts.rows, source, maker), maker)
        case _:
            assert_never(prompts.source)


@final
@dataclass(frozen=True, slots=True)
class _Maker:
    """How prompts are made; `key` names the seed, the workload and the source."""

    lengths: Lengths
    text: Text
    key: str
    exact_tokens: bool

    def draw(self, what: object) -> random.Random:
        return random.Random(f"{self.key}/{what}")

    def fresh(
        self, number: int, prompt_tokens: int, output_tokens: int, *, after: str = ""
    ) -> Prompt:
        """Return prose that begins like no other prompt; `after` is what a message shares."""
        draw = self.draw(number)
        request = self.request(output_tokens, draw)
        start, lengths = after + _start(draw, number), self.lengths
        if isinstance(lengths, RawTokens):
            tokenise = lengths.tokenise
            ids = token_ids(start, prompt_tokens, draw=draw, tokenise=tokenise, text=self.text)
            return Prompt(replace(request, prompt_tokens=tuple(ids)), prompt_tokens)
        said = written(start, prompt_tokens, draw=draw, lengths=lengths, text=self.text)
        return Prompt(replace(request, messages=(Message("user", said),)), prompt_tokens)

    def request(self, output_tokens: int, draw: random.Random) -> GenerationRequest:
        return GenerationRequest(
            max_tokens=output_tokens, exact_tokens=self.exact_tokens, seed=draw.getrandbits(31)
        )


def _start(draw: random.Random, number: int) -> str:
    """Return a beginning of its own: random first, then what no other prompt has."""
    return f"{draw.getrandbits(32):08x}{number:x}. "


def _synthetic(source: Synthetic, maker: _Maker) -> Iterator[Prompt]:
    for number in itertools.count():
        draw = maker.draw(f"length/{number}")
        asked = _drawn(source.input_tokens, source.input_sd, SHORTEST_TOKENS, draw)
        output = _drawn(source.output_tokens, source.output_sd, 1, draw)
        yield maker.fresh(number, asked, output)


def _drawn(mean: int, sd: float, least: int, draw: random.Random) -> int:
    """Return a normal length, drawn anew while below `least`: at least half of them are not."""
    if not sd:
        return mean
    while True:
        length = round(draw.gauss(mean, sd))
        if length >= least:
            return length


def _pictured(source: Images, maker: _Maker) -> Iterator[Prompt]:
    """Yield fresh prose behind fresh pictures; what those take, only the model knows."""
    for number in itertools.count():
        prompt = maker.fresh(number, source.input_tokens, source.output_tokens)
        draw = maker.draw(f"pictures/{number}")
        media = tuple(picture(draw, source.width, source.height) for _ in range(source.images))
        (message,) = prompt.request.messages
        shown = (replace(message, media=media),)
        yield Prompt(replace(prompt.request, messages=shown))


def _recorded(source: Recorded, maker: _Maker) -> Iterator[Prompt]:
    pairs = tuple(zip(source.prompt_tokens, source.output_tokens, strict=True))
    for number in itertools.count():
        yield maker.fresh(number, *pairs[number % len(pairs)])


def _prefixed(source: Prefix, maker: _Maker) -> Iterator[Prompt]:
    """Yield rounds in which each group comes once, in an order of its own."""
    groups = [_group(source, number, maker) for number in range(source.groups)]
    numbers = itertools.count()
    for turn in itertools.count():
        order = list(groups)
        maker.draw(f"order/{turn}").shuffle(order)
        for group, number in zip(order, numbers, strict=False):
            yield group(number)


def _group(source: Prefix, group: int, maker: _Maker) -> Callable[[int], Prompt]:
    """Return what makes the prompts of one group: its beginning is made once."""
    made = maker.draw(f"group/{group}")
    start, tokens, whole = _start(made, group), source.prefix_tokens, source.whole_tokens
    match maker.lengths:
        case RawTokens(tokenise=tokenise):
            shared = token_ids(start, tokens, draw=made, tokenise=tokenise, text=maker.text)

            def raw(number: int) -> Prompt:
                own = maker.fresh(number, source.input_tokens, source.output_tokens).request
                ids = (*shared, *(own.prompt_tokens or ()))
                return Prompt(replace(own, prompt_tokens=ids, reuse_prefix=True), whole)

            return raw
        case MessageTokens() | Calibrated() as lengths:
            # The template stands around the whole message, so it is not counted in its beginning.
            bare = replace(lengths, overhead_tokens=0)
            said = written(start, tokens, draw=made, lengths=bare, text=maker.text)

            def message(number: int) -> Prompt:
                one = maker.fresh(number, whole, source.output_tokens, after=f"{said}\n\n")
                return replace(one, request=replace(one.request, reuse_prefix=True))

            return message
        case _:
            assert_never(maker.lengths)


def _own(rows: Sequence[Row], source: FromFile, maker: _Maker) -> Iterator[Prompt]:
    for number, row in enumerate(rows):
        output = source.output_tokens if row.max_tokens is None else row.max_tokens
        request = maker.request(output, maker.draw(number))
        yield Prompt(replace(request, messages=row.messages))


def _fitting(rows: Sequence[Row], source: ShareGpt, maker: _Maker) -> Iterator[Prompt]:
    """Yield the conversations that are neither too short nor too long, shuffled."""
    order = list(range(len(rows)))
    maker.draw("order").shuffle(order)
    for place in order:
        row = rows[place]
        asked = count(row.messages[0].content, maker.lengths)
        output = source.output_tokens or count(row.answer, maker.lengths)
        short = asked < _LEAST_TOKENS or (source.output_tokens is None and output < _LEAST_TOKENS)
        if short or asked > _MOST_PROMPT_TOKENS or asked + output > _MOST_TOKENS:
            continue
        request = maker.request(output, maker.draw(place))
        yield Prompt(replace(request, messages=row.messages))


def _again_and_again(once: Iterator[Prompt], maker: _Maker) -> Iterator[Prompt]:
    """Yield all, then all again; what was sent before gets a beginning of its own."""
    kept: list[Prompt] = []
    sent: set[tuple[Message, ...]] = set()
    for number, prompt in enumerate(once):
        messages = prompt.request.messages
        yield _anew(prompt, number, maker) if messages in sent else prompt
        kept.append(prompt)
        sent.add(messages)
    if not kept:
        raise BadInput(
            "no conversation of the file fits: all are too short or too long",
            hint=f"prompts of {_LEAST_TOKENS} to {_MOST_PROMPT_TOKENS} tokens are taken, with their"
            f" answers {_MOST_TOKENS} at most",
        )
    for number in itertools.count(len(kept)):
        yield _anew(kept[number % len(kept)], number, maker)


def _anew(prompt: Prompt, number: int, maker: _Maker) -> Prompt:
    """Return it with another seed, and a beginning of its own before the user's first words."""
    draw = maker.draw(f"again/{number}")
    messages = list(prompt.request.messages)
    place = next(at for at, message in enumerate(messages) if message.role == "user")
    messages[place] = Message("user", _start(draw, number) + messages[place].content)
    request = replace(prompt.request, messages=tuple(messages), seed=draw.getrandbits(31))
    return replace(prompt, request=request)
