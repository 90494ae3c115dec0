"""Prompts have the length they claim and never share a beginning."""

import random

import pytest

from steelyard.domain.errors import SteelyardError
from steelyard.domain.workload import Workload
from steelyard.workloads.prompts import requests
from steelyard.workloads.suites import QUICK, context_needed, streams_needed

SIXTY_FOUR = Workload("interactive", 64, 8, requests=5, warmup=2)


def words(text: str, *, special: bool = False) -> list[int]:
    """A tokenizer of whole words, with a begin-of-text token."""
    return [0, *(hash(w) & 0xFFFF for w in text.split())] if special else [len(text.split())]


def nothing(text: str, *, special: bool = False) -> list[int]:
    del text, special
    return []


def passage(draw: random.Random) -> str:
    return " ".join(draw.choice(["a", "river", "of", "stones"]) for _ in range(9))


def test_every_prompt_has_exactly_the_tokens_asked_for() -> None:
    made = requests(SIXTY_FOUR, seed=1, repeat=0, tokenise=words, text=passage)
    assert [len(r.prompt_tokens or ()) for r in made] == [64] * 7


def test_no_two_prompts_of_a_campaign_share_their_first_words() -> None:
    made = [
        r.prompt_tokens
        for repeat in range(3)
        for r in requests(SIXTY_FOUR, seed=1, repeat=repeat, tokenise=words, text=passage)
    ]
    assert len({tokens[:2] for tokens in made if tokens}) == len(made)


def test_the_same_seed_gives_the_same_requests() -> None:
    one, two = (
        requests(SIXTY_FOUR, seed=4, repeat=2, tokenise=words, text=passage) for _ in range(2)
    )
    assert one == two


def test_documents_spread_over_their_range() -> None:
    docs = Workload("documents", 20, 8, requests=30, prompt_tokens_max=50, warmup=0)
    lengths = [
        len(r.prompt_tokens or ())
        for r in requests(docs, seed=1, repeat=0, tokenise=words, text=passage)
    ]
    assert min(lengths) >= 20
    assert max(lengths) <= 50
    assert len(set(lengths)) > 10


def test_a_tokenizer_that_yields_nothing_is_an_error_not_an_endless_loop() -> None:
    with pytest.raises(SteelyardError, match="fewer than 64 tokens"):
        requests(SIXTY_FOUR, seed=1, repeat=0, tokenise=nothing, text=passage)


def test_the_context_of_a_suite_holds_its_longest_workload() -> None:
    assert context_needed(QUICK) >= 2048 + 64
    assert streams_needed("full") == 4
