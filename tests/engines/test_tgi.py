"""TGI's dialect, over its transcripts: one model under any name, and few sampling fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.task import Call, Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines.api import Served
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.tgi import Tgi
from steelyard.engines.url import Endpoint

CHAT = "POST /v1/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="tgi", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path) -> Attempt:
    with replaying("tgi", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def test_sampling_that_it_does_not_have_is_not_sent_and_is_said_so() -> None:
    sampling = Sampling(0.7, top_k=20, top_p=0.9, min_p=0.05)
    with replaying("tgi") as server:
        engine = at(server.url)
        body = engine.dialect.encode(replace(ASK, sampling=sampling)).json
        found = {c.name: c.applied for c in engine.controls(Controls(sampling=sampling))}
    assert "top_k" not in body
    assert "min_p" not in body
    assert body["top_p"] == 0.9
    assert isinstance(found["min_p"], Missing)
    assert found["min_p"].detail == "this server takes no min_p, so it was not sent"


def test_a_turn_that_only_calls_has_no_text_which_would_hide_the_calls() -> None:
    calls = (Call("add", "{}", "c1"),)
    turns = (
        Message("user", "q"),
        Message("assistant", "", calls=calls),
        Message("tool", "2", answers="c1"),
    )
    sent = Tgi(Served("m")).encode(GenerationRequest(turns)).json["messages"]
    assert isinstance(sent, list)
    assert ["content" in turn for turn in sent] == [True, False, True]
    assert sent[1]["tool_calls"][0]["id"] == "c1"


def test_a_role_in_every_chunk_makes_no_difference(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert attempt.outcome == Completed()
    assert [a.kind for a in attempt.arrivals if a.kind != "role"][:6] == ["content"] * 6


def test_its_facts_tell_revision_context_and_build() -> None:
    with replaying("tgi") as server:
        claim = at(server.url).identity()
    assert claim.build == Measured("3.3.6", "engine")
    assert claim.context_tokens == Measured(4096, "engine")
    assert isinstance(claim.digest, Measured)
    assert claim.digest.value.startswith("a10cc151")


@pytest.mark.parametrize(
    ("file", "code"),
    [("chat-error-midway.http", "error_in_stream"), ("chat-overloaded.http", "overloaded")],
)
def test_what_goes_wrong_has_a_code(file: str, code: str, tmp_path: Path) -> None:
    outcome = one(file, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == code


def test_tokens_come_as_objects() -> None:
    answer = [{"id": 5, "text": "a", "start": 0, "stop": 1}, {"id": 6, "text": "b"}]
    assert Tgi().read_tokens(answer) == (5, 6)
    for nonsense in ({"tokens": [5]}, [5], None):
        with pytest.raises(DialectError, match="TGI's /tokenize answered"):
            Tgi().read_tokens(nonsense)
