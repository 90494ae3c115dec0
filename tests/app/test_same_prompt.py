"""Two engines in turns: whether they get the same prompt is proved, refused, or said not to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app import bench_stage
from tests.app.bench_stage import Bench
from tests.engines.replica import replaying

from steelyard.app.benches.same_prompt import _one_model
from steelyard.app.subjects import bundled
from steelyard.models import artifacts

SHORT = ("--requests", "8", "--prompts", "synthetic:in=24,out=4")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_stage.built(tmp_path) as made:
        yield made


def test_an_engine_that_does_not_show_its_prompts_is_compared_and_that_is_said(
    bench: Bench,
) -> None:
    with replaying("vllm") as first, replaying("ik_llamacpp") as second:
        done = bench.run(first.url, "--compare", second.url, *SHORT)
    assert done.code == 0, done.err
    assert "that both get the same prompt is not proved" in done.err
    with replaying("vllm") as first, replaying("vllm") as second:  # nothing is asked of one engine
        again = bench.run(first.url, "--compare", second.url, *SHORT, out="again")
    assert "not proved" not in again.err


def test_files_are_of_one_model_by_their_weights_and_tokens() -> None:
    base, draft = (artifacts.inspect(bundled(name)) for name in ("base.gguf", "draft.gguf"))
    assert _one_model(base, base)
    assert not _one_model(base, draft)
    assert not _one_model(base, None)
