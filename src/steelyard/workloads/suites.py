"""Suites: the workloads that `quick` and `full` group, and the fixed cells of noise and drift.

Sizes are chosen so that `quick` over the default ladder of the bundled model ends within eight
minutes on two cores. Not aware of tasks: a sweep adds those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from steelyard.domain.campaign import Suite
from steelyard.domain.errors import UnknownName
from steelyard.domain.load import Closed
from steelyard.domain.prompts import Synthetic
from steelyard.domain.workload import Workload

# One fixed cell, repeated ten times: its spread is the engine's noise.
CANARY: Final = Workload("canary", 0, 64, 10, warmup=2)
# The same cell in small, repeated through the campaign on the reference: its slope is the drift.
SENTINEL: Final = Workload("interactive", 128, 32, 5, warmup=2)

QUICK: Final = (
    Workload("interactive", 512, 64, 4),
    Workload("depth", 16, 64, 3),
    Workload("depth", 2048, 64, 3, warmup=0),
    Workload("concurrency", 128, 64, 4, streams=2),
)
FULL: Final = (
    Workload("interactive", 512, 128, 10, warmup=2),
    Workload("depth", 16, 128, 5),
    Workload("depth", 1024, 128, 5),
    Workload("depth", 2048, 128, 5, warmup=0),
    *(Workload("depth", depth, 128, 3, warmup=0) for depth in (4096, 8192, 16384, 32768)),
    Workload("concurrency", 128, 128, 8, streams=2),
    Workload("concurrency", 128, 128, 8, streams=4),
    Workload("documents", 200, 64, 30, prompt_tokens_max=500),
)

# Loads that a bench knows by name. Depths double as far as the model goes; each level of the
# concurrency has several times as many requests as streams, so that a queue forms behind them.
NAMED: Final = ("concurrency", "long-context", "soak")
_DEPTHS: Final = (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
_LEVELS: Final = (1, 2, 4, 8, 16)
_SOAK_S: Final = 1800.0
# What is taken to fit where nobody says how much does: every common model and server holds it.
_UNKNOWN: Final = 4096
_TEMPLATE: Final = 64


def named(
    name: str, trained_tokens: int, *, streams: int = 1, duration_s: float | None = None
) -> tuple[Workload, ...]:
    """Return a load by its name.

    `trained_tokens` bounds its depths: the context that a model was trained for, or that a server
    says it holds for one request; 0 is not known, and 4,096 is taken.
    """
    match name:
        case "concurrency":
            prompts = Synthetic(128, 64)
            return tuple(
                Workload("concurrency", 128, 64, 8 * n, streams=n, load=Closed(n), prompts=prompts)
                for n in _LEVELS
            )
        case "long-context":
            room = (trained_tokens or _UNKNOWN) - 64 - _TEMPLATE
            return tuple(
                Workload("depth", d, 64, 3, warmup=0, load=Closed(1), prompts=Synthetic(d, 64))
                for d in (16, *(depth for depth in _DEPTHS if depth <= room))
            )
        case "soak":
            load, lasts = Closed(streams), duration_s or _SOAK_S
            prompts = Synthetic(256, 128)
            return (
                Workload(
                    "soak",
                    *(256, 128, 0),
                    streams=streams,
                    load=load,
                    duration_s=lasts,
                    prompts=prompts,
                ),
            )
        case _:
            raise UnknownName.among("load", name, NAMED)


def workloads(suite: Suite) -> tuple[Workload, ...]:
    """Return the timed workloads of a suite, in order."""
    return FULL if suite == "full" else QUICK


def fitting(suite: Suite, trained_tokens: int) -> tuple[Workload, ...]:
    """Return the workloads that a model of so much trained context can take; 0: not known."""
    most = trained_tokens or _UNKNOWN
    return tuple(load for load in workloads(suite) if context_needed((load,)) <= most)


def as_messages(load: Workload) -> Workload:
    """Return a workload whose prompts are messages of the same lengths: a chat takes no ids."""
    least, most = load.prompt_tokens, load.prompt_tokens_max
    if most is None:
        prompts = Synthetic(least, load.output_tokens)
    else:  # an even spread has this mean and width
        prompts = Synthetic((least + most) // 2, load.output_tokens, (most - least) / 12**0.5)
    return replace(load, load=Closed(load.streams), prompts=prompts)


def context_needed(loads: Sequence[Workload]) -> int:
    """Return the context in tokens that one slot needs for the longest workload."""
    longest = max((w.prompt_tokens_max or w.prompt_tokens) + w.output_tokens for w in loads)
    return -(-(longest + _TEMPLATE) // 256) * 256


def streams_needed(suite: Suite) -> int:
    """Return how many requests the server must be able to hold at once."""
    return max(w.streams for w in workloads(suite))
