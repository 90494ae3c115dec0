"""Suites go as deep as the model does, and no deeper."""

from __future__ import annotations

import pytest

from steelyard.domain.load import Closed
from steelyard.workloads.suites import FULL, context_needed, fitting, named

TEMPLATE = 64


def depths(loads: tuple[object, ...]) -> list[int]:
    return [each.prompt_tokens for each in loads if each.name.startswith("depth")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("trained", "deepest"),
    [(2048, 1024), (4096, 2048), (8192, 4096), (32768, 16384), (40960, 32768), (131072, 32768)],
)
def test_the_full_suite_goes_as_deep_as_the_model_was_trained(trained: int, deepest: int) -> None:
    loads = fitting("full", trained)
    assert max(depths(loads)) == deepest
    assert context_needed(loads) <= trained


def test_of_an_unknown_context_nothing_beyond_four_thousand_tokens_is_taken() -> None:
    assert fitting("full", 0) == fitting("full", 4096)
    assert named("long-context", 0) == named("long-context", 4096)


@pytest.mark.parametrize("context", [2048, 4096, 32768, 131072, 262144])
def test_a_long_context_leaves_room_for_the_answer_and_the_template(context: int) -> None:
    loads = named("long-context", context)
    assert max(depths(loads)) + 64 + TEMPLATE <= context
    assert len(depths(loads)) == len(set(depths(loads)))
    assert max(depths(loads)) == min(131072, context // 2)


def test_every_level_of_concurrency_has_a_queue_behind_it() -> None:
    crowded = [w for w in FULL if w.name.startswith("concurrency")]
    assert len(crowded) == 2
    assert all(w.requests > w.streams for w in crowded)
    for load in named("concurrency", 0):
        assert isinstance(load.load, Closed)
        assert load.requests >= 8 * load.load.streams
