"""Prompts of an exact length that never repeat by accident.

Text is cut in the tokens of the served model, so that "512 prompt tokens" is 512. Every prompt
of a campaign starts differently (campaign seed, workload, repeat, number), so that a prefix cache
that is on against our word finds nothing to reuse. Not aware of engines or clocks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from steelyard.domain.errors import SteelyardError
from steelyard.domain.ids import content_id
from steelyard.domain.ports import Tokenise
from steelyard.domain.workload import GenerationRequest, Workload

Text = Callable[[random.Random], str]

_ENOUGH_TEXT_TRIES: Final = 400


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
        made.append(
            GenerationRequest(
                prompt_tokens=tuple(_cut(length, draw, tokenise, text)),
                max_tokens=workload.output_tokens,
                exact_tokens=True,
                seed=draw.getrandbits(31),
            )
        )
    return made


def _cut(length: int, draw: random.Random, tokenise: Tokenise, text: Text) -> Sequence[int]:
    """Return the first `length` tokens of fresh text that starts with a word of its own."""
    written = f"{draw.getrandbits(40):x}. "
    for _ in range(_ENOUGH_TEXT_TRIES):
        while len(written) < length * 4:
            written += text(draw) + " "
        tokens = tokenise(written, special=True)
        if len(tokens) >= length:
            return tokens[:length]
        written += text(draw) + " " + text(draw) + " "
    raise SteelyardError(
        f"the served tokenizer turned {len(written)} characters into fewer than {length} tokens",
        hint="the tokenize route does not answer with the model's tokens",
    )
