"""Sweeps of planted evidence, and rows of their summaries."""

from __future__ import annotations

import functools

from tests.analysis.swept import World, brief

from steelyard.analysis.evidence import Evidence
from steelyard.domain.reading import Measured, value_of
from steelyard.domain.summary import SweepSummary, VariantRow, Verdict


def row(summary: SweepSummary, label: str) -> VariantRow:
    return next(r for r in summary.per_quant if r.variant.label == label)


def verdict(found: VariantRow) -> Verdict:
    assert isinstance(found.verdict, Measured)
    return found.verdict.value


def speed(found: VariantRow, metric: str, depth: int = 0, prompt: int | None = None) -> float:
    value = next(
        value_of(s.estimate.value)
        for s in found.speeds
        if s.metric == metric and s.depth_tokens == depth and prompt in (None, s.prompt_tokens)
    )
    assert value is not None
    return value


@functools.cache
def planted() -> Evidence:
    """The default world: everything goes well."""
    return World().evidence()


@functools.cache
def small() -> Evidence:
    """The same with few items."""
    return World(spec=brief()).evidence()


@functools.cache
def hogged() -> Evidence:
    """Another program ran beside every run of Q4_K_M."""
    return World(polluted=frozenset({"Q4_K_M"})).evidence()
