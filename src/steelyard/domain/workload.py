"""Workloads: load shape and prompts, judged by time. And the request that an engine is sent.

Not aware of wires or clocks. Prompt lengths are in tokens of the served model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from steelyard.domain.load import Load, Relayed, label
from steelyard.domain.prompts import PromptSource
from steelyard.domain.task import Message

Shape: TypeAlias = Literal[
    "interactive", "depth", "documents", "concurrency", "canary", "bench", "soak"
]


@final
@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; temperature 0 is greedy."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None


@final
@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One request in the product's own words; a dialect turns it into an HTTP call.

    `prompt_tokens` carries a prompt already tokenised (raw completion, no template); otherwise
    `messages` are rendered by the server's chat template. `exact_tokens` makes the engine run to
    `max_tokens` without stopping at an end token, where it can. `schema` is the JSON text of a
    schema that the answer is to keep to, where the engine can bind it.
    """

    messages: tuple[Message, ...] = ()
    max_tokens: int = 64
    reuse_prefix: bool = False
    prompt_tokens: tuple[int, ...] | None = None
    sampling: Sampling = Sampling()
    seed: int = 0
    exact_tokens: bool = False
    stream: bool = True
    top_logprobs: int = 0
    slot: int | None = None
    tools: tuple[str, ...] = ()
    schema: str = ""


@final
@dataclass(frozen=True, slots=True)
class Workload:
    """A load: `requests` of `prompt_tokens` in and `output_tokens` out, `streams` at a time.

    A `canary` asks one and the same format item each time, and `prompt_tokens` is not used. For
    `documents` prompts run from `prompt_tokens` to `prompt_tokens_max`. `depth_tokens` says
    how many tokens stand in the context before the first generated one: every speed carries it.

    `load` is the shape in which requests are sent; None keeps `streams` of them in flight. With
    `duration_s` it ends then, else after `requests`. `prompts` is where they come from; None makes
    them up at the lengths above.
    """

    shape: Shape
    prompt_tokens: int
    output_tokens: int
    requests: int
    streams: int = 1
    prompt_tokens_max: int | None = None
    warmup: int = 1
    load: Load | None = None
    duration_s: float | None = None
    prompts: PromptSource | None = None

    @property
    def name(self) -> str:
        """A readable key, unique among the workloads of a suite."""
        if isinstance(self.load, Relayed):
            return "proxy"
        span = f"-{self.prompt_tokens_max}" if self.prompt_tokens_max else ""
        shape = f"c{self.streams}" if self.load is None else label(self.load)
        return f"{self.shape}/p{self.prompt_tokens}{span}/o{self.output_tokens}/{shape}"
