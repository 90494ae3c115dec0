"""What the model reads, and what it never does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from steelyard.domain.task import Task
from steelyard.forge import mix
from steelyard.forge.recipes import BASE
from steelyard.forge.tokenizer import Codec
from steelyard.tasks.registry import FAMILIES, questions


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.trained(mix.tokenizer_texts(BASE))


@pytest.mark.parametrize(
    "text",
    [
        "Anna has 12 cups, 3 more than Ben.",
        '{"name": "Anna", "age": 7}',
        "déjà vu — “ok”\n\n  x\t1234  don't 中文 🙂",
        "a\r\nb  c   \n",
        "",
    ],
)
def test_every_text_survives_the_tokenizer(codec: Codec, text: str) -> None:
    assert codec.decode(codec.encode(text)) == text


def test_digits_stand_alone_and_answers_begin_with_the_tokens_of_the_prompt(codec: Codec) -> None:
    assert len(codec.encode("2048")) == 4
    assert codec.reply("lamp")[:-1] == codec.encode(" lamp")


def test_the_vocabulary_is_full_and_always_the_same(codec: Codec) -> None:
    assert codec.tokenizer.get_vocab_size() == 2048
    again = Codec.trained(mix.tokenizer_texts(BASE))
    assert again.tokenizer.to_str() == codec.tokenizer.to_str()


def test_a_saved_tokenizer_is_the_same_one(codec: Codec, tmp_path: Path) -> None:
    codec.save(tmp_path / "tokenizer.json")
    assert Codec.load(tmp_path / "tokenizer.json").encode("Who is it?") == codec.encode(
        "Who is it?"
    )


def test_held_out_prompts_never_occur_in_the_mix() -> None:
    held_out = {q.prompt for f in FAMILIES for q in questions(Task(f, items=1000))}
    rng = Random(5)
    turns = [turn for _ in range(4000) for turn in mix.conversation(BASE, 3000, rng)]
    assert len(turns) > 4000
    assert not {turn.prompt for turn in turns} & held_out


@pytest.mark.parametrize("step", [0, 200, 3000])
def test_a_batch_is_a_function_of_recipe_and_step(codec: Codec, step: int) -> None:
    first, second = mix.batch(BASE, codec, step), mix.batch(BASE, codec, step)
    assert [part.tolist() for part in first] == [part.tolist() for part in second]
    assert not np.array_equal(first.tokens, mix.batch(BASE, codec, step + 1).tokens)


def test_targets_are_the_tokens_that_follow_within_a_document(codec: Codec) -> None:
    batch = mix.batch(BASE, codec, 3000)
    flat, owner = batch.tokens.reshape(-1), batch.documents.reshape(-1)
    assert np.array_equal(flat[batch.where + 1], batch.ids)
    assert np.array_equal(owner[batch.where + 1], owner[batch.where])
    assert (owner[batch.where] >= 0).all()


def test_rows_are_well_filled_and_answers_are_all_asked_for(codec: Codec) -> None:
    batch = mix.batch(BASE, codec, 3000)
    assert (batch.documents >= 0).mean() > 0.9
    said = Counter(batch.weights.tolist())
    assert said[1.0] > 100
    assert said[1.0] + said[np.float32(BASE.prompt_weight)] == len(batch.weights)


def test_a_long_batch_fills_the_context_and_asks_about_its_far_end(codec: Codec) -> None:
    batch = mix.batch(BASE, codec, 3000, long=True)
    assert batch.tokens.shape[1] == 4096
    assert (batch.documents >= 0).mean() > 0.95
    assert (batch.weights == 1).sum() > 50


def test_facts_are_the_same_every_time() -> None:
    assert mix.fact(17) == mix.fact(17)
    assert len(mix.fact(17).answer) == 4
