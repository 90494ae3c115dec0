"""An embeddings endpoint: met, asked in batches, and each way in which it can fail."""

from __future__ import annotations

from typing import Any

import pytest
from tests.runs.embedder import rows, serving

from steelyard.domain.errors import BadInput, EngineError
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.secret import Secret
from steelyard.engines.url import Endpoint
from steelyard.runs import embedding
from steelyard.scripted import vectors

NO_KEY = Missing("no_key")
KEY = "sk-very-secret"


def right(_: int, texts: list[str]) -> tuple[int, Any]:
    return 200, rows(texts)


def test_texts_come_back_as_their_vectors_whatever_the_order_and_in_batches() -> None:
    texts = [f"text number {n} of many" for n in range(embedding.BATCH * 2 + 1)]
    with serving(right) as (url, asked):
        met = embedding.meet(Endpoint.read(url), None, Measured(Secret(KEY), "client"))
        with embedding.opened(met) as embed:
            found, waited_ns = embed(texts)
    assert (met.model, met.size) == ("embedder", vectors.SIZE)
    assert [list(one) for one in found] == [vectors.vector(text) for text in texts]
    assert [len(batch) for batch in asked.texts] == [2, 32, 32, 1]
    assert set(asked.keys) == {f"Bearer {KEY}"}
    assert waited_ns > 0


def test_a_request_that_fails_is_sent_once_more_and_then_says_why() -> None:
    def shaky(number: int, texts: list[str]) -> tuple[int, Any]:
        return (503, {"error": "busy"}) if number in {1, 3, 4} else right(number, texts)

    with serving(shaky) as (url, _):
        met = embedding.meet(Endpoint.read(url), None, NO_KEY)
        with embedding.opened(met) as embed:
            assert len(embed(["a"])[0]) == 1
            with pytest.raises(EngineError, match=r"503.*busy"):
                embed(["b"])


def test_vectors_of_another_length_are_refused_in_the_middle() -> None:
    def routed(number: int, texts: list[str]) -> tuple[int, Any]:
        return 200, rows(texts, size=vectors.SIZE if number == 0 else 100)

    with serving(routed) as (url, _):
        met = embedding.meet(Endpoint.read(url), None, NO_KEY)
        with (
            embedding.opened(met) as embed,
            pytest.raises(BadInput, match="vectors of 256 numbers and then of 100"),
        ):
            embed(["a"])


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {"error": f"bad key {KEY}"}, r"does not let us in \(401\), the key was refused"),
        (500, {"error": "out of memory"}, "no embeddings: .* answered 500: .*out of memory"),
        (400, {"error": "not an embedding model"}, "refused to embed with 'embedder'"),
        (200, {"object": "list"}, "no embeddings: .* answered no embeddings"),
        (200, {"data": [{"embedding": [1, 2]}]}, "1 vectors for 2 texts"),
        (200, {"data": [{"embedding": [1, None]}] * 2}, "answered no embeddings"),
        (200, {"data": [{"embedding": [1]}, {"embedding": [1, 2]}]}, "cannot be compared"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_begun(
    status: int, answer: dict[str, Any], said: str
) -> None:
    with (
        serving(lambda *_: (status, answer)) as (url, _),
        pytest.raises(BadInput, match=said) as caught,
    ):
        embedding.meet(Endpoint.read(url), None, Measured(Secret(KEY), "client"))
    assert caught.value.hint or status == 200
    assert KEY not in str(caught.value)


def test_a_model_that_is_not_there_or_not_chosen_is_named() -> None:
    with serving(right, models=("small", "large")) as (url, _):
        endpoint = Endpoint.read(url)
        with pytest.raises(BadInput, match=r"2 models .small, large.") as caught:
            embedding.meet(endpoint, None, NO_KEY)
        assert "--embeddings-model" in caught.value.hint
        with pytest.raises(BadInput, match="knows no embedding model 'medium'"):
            embedding.meet(endpoint, "medium", NO_KEY)
        assert embedding.meet(endpoint, "large", NO_KEY).model == "large"
    with pytest.raises(BadInput, match="nobody listens"):
        embedding.meet(endpoint, "large", NO_KEY)
