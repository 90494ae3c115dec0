"""Scoring in a child process, and the comparison of two scores worked by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tests.llamalib import forward, tiny

from steelyard.domain.errors import BadInput, EngineError, TooLittleRoom, UnreadableModel
from steelyard.llamalib import children, evaluate, passages
from steelyard.llamalib.passages import Passage

SHAPE = tiny.Shape()


def some_passages() -> list[Passage]:
    rng = np.random.default_rng(9)
    return [
        Passage(tuple(rng.integers(0, 500, 90).tolist())),
        Passage(tuple(rng.integers(0, 500, 700).tolist()), score_from=600),
    ]


def test_the_child_writes_one_row_for_each_scored_position(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "f32.gguf", SHAPE, seed=3, dtype=np.float32)
    parts = some_passages()
    tokens = passages.write(tmp_path / "tokens.json", parts)
    seen: list[tuple[int, int]] = []
    out = evaluate.scored(
        model,
        tokens,
        tmp_path / "scores.npy",
        context=1024,
        threads=1,
        kv_type="f32",
        progress=lambda done, total: seen.append((done, total)),
    )
    table = np.load(out)
    assert seen == [(89, 189), (189, 189)]
    known = [forward.log_probabilities(list(p.tokens), SHAPE, 3, np.float32) for p in parts]
    expected = np.concatenate([k[p.score_from - 1 : -1] for k, p in zip(known, parts, strict=True)])
    assert table.shape == expected.shape == (189, 512)
    assert np.abs(table - expected).max() < 2e-3
    assert passages.targets(parts).shape == (189,)
    assert passages.targets(parts)[0] == parts[0].tokens[1]


def test_a_model_compared_with_itself_shows_nothing(tmp_path: Path, tiny_model: Path) -> None:
    tokens = passages.write(tmp_path / "tokens.json", some_passages()[:1])
    out = evaluate.scored(tiny_model, tokens, tmp_path / "a.npy", context=128, threads=1)
    again = evaluate.scored(tiny_model, tokens, tmp_path / "b.npy", context=128, threads=1)
    found = evaluate.compare(out, again, passages.targets(some_passages()[:1]))
    assert found.kld.max() == 0
    assert found.top1_equal.all()
    assert np.array_equal(found.nll_reference, found.nll_variant)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_the_divergence_of_two_known_distributions(tmp_path: Path, block_bytes: int) -> None:
    p, q = (
        np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]),
        np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]]),
    )
    for name, table in (("p", p), ("q", q)):
        np.save(tmp_path / f"{name}.npy", np.log(table).astype(np.float32))
    found = evaluate.compare(
        tmp_path / "p.npy",
        tmp_path / "q.npy",
        np.array([0, 2], np.int32),
        block_bytes=block_bytes,
    )
    by_hand = [0.25 * np.log(2), 0.1 * np.log(0.5) + 0.8 * np.log(8 / 7)]
    assert found.kld == pytest.approx(by_hand, abs=1e-6)
    assert found.nll_reference == pytest.approx([np.log(2), -np.log(0.8)], abs=1e-6)
    assert found.nll_variant == pytest.approx([np.log(4), -np.log(0.7)], abs=1e-6)
    assert found.top1_equal.tolist() == [False, True]


def test_scores_of_different_passages_are_not_compared(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4), np.float32))
    np.save(tmp_path / "b.npy", np.zeros((2, 4), np.float32))
    with pytest.raises(BadInput, match="do not score the same"):
        evaluate.compare(tmp_path / "a.npy", tmp_path / "b.npy", np.zeros(3, np.int32))


def test_the_childs_error_is_raised_as_what_it_was(tmp_path: Path, tiny_model: Path) -> None:
    tokens = passages.write(tmp_path / "tokens.json", some_passages())
    with pytest.raises(TooLittleRoom, match="700 tokens and the context is 128") as caught:
        evaluate.scored(tiny_model, tokens, tmp_path / "out.npy", context=128)
    assert "larger context" in caught.value.hint
    (tmp_path / "broken.gguf").write_bytes(b"GGUFnonsense")
    with pytest.raises(UnreadableModel, match=r"broken\.gguf"):
        evaluate.scored(tmp_path / "broken.gguf", tokens, tmp_path / "out.npy", context=1024)
    assert not (tmp_path / "out.npy").exists()


def test_a_crash_of_the_child_is_an_engine_error_with_its_last_words(tmp_path: Path) -> None:
    program = "import os, sys; sys.stderr.write('the end\\n'); sys.stderr.flush(); os.abort()"
    with pytest.raises(EngineError, match=r"signal SIGABRT: .*the end"):
        children.run([sys.executable, "-c", program], log=tmp_path / "child.log")


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"tokens": [1, 2]}]', '[{"tokens": 3}]'])
def test_a_file_without_passages_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens.json").write_text(text)
    with pytest.raises(BadInput, match="no token passages"):
        passages.read(tmp_path / "tokens.json")


def test_a_passage_that_scores_nothing_is_refused() -> None:
    for tokens, start in (((1,), 1), ((1, 2), 2), ((1, 2), 0)):
        with pytest.raises(BadInput, match="nothing to score"):
            Passage(tokens, start)
