"""An engine's most probable next tokens after given tokens, one short request a position.

Prompts that go on from each other find their beginning in the engine's cache, so that a position
costs about one token. Not aware of what the answers are compared with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from steelyard.domain.errors import DialectError, EngineError
from steelyard.domain.stream import Exchange
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.wires.llama_server import top_logprobs
from steelyard.loadgen.client import Client

Answer: TypeAlias = tuple[tuple[int, float], ...]
_OK: Final = 200
_WORDS: Final = 200  # of what a server says of its refusal
_PROBABILITIES: Final = "completion_probabilities"


def step(
    client: Client,
    prepare: Callable[[GenerationRequest], bytes],
    prompts: Sequence[Sequence[int]],
    top: int,
    *,
    stall_ns: int | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Ask after each prompt; yield its number and the answer as it comes.

    `stall_ns` is the longest silence of one request.
    """
    for number, tokens in enumerate(prompts):
        client.submit(str(number), prepare(_request(tokens, top)), stall_ns=stall_ns)
    for exchange in client.results():
        yield int(exchange.id), _read(exchange)


def _request(tokens: Sequence[int], top: int) -> GenerationRequest:
    return GenerationRequest(
        prompt_tokens=tuple(tokens),
        max_tokens=1,
        reuse_prefix=True,
        top_logprobs=top,
        stream=False,
    )


def _read(exchange: Exchange) -> Answer:
    """Return what was answered; nothing where a whole answer comes without probabilities.

    llama-server keeps them back while a character is not complete. No stored position begins with
    such a token, so an engine that picks one computes something else.
    """
    if exchange.failure is None and exchange.status != _OK:
        said = exchange.body.decode(errors="replace")[:_WORDS]
        raise EngineError(
            f"no probabilities for position {exchange.id}: status {exchange.status}, {said}"
        )
    try:
        if exchange.failure is not None:
            raise ValueError
        answer = json.loads(exchange.body)
        if "choices" in answer:
            return _chosen(answer)
        if "content" in answer:
            return next(iter(top_logprobs(answer)), ()) if _PROBABILITIES in answer else ()
        return top_logprobs(answer)[0]
    except (ValueError, KeyError, IndexError, TypeError, DialectError) as error:
        why = exchange.failure or f"{type(error).__name__}: {error}"
        raise EngineError(f"no probabilities for position {exchange.id}: {why}") from None


def _chosen(answer: dict[str, Any]) -> Answer:
    """Return those of an answer of the completions route, which tells the tokens' numbers.

    Beside the tokens, or as vLLM does where it is asked to: `token_id:N` in place of a text.
    """
    told = answer["choices"][0]["logprobs"]
    if "content" in told:
        found = told["content"][0]["top_logprobs"] if told["content"] else []
        return tuple((int(one["id"]), float(one["logprob"])) for one in found)
    named = told["top_logprobs"][0]
    return tuple((_number(name), float(logprob)) for name, logprob in named.items())


def _number(name: str) -> int:
    prefix, _, number = name.rpartition(":")
    if prefix != "token_id":
        raise ValueError(f"it tells tokens by their text ({name!r}), and not by number")
    return int(number)
