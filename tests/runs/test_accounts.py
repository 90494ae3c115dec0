"""A hosted service's accounts of its answers: late, refused, of no sense, or joined to attempts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import FOLDER, Manner, replaying

from steelyard.analysis.level_sides import service_side
from steelyard.domain.errors import DialectError
from steelyard.domain.progress import Noted, Progress
from steelyard.domain.reading import Measured, Missing, value_of
from steelyard.domain.run import Section
from steelyard.domain.stream import Account, Attempt
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.attached import attach
from steelyard.engines.openrouter import OpenRouter
from steelyard.engines.url import Endpoint
from steelyard.runs import accounts

CHAT = "POST /v1/chat/completions"
ACCOUNT = "GET /v1/generation?id=gen-1790000000-Kx2qPz"
ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)
SOON = (0.01, 0.02, 0.04)


def told(
    folder: Path, engine: str = "openrouter", count: int = 1, **manner: Mapping[str, object]
) -> tuple[tuple[Attempt, ...], list[Progress], list[str]]:
    """Ask some questions, and then for their accounts; return also what was said and asked."""
    said: list[Progress] = []
    with replaying(engine, Manner(**manner)) as server:  # type: ignore[arg-type]
        there = attach(Endpoint.read(server.url), engine=engine)
        attempts = tuple(answers(there, [ASK] * count, folder))
        section = Section("s", "workload", "completed", 0, 1, attempts=attempts)
        (joined,) = accounts.joined(there, [section], said.append, SOON, most_s=5)
        asked = [route for route, _ in server.asked]
    return tuple(joined.attempts), said, asked


def test_an_account_stands_beside_what_the_client_saw(tmp_path: Path) -> None:
    (attempt,), said, asked = told(tmp_path)
    assert attempt.answer_id == "gen-1790000000-Kx2qPz"
    assert attempt.account == Measured(
        Account(
            provider=Measured("Novita", "engine"),
            prompt_tokens=Measured(10, "engine"),
            output_tokens=Measured(6, "engine"),
            reasoning_tokens=Measured(0, "engine"),
            cached_tokens=Measured(3, "engine"),
            latency_s=Measured(0.31, "engine"),
            generation_s=Measured(1.2, "engine"),
            cost_usd=Measured(0.00014, "engine"),
            upstream_usd=Measured(0.00012, "engine"),
        ),
        "engine",
    )
    assert isinstance(attempt.timings, Missing)  # the service's words are no engine's clock
    assert asked.index(ACCOUNT) > asked.index(CHAT)
    assert not any(isinstance(event, Noted) for event in said)


def test_an_account_that_comes_late_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    (attempt,), _, asked = told(tmp_path, late={ACCOUNT: 2})
    assert isinstance(attempt.account, Measured)
    assert asked.count(ACCOUNT) == 3
    (attempt,), said, asked = told(tmp_path, late={ACCOUNT: 99})
    assert isinstance(attempt.account, Missing)
    assert attempt.account.code == "not_there_yet"
    assert asked.count(ACCOUNT) == 1 + len(SOON)
    assert any(isinstance(event, Noted) and "1 of 1 answers" in event.text for event in said)


def test_one_answer_is_asked_for_once_however_often_it_was_given(tmp_path: Path) -> None:
    attempts, _, asked = told(tmp_path, count=4)  # the replica knows all of them by one id
    assert asked.count(ACCOUNT) == 1
    assert {type(attempt.account) for attempt in attempts} == {Measured}


@pytest.mark.parametrize("file", ["chat-no-credit.http", "models.http"])
def test_what_is_refused_or_no_account_is_not_asked_for_again(tmp_path: Path, file: str) -> None:
    (attempt,), _, asked = told(tmp_path, other={ACCOUNT: file})
    assert isinstance(attempt.account, Missing)
    assert attempt.account.code == "not_told"
    assert asked.count(ACCOUNT) == 1


def test_one_refusal_ends_the_asking_for_all(tmp_path: Path) -> None:
    (attempt,), _, _ = told(tmp_path)
    other = replace(attempt, answer_id="gen-of-another")
    section = Section("s", "workload", "completed", 0, 1, attempts=(attempt, other))
    with replaying("openrouter", Manner(other={ACCOUNT: "chat-no-credit.http"})) as server:
        there = attach(Endpoint.read(server.url), engine="openrouter")
        (joined,) = accounts.joined(there, [section], lambda _: None, SOON)
        asked = [route for route, _ in server.asked if "gen-of-another" in route]
    assert len(asked) <= 1
    codes = {a.account.code for a in joined.attempts if isinstance(a.account, Missing)}
    assert codes == {"not_told"}


def test_the_bill_of_an_account_is_the_cost_where_the_answer_named_none(tmp_path: Path) -> None:
    (attempt,), _, _ = told(tmp_path)
    unpriced = replace(attempt, cost=Missing("not_priced"), account=Missing("no_account"))
    section = Section("s", "workload", "completed", 0, 1, attempts=(unpriced,))
    with replaying("openrouter") as server:
        there = attach(Endpoint.read(server.url), engine="openrouter")
        (joined,) = accounts.joined(there, [section], lambda _: None, SOON)
    assert joined.attempts[0].cost == Measured(0.00014, "engine")


def test_a_service_without_accounts_is_asked_for_none(tmp_path: Path) -> None:
    (attempt,), said, asked = told(tmp_path, engine="vllm")
    assert attempt.answer_id is None
    assert isinstance(attempt.account, Missing)
    assert said == []
    assert not any("generation" in route for route in asked)
    assert service_side([attempt]) == Missing("no_account", "no service keeps accounts of these")


def test_what_an_account_leaves_out_is_missing_and_not_nought() -> None:
    raw = (FOLDER / "openrouter" / "generation.http").read_text().rpartition("\n\n")[2]
    data = json.loads(raw)["data"]
    keys = ("provider_name", "native_tokens_prompt", "latency", "upstream_inference_cost")
    bare = OpenRouter().read_account({"data": data | dict.fromkeys(keys)})
    for reading in (bare.provider, bare.prompt_tokens, bare.latency_s, bare.upstream_usd):
        assert isinstance(reading, Missing)
        assert reading.code == "not_reported"
    assert bare.reasoning_tokens == Measured(0, "engine")
    odd = OpenRouter().read_account({"data": {"native_tokens_prompt": True, "latency": -1}})
    assert isinstance(odd.prompt_tokens, Missing)
    assert isinstance(odd.latency_s, Missing)
    with pytest.raises(DialectError, match="no `data`"):
        OpenRouter().read_account({"error": {"message": "no"}})


@pytest.mark.parametrize("bad", ["", "x" * 300, "a\nb", 7, None])
def test_an_id_that_could_be_anything_is_none(bad: object) -> None:
    assert OpenRouter().answer_id(json.dumps({"id": bad, "choices": []})) is None
    call = OpenRouter().account_call("gen-1&x=/../2")
    assert call.path == "/v1/generation?id=gen-1%26x%3D%2F..%2F2"


def test_a_level_says_what_the_accounts_say(tmp_path: Path) -> None:
    attempts, _, _ = told(tmp_path, count=3)
    side = service_side(attempts)
    assert isinstance(side, Measured)
    assert (side.value.answers, side.value.accounts) == (3, 3)
    assert side.value.providers == {"Novita": 3}
    assert side.value.prompt_tokens == Measured(30, "derived")
    assert side.value.generation_s == Measured(1.2, "derived")
    assert value_of(side.value.upstream_usd) == pytest.approx(0.00036)
    late = Missing("not_there_yet", "late")
    some = service_side([attempts[0], replace(attempts[1], account=late)])
    assert isinstance(some, Measured)
    assert (some.value.answers, some.value.accounts) == (2, 1)
    none = service_side([replace(attempts[0], account=late)])
    assert isinstance(none, Missing)
    assert none.code == "not_there_yet"


def test_a_service_that_falls_silent_bounds_the_wait(tmp_path: Path) -> None:
    attempts, _, _ = told(tmp_path)
    section = Section("s", "workload", "completed", 0, 1, attempts=attempts)
    with replaying("openrouter", Manner(late={ACCOUNT: 10**6})) as server:
        there = attach(Endpoint.read(server.url), engine="openrouter")
        started = time.monotonic()
        (joined,) = accounts.joined(there, [section], lambda _: None, (0.1,) * 100, most_s=0.5)
    assert time.monotonic() - started < 3
    assert isinstance(joined.attempts[0].account, Missing)
    assert threading.active_count() < 20
