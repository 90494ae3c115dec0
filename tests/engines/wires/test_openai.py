"""The shared chat wire: what several engines send, read as the same events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.domain.errors import DialectError
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.stream import Content, Finished, Reasoning, ToolCall, Usage
from steelyard.domain.task import Call, Media, Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines.wires import openai


def delta(**fields: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": fields}]})


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thinking_is_apart_from_the_answer(key: str) -> None:
    chunk = openai.parse(delta(**{key: "hmm", "content": "so"}))
    assert chunk.events == (Reasoning("hmm"), Content("so"))


def test_an_empty_delta_says_nothing() -> None:
    assert openai.parse(delta(content="")).events == ()
    assert openai.parse('{"choices": []}').events == ()


def test_parallel_tool_calls_keep_their_index() -> None:
    calls = [
        {"index": 0, "function": {"name": "add", "arguments": '{"a":'}},
        {"index": 1, "function": {"arguments": "1}"}},
    ]
    found = openai.parse(delta(tool_calls=calls)).events
    assert found == (ToolCall(0, "add", '{"a":'), ToolCall(1, "", "1}"))


def test_a_whole_answer_is_read_like_a_stream() -> None:
    whole = {
        "choices": [{"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    assert openai.parse(json.dumps(whole)).events == (Content("42"), Finished("stop"), Usage(3, 2))


def test_details_of_usage_are_readings() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    (event,) = openai.parse(json.dumps({"choices": [], "usage": usage})).events
    assert isinstance(event, Usage)
    assert event.cached_tokens == Measured(4, source="engine")
    assert isinstance(event.reasoning_tokens, Missing)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 3}, {"prompt_tokens": 3, "completion_tokens": None}]
)
def test_half_a_usage_is_none(usage: object) -> None:
    assert openai.parse(json.dumps({"choices": [], "usage": usage})).events == ()


@pytest.mark.parametrize("data", ["", "{", "[1]", '"x"', '{"choices": [3]}', "nul"])
def test_no_sense_is_an_error(data: str) -> None:
    with pytest.raises(DialectError):
        openai.parse(data)


def test_an_error_keeps_its_type_and_words() -> None:
    body = '{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}'
    with pytest.raises(DialectError, match="exceed_context_size_error: too long") as caught:
        openai.parse(body)
    assert openai.failure_code(str(caught.value), otherwise="x") == "context_overflow"


@pytest.mark.parametrize(
    "words",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tools param requires --jinja flag",
        "No endpoints found that support tool use.",
    ],
)
def test_a_server_that_takes_no_tools_says_so_in_several_ways(words: str) -> None:
    assert openai.failure_code(words, otherwise="x") == "no_tools"
    assert openai.failure_code("the tool broke", otherwise="x") == "x"


def test_a_request_leaves_out_what_is_not_asked_for() -> None:
    request = GenerationRequest((Message("user", "q"),), stream=False, sampling=Sampling(0.7, 40))
    assert openai.chat_body(request) == {
        "messages": [{"role": "user", "content": "q"}],
        "max_tokens": 64,
        "stream": False,
        "seed": 0,
        "temperature": 0.7,
        "top_k": 40,
    }


def test_tools_are_sent_as_objects() -> None:
    with_tool = GenerationRequest(tools=('{"type": "function"}',))
    assert openai.chat_body(with_tool)["tools"] == [{"type": "function"}]


def test_a_schema_goes_as_the_chat_api_has_it() -> None:
    body = openai.chat_body(GenerationRequest(schema='{"type": "object"}'))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
    }


def test_a_picture_stands_before_the_words_about_it() -> None:
    turn = Message("user", "Which colour?", media=(Media("image", "image/png", "QUJD"),))
    assert openai.message(turn) == {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "text", "text": "Which colour?"},
        ],
    }


def test_a_call_and_its_result_go_back_as_the_chat_api_has_them() -> None:
    called = openai.message(Message("assistant", "", calls=(Call("add", '{"a": 1}', "c1"),)))
    assert called["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    ]
    assert openai.message(Message("tool", "2", answers="c1")) == {
        "role": "tool",
        "content": "2",
        "tool_call_id": "c1",
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "delta", "content", "usage", "error", "tool_calls", "role"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_any_json_is_events_or_a_dialect_error(value: object) -> None:
    try:
        openai.parse(json.dumps(value))
    except DialectError:
        return
