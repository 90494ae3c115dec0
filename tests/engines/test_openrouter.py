"""OpenRouter's dialect, over its transcripts: cost, providers, comments, and what breaks off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Attempt, Completed, Failed, Usage
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Met, Served
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.openrouter import OpenRouter
from steelyard.engines.url import Endpoint

CHAT = "POST /v1/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="openrouter", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path) -> Attempt:
    with replaying("openrouter", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def test_comments_between_the_events_are_no_events(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert attempt.outcome == Completed()
    assert attempt.text == "so then the river ran on"
    assert [a.kind for a in attempt.arrivals].count("content") == 6


def test_what_a_request_cost_is_kept_with_it(tmp_path: Path) -> None:
    assert one("chat-stream.http", tmp_path).cost == Measured(0.00014, "engine")
    with replaying("openrouter") as server:
        engine = at(server.url)
        (whole,) = answers(engine, [replace(ASK, stream=False)], tmp_path)
    assert whole.cost == Measured(0.00014, "engine")
    assert engine.dialect.encode(ASK).json["usage"] == {"include": True}


def test_what_costs_nothing_says_so_and_a_cost_that_was_not_told_is_missing() -> None:
    def usage(**more: object) -> Usage:
        counts = {"prompt_tokens": 5, "completion_tokens": 2, **more}
        (event,) = OpenRouter().decode(json.dumps({"choices": [], "usage": counts}))
        assert isinstance(event, Usage)
        return event

    assert usage(cost=0).cost == Measured(0.0, "engine")
    assert isinstance(usage().cost, Missing)
    assert isinstance(usage(cost="free").cost, Missing)


def test_a_model_that_no_provider_gives_tools_is_known_before_it_is_asked() -> None:
    def able(**entry: object) -> bool:
        listing = {"data": [{"id": "m", **entry}]}
        return OpenRouter(Served("m", answers=(listing,))).capabilities.tool_calls

    assert able(supported_parameters=["seed", "tools"])
    assert not able(supported_parameters=["seed"])
    assert able()


def test_two_providers_are_not_one_subject(tmp_path: Path) -> None:
    first, second = (one(f, tmp_path) for f in ("chat-stream.http", "chat-other-provider.http"))
    assert first.model == "meta-llama/llama-3.3-70b-instruct by Novita"
    with replaying("openrouter") as server:
        engine = at(server.url)
    assert engine.answered([first.model, first.model]).passed
    proof = engine.answered([first.model, second.model])
    assert not proof.passed
    assert "by DeepInfra" in proof.found


@pytest.mark.parametrize("file", ["chat-error-midway.http", "chat-finished-in-error.http"])
def test_a_provider_that_breaks_off_is_a_failure_under_status_200(
    file: str, tmp_path: Path
) -> None:
    outcome = one(file, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "error_in_stream"
    assert "rovider" in outcome.detail


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("chat-no-credit.http", "quota"),
        ("chat-flagged.http", "content_filter"),
        ("chat-limited.http", "overloaded"),
        ("chat-no-provider.http", "overloaded"),
    ],
)
def test_what_goes_wrong_has_a_code(file: str, code: str, tmp_path: Path) -> None:
    outcome = one(file, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == code


def test_the_quant_is_told_where_all_providers_agree() -> None:
    with replaying("openrouter") as server:
        assert at(server.url).identity().quant == Measured("bf16", "engine")
    path = "GET /v1/models/meta-llama/llama-3.3-70b-instruct/endpoints"
    with replaying("openrouter", Manner(other={path: "endpoints-differ.http"})) as server:
        quant = at(server.url).identity().quant
    assert isinstance(quant, Missing)
    assert quant.code == "varies"
    assert "fp8 at DeepInfra" in quant.detail


def test_its_own_root_lies_under_api() -> None:
    endpoint = Endpoint.read("https://openrouter.ai/api/v1")
    assert endpoint.target("/v1/models") == "/api/v1/models"


def test_it_is_known_by_its_list_alone() -> None:
    entry = {"id": "m", "pricing": {}, "top_provider": {}}
    assert OpenRouter().recognises(Met({"data": [entry]}))
    assert not OpenRouter().recognises(Met({"data": [{"id": "m"}]}))
