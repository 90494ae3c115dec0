r"""Stored answers of the bundled model, computed in float32: what an engine must agree with.

The weights are those of the F16 file, raised to float32; the arithmetic is torch's on a CPU. An
engine that computes something else (a broken kernel, a wrong rotation, a mangled template) shows
it here, however plausible its text is.

Format of `proof.json`:

    {"model_sha256": "…",        of the F16 GGUF that the answers belong to
     "reference": "torch float32",
     "prompts": [
        {"tokens": [1, …],       the exact token ids: send these, not their text
         "first": 100,           the first position with an answer
         "top": [                one entry a position, in order
            [[id, logprob], … 8 pairs, likeliest first]]}]}

`top[k]` belongs to the token that follows `tokens[: first + k + 1]`; a log-probability is natural
and over the whole vocabulary. The right answers and what follows are part of `tokens`, so that one
prompt proves many positions (teacher forcing). Where the likeliest token is the end of a turn,
llama-server reports no probabilities: such positions can be proved by other engines only.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

import torch

from steelyard.domain.task import Task
from steelyard.forge import mix
from steelyard.forge.drills import Turn
from steelyard.forge.network import Network, rotation
from steelyard.forge.tokenizer import Codec
from steelyard.tasks.items import content_hash
from steelyard.tasks.registry import FAMILIES, questions

TOP: Final = 8
_SEED: Final = 4211
_DIGITS: Final = 6
_BEYOND: Final = {"128": (200, 100), "512": (700, 500), "1024": (1400, 1150)}  # length, first


def prompts(codec: Codec) -> list[tuple[list[int], int]]:
    """Return token lists and first positions: single questions, then runs beyond a batch."""
    drawn = {f: questions(Task(f, items=24, seed=_SEED)) for f in FAMILIES}
    found = [
        ([*codec.question(question.prompt), *codec.reply(question.answer)], 0)
        for family in FAMILIES
        for question in drawn[family][:2]
    ]
    spoken = [
        Turn(question.prompt, question.answer)
        for row in zip(*drawn.values(), strict=True)
        for question in row
    ]
    run = mix.as_document(codec, spoken).tokens
    found += [(run[:length], first) for length, first in (_BEYOND["128"], _BEYOND["512"])]
    length, first = _BEYOND["1024"]
    rng = Random(content_hash("proof", str(_SEED)))
    return [*found, (mix.long_document(codec, length, rng).tokens, first)]


def answers(network: Network, codec: Codec, model_sha256: str) -> dict[str, Any]:
    """Return the proof of a float32 network that holds the file's exact weights."""
    return {
        "model_sha256": model_sha256,
        "reference": "torch float32",
        "prompts": [
            {"tokens": tokens, "first": first, "top": _top(network, tokens, first)}
            for tokens, first in prompts(codec)
        ],
    }


def _top(network: Network, tokens: list[int], first: int) -> list[list[list[float]]]:
    with torch.inference_mode():
        hidden = network(torch.tensor([tokens]), *rotation(len(tokens)), None)[0, first:]
        best = network.logits(hidden).double().log_softmax(-1).topk(TOP)
    return [
        [[token, round(value, _DIGITS)] for token, value in zip(ids, values, strict=True)]
        for ids, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
