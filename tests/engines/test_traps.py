"""Known traps, each on every engine to which it applies: a transcript, or the reason for none."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engines.drive import answers
from tests.engines.replica import NAMES, Manner, replaying

from steelyard.analysis import timing
from steelyard.analysis.failure_hints import HINTS, hint
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Attempt, Completed, Failed
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import transcript
from steelyard.engines.attached import attach
from steelyard.engines.url import Endpoint
from steelyard.engines.wires import openai

ASK = GenerationRequest((Message("user", "two and two"),), max_tokens=6, seed=3)
ROUTES = {"lmstudio": "POST /api/v0/chat/completions", "ollama": "POST /api/chat"}
FILTERED = "chat-filtered.http"


@dataclass(frozen=True)
class Not:
    """Why a trap cannot be set on an engine."""

    why: str


Told = str | Not
EACH_A_TOKEN = Not("each token is an event, and counts come at the end")
AT_THE_END = Not("its last line counts, whoever asks")
NO_COMMENTS = Not("it sends none")
OWN = Not("a server of one's own bills nothing")
NO_FILTER = Not("it has none")
LOADED = Not("its port opens when the model is loaded")
WAITS = Not("a request waits until the model is loaded")
QUEUES = Not("it queues without a limit")


def counts(attempt: Attempt) -> tuple[int, int]:
    assert isinstance(attempt.usage, Measured)
    return attempt.usage.value.prompt_tokens, attempt.usage.value.output_tokens


def kinds(attempt: Attempt) -> list[str]:
    return [arrival.kind for arrival in attempt.arrivals]


# ── what must come of each ──────────────────────────────────────────────────────────────────────


def a_role_is_no_token(attempt: Attempt) -> None:
    assert attempt.outcome == Completed()
    first = timing.token_arrivals(attempt)[0]
    assert first.kind == "content"
    assert first.text_end == len("so")
    assert kinds(attempt)[0] == "role" or attempt.arrivals[0] == first


def events_are_no_tokens(attempt: Attempt) -> None:
    assert counts(attempt) == (12, 8)
    assert kinds(attempt).count("content") == 3


def the_last_count_holds(attempt: Attempt) -> None:
    assert attempt.outcome == Completed()
    assert counts(attempt)[1] >= 3
    assert kinds(attempt).count("usage") > 2


def no_count_is_missing(attempt: Attempt) -> None:
    assert attempt.outcome == Completed()
    assert isinstance(attempt.usage, Missing)
    assert isinstance(timing.output_tps(attempt), Missing)


def thinking_is_apart(attempt: Attempt) -> None:
    assert (attempt.reasoning, attempt.text) == ("Two and two.", "Four.")
    assert "reasoning" in kinds(attempt)


def a_call_is_a_call(attempt: Attempt) -> None:
    assert attempt.outcome == Completed()
    assert "tool_call" in kinds(attempt)


def text_is_text(attempt: Attempt) -> None:
    assert attempt.outcome == Completed()
    assert "tool_call" not in kinds(attempt)
    assert "get_weather" in attempt.text


def it_is_a_failure(*codes: str) -> Callable[[Attempt], None]:
    def check(attempt: Attempt) -> None:
        assert isinstance(attempt.outcome, Failed)
        assert attempt.outcome.why in codes
        assert attempt.outcome.detail
        assert hint(attempt.outcome.why)

    return check


def comments_are_nothing(attempt: Attempt) -> None:
    assert attempt.outcome == Completed()
    assert kinds(attempt).count("content") == 6


CHECKS: dict[str, Callable[[Attempt], None]] = {
    "role first": a_role_is_no_token,
    "several tokens an event": events_are_no_tokens,
    "counts in every event": the_last_count_holds,
    "no counts": no_count_is_missing,
    "thinking in a field": thinking_is_apart,
    "thinking in the content": thinking_is_apart,
    "a tool call": a_call_is_a_call,
    "a tool call as text": text_is_text,
    "an error midway": it_is_a_failure("error_in_stream"),
    "200 with an error": it_is_a_failure("error_in_stream", "context_overflow"),
    "comments": comments_are_nothing,
    "context overflow": it_is_a_failure("context_overflow"),
    "model missing": it_is_a_failure("model_missing"),
    "loading": it_is_a_failure("loading"),
    "overloaded": it_is_a_failure("overloaded"),
    "quota": it_is_a_failure("quota"),
    "content filter": it_is_a_failure("content_filter"),
}
# The same name on every engine that has the trap.
USUAL: dict[str, Told] = {
    "role first": "chat-stream.http",
    "several tokens an event": "chat-several-tokens.http",
    "no counts": "chat-no-usage.http",
    "thinking in a field": "chat-reasoning.http",
    "thinking in the content": "chat-think-in-content.http",
    "a tool call": "chat-tool.http",
    "a tool call as text": "chat-tool-as-text.http",
    "an error midway": "chat-error-midway.http",
    "200 with an error": "chat-ok-with-error.http",
    "context overflow": "context-overflow.http",
    "model missing": "model-missing.http",
    "quota": OWN,
    "content filter": NO_FILTER,
    "comments": NO_COMMENTS,
    "counts in every event": EACH_A_TOKEN,
}
OWN_WAYS: dict[str, dict[str, Told]] = {
    "ik_llamacpp": {
        "counts in every event": "chat-stream.http",
        "model missing": Not("it answers whatever name is asked for"),
        "loading": "loading.http",
        "overloaded": QUEUES,
    },
    "lmstudio": {
        "role first": Not("its first event has text beside the role"),
        "model missing": "chat-none-loaded.http",
        "loading": WAITS,
        "overloaded": QUEUES,
    },
    "localai": {
        "counts in every event": "chat-counts-everywhere.http",
        "loading": WAITS,
        "overloaded": QUEUES,
    },
    "ollama": {
        "role first": "chat-role-first.http",
        "counts in every event": AT_THE_END,
        "no counts": "chat-cached.http",
        "thinking in a field": "chat-thinking.http",
        "comments": Not("it sends lines of JSON and no events"),
        "loading": WAITS,
        "overloaded": "loading.http",
        "quota": "chat-usage-limit.http",
    },
    "openrouter": {
        "role first": Not("its first event has text beside the role"),
        "comments": "chat-stream.http",
        "loading": Not("providers are asked that have it loaded"),
        "overloaded": "chat-limited.http",
        "quota": "chat-no-credit.http",
        "content filter": "chat-flagged.http",
    },
    "sglang": {"loading": LOADED, "overloaded": "chat-overloaded.http"},
    "tabbyapi": {
        "model missing": "chat-none-loaded.http",
        "loading": LOADED,
        "overloaded": QUEUES,
    },
    "tgi": {
        "role first": Not("each event has the role beside its text"),
        "thinking in a field": Not("it has no field for it"),
        "model missing": Not("it answers whatever name is asked for"),
        "loading": LOADED,
        "overloaded": "chat-overloaded.http",
    },
    "vllm": {
        "counts in every event": "chat-continuous-usage.http",
        "loading": LOADED,
        "overloaded": QUEUES,
    },
}


def told(engine: str, trap: str) -> Told:
    found: Told | None = OWN_WAYS[engine].get(trap, USUAL.get(trap))
    assert found is not None, f"{trap!r} on {engine}: neither a transcript nor a reason"
    return found


SET = [(e, t) for e in NAMES for t in CHECKS if isinstance(told(e, t), str)]


@functools.cache
def fallen_into(engine: str) -> dict[str, Attempt]:
    """Ask once for each trap of an engine: with its transcript in the place of the answer."""
    files = [str(told(e, t)) for e, t in SET if e == engine]
    files += [FILTERED] * (engine == "openrouter")
    route = ROUTES.get(engine, "POST /v1/chat/completions")
    with (
        replaying(engine, Manner(turns={route: files})) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        there = attach(Endpoint.read(server.url), engine=engine)
        came = answers(there, [ASK] * len(files), Path(folder))
    assert not server.refused
    return dict(zip(files, came, strict=True))


@pytest.mark.parametrize(("engine", "trap"), SET, ids=[f"{e}: {t}" for e, t in SET])
def test_a_known_trap_is_not_fallen_into(engine: str, trap: str) -> None:
    CHECKS[trap](fallen_into(engine)[str(told(engine, trap))])


def test_a_trap_that_does_not_apply_says_why() -> None:
    for engine in NAMES:
        assert {*OWN_WAYS[engine]} <= {*CHECKS}
        for trap in CHECKS:
            found = told(engine, trap)
            assert isinstance(found, str) or len(found.why) > 10


def test_an_answer_that_a_filter_ended_is_no_answer() -> None:
    outcome = fallen_into("openrouter")[FILTERED].outcome
    assert isinstance(outcome, Failed)
    assert outcome.why == "content_filter"


def test_an_error_under_200_may_be_told_by_its_words() -> None:
    for engine in ("tgi", "sglang"):
        outcome = fallen_into(engine)["chat-ok-with-error.http"].outcome
        assert isinstance(outcome, Failed)
        assert outcome.why == "context_overflow", engine


def test_every_code_has_a_hint() -> None:
    given = {*openai._FAILURES, *transcript._BY_STATUS.values()}
    given |= {"error_in_stream", "malformed_stream", "truncated_stream", "zero_tokens"}
    given |= {"compressed_body", "redirected"}
    given |= {"connection_refused", "disconnected", "unreachable", "stalled", "deadline"}
    given |= {"malformed_response"}
    assert given <= HINTS.keys()
    assert {hint(code) for code in ("http_418", "http_500", "http_302")} >= {hint("http_500")}
    assert all(hint(code) for code in ("http_418", "http_500", "http_302"))
    assert hint("no_such_code") == ""
