"""Native decoding against a forward pass in numpy, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.llamalib import forward, tiny

from steelyard.domain.errors import (
    EngineError,
    TooLittleRoom,
    UnknownName,
    UnreadableModel,
)
from steelyard.llamalib.decode import Decoder
from steelyard.llamalib.evaluate import log_softmax

SHAPE = tiny.Shape(width=256, layers=2, feed_forward=512)


def all_logits(
    decoder: Decoder, tokens: list[int]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.concatenate([block.copy() for block in decoder.logits(tokens)])


def test_the_logits_are_those_of_the_forward_pass(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "f32.gguf", SHAPE, seed=3, dtype=np.float32)
    tokens = np.random.default_rng(1).integers(0, SHAPE.vocabulary - 4, 540).tolist()
    known = forward.log_probabilities(tokens, SHAPE, 3, np.float32)
    with Decoder(model, context=640, threads=1, kv_type="f32") as decoder:
        ours = log_softmax(all_logits(decoder, tokens))
    assert np.abs(ours - known).max() < 2e-3
    assert (ours.argmax(1) == known.argmax(1)).mean() > 0.995


def test_a_second_passage_does_not_remember_the_first(tiny_model: Path) -> None:
    tokens = list(range(40, 90))
    with Decoder(tiny_model, context=128, threads=1) as decoder:
        first = all_logits(decoder, tokens)
        all_logits(decoder, list(range(100, 200)))
        again = all_logits(decoder, tokens)
    assert np.array_equal(first, again)


def test_text_is_tokenised_by_the_models_own_tokenizer(tiny_model: Path) -> None:
    with Decoder(tiny_model, context=64, threads=1) as decoder:
        assert decoder.vocabulary == 512
        plain = decoder.tokenise("<|im_end|>")
        special = decoder.tokenise("<|im_end|>", special=True)
        assert special == [510]
        assert len(plain) > 1
        assert decoder.tokenise("ab") == [257]


def test_what_cannot_be_decoded_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with Decoder(tiny_model, context=32, threads=1) as decoder:
        with pytest.raises(TooLittleRoom, match="33 tokens"):
            all_logits(decoder, [1] * 33)
        with pytest.raises(EngineError, match="outside the model's vocabulary of 512"):
            all_logits(decoder, [1, 512])
    with pytest.raises(UnknownName, match="q9_0"):
        Decoder(tiny_model, context=32, threads=1, kv_type="q9_0")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    with pytest.raises(UnreadableModel, match="could not load broken"):
        Decoder(tmp_path / "broken.gguf", context=32, threads=1)


def test_closing_twice_is_no_error_and_a_closed_decoder_says_so(tiny_model: Path) -> None:
    decoder = Decoder(tiny_model, context=32, threads=1)
    decoder.close()
    decoder.close()
