"""SGLang's dialect, over its transcripts: its cache, its settings, and answers it gives up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import Manner, replaying

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Served
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.sglang import SgLang
from steelyard.engines.url import Endpoint

CHAT = "POST /v1/chat/completions"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), engine="sglang", **more)  # type: ignore[arg-type]


def one(file: str, folder: Path) -> Attempt:
    with replaying("sglang", Manner(other={CHAT: file})) as server:
        (attempt,) = answers(at(server.url), [ASK], folder)
    return attempt


def controls(server_info: str) -> dict[str, object]:
    with replaying("sglang", Manner(other={"GET /server_info": server_info})) as server:
        return {c.name: c.applied for c in at(server.url).controls(Controls())}


def test_a_server_without_a_prefix_cache_is_said_to_have_none() -> None:
    with_cache, without = (controls(f) for f in ("server-info.http", "server-info-no-cache.http"))
    assert isinstance(with_cache["prefix_cache"], Missing)
    assert without["prefix_cache"] == Measured("off", "engine")
    assert (with_cache["quant"], without["quant"]) == (
        Measured("fp8", "engine"),
        Measured("bfloat16", "engine"),
    )
    assert with_cache["slots"] == Measured("64", "derived")
    assert with_cache["kv_type"] == Measured("auto", "engine")


def test_the_older_name_of_its_settings_is_tried_too() -> None:
    dialect = SgLang(Served("m"))
    settings = {"version": "0.4.9", "max_running_requests": 8}
    claim = dialect.read_identity((None, None, None, settings))
    assert (claim.build, claim.slots) == (Measured("0.4.9", "engine"), Measured(8, "engine"))
    assert "/get_server_info" in {call.path for call in dialect.identity_calls()}


def test_an_aborted_answer_is_no_answer(tmp_path: Path) -> None:
    outcome = one("chat-aborted.http", tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.why, "aborted" in outcome.detail) == ("error_in_stream", True)


def test_an_error_in_the_middle_keeps_its_words(tmp_path: Path) -> None:
    outcome = one("chat-error-midway.http", tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert "Scheduler hit an exception" in outcome.detail


def test_thinking_is_counted_beside_the_others(tmp_path: Path) -> None:
    attempt = one("chat-reasoning.http", tmp_path)
    assert attempt.outcome == Completed()
    assert (attempt.reasoning, attempt.text) == ("Two and two.", "Four.")
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.reasoning_tokens == Measured(4, "engine")
    assert attempt.usage.value.cached_tokens == Measured(4, "engine")


@pytest.mark.parametrize("prompt", [None, (5, 6, 7)])
def test_requests_are_salted_unless_a_prefix_is_shared(prompt: tuple[int, ...] | None) -> None:
    request = replace(ASK, prompt_tokens=prompt)
    dialect = SgLang(Served("m", tokenises=True))
    assert dialect.encode(request).json["cache_salt"]
    assert "cache_salt" not in dialect.encode(replace(request, reuse_prefix=True)).json


def test_no_seed_is_promised() -> None:
    assert not SgLang().capabilities.honours_seed  # only its deterministic mode keeps one
