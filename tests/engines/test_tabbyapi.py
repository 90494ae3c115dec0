"""TabbyAPI's dialect, over its transcripts: times in its usage, and no seed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, EngineTimings, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Served
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.tabbyapi import TabbyApi
from steelyard.engines.url import Endpoint

CHAT = "POST /v1/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="tabbyapi", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path) -> Attempt:
    with replaying("tabbyapi", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def test_no_seed_is_sent_and_that_is_said() -> None:
    with replaying("tabbyapi") as server:
        engine = at(server.url)
        found = {c.name: c.applied for c in engine.controls(Controls(seed=4))}
    assert "seed" not in engine.dialect.encode(ASK).json
    assert not engine.dialect.capabilities.honours_seed
    assert isinstance(found["seed"], Missing)
    assert found["seed"].code == "not_controllable"


def test_its_usage_tells_times_and_the_caches_share_is_not_computed_again(tmp_path: Path) -> None:
    attempt = one("chat-stream.http", tmp_path)
    assert isinstance(attempt.timings, Measured)
    clock = attempt.timings.value
    assert (clock.prefill_s, clock.decode_s) == (
        Measured(0.0625, "engine"),
        Measured(0.5, "engine"),
    )
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.prompt_tokens == 10
    assert clock.cached_tokens == Measured(4, "engine")
    assert clock.prompt_tokens == Measured(6, "engine")


def test_a_word_in_the_place_of_a_number_is_no_number(tmp_path: Path) -> None:
    attempt = one("chat-no-rate.http", tmp_path)
    assert attempt.outcome == Completed()
    assert isinstance(attempt.timings, Measured)
    assert attempt.timings.value.prefill_s == Measured(0.0, "engine")
    decode = attempt.timings.value.decode_s
    assert isinstance(decode, Missing)
    assert "Indeterminate" in decode.detail


def test_shared_beginnings_leave_the_computed_tokens_unknown_where_no_cache_is_told() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_time": 0.1}
    data = json.dumps({"choices": [], "usage": usage})
    alone, shared = (
        list(TabbyApi(Served("m", shares_prefix=s)).decode(data))[-1] for s in (False, True)
    )
    assert isinstance(alone, EngineTimings)
    assert isinstance(shared, EngineTimings)
    assert alone.prompt_tokens == Measured(9, "engine")
    assert isinstance(shared.prompt_tokens, Missing)


def test_an_end_without_done_but_with_an_error_is_an_error(tmp_path: Path) -> None:
    outcome = one("chat-error-midway.http", tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert "aborted" in outcome.detail


def test_what_is_loaded_is_told_of_the_model_that_was_chosen_alone() -> None:
    with replaying("tabbyapi") as server:
        engine = at(server.url)
        controls = {c.name: c.applied for c in engine.controls(Controls())}
        answers_now = engine.ask(TabbyApi().identity_calls()[1])
    assert controls["kv_type"] == Measured("Q8", "engine")
    assert controls["slots"] == Measured("16", "derived")
    other = TabbyApi(Served("another")).read_identity((None, answers_now))
    assert isinstance(other.context_tokens, Missing)


@pytest.mark.parametrize("exact", [True, False])
def test_the_end_token_is_forbidden_where_a_length_is_to_be_met(exact: bool) -> None:
    body = TabbyApi(Served("m")).encode(replace(ASK, exact_tokens=exact)).json
    assert ("ban_eos_token" in body) is exact
