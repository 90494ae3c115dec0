"""The dialect of servers that somebody else runs, pinned with what such servers send."""

from __future__ import annotations

import json

import pytest
from tests.engines.places import HERE

from steelyard.domain.errors import BadInput, DialectError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Content, EngineTimings, Finished, Reasoning, ToolCall, Usage
from steelyard.domain.subject import Artifact, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines.api import Evidence, dialects
from steelyard.engines.openai_endpoint import OpenAiEndpoint, Server, known_as
from steelyard.engines.wires.served import pick_model

ASK = GenerationRequest((Message("user", "hi"),), max_tokens=9, seed=3, exact_tokens=True)
SUBJECT = Subject(Artifact("m", "endpoint", "ab" * 32), "openai", "attached")
VLLM = {"data": [{"id": "qwen", "owned_by": "vllm", "max_model_len": 8192}]}
HOSTED = {"data": [{"id": "small", "owned_by": "system"}, {"id": "large", "owned_by": "system"}]}
PROPS = {
    "total_slots": 2,
    "build_info": "b7000-abc",
    "model_path": "/m/q.gguf",
    "default_generation_settings": {"n_ctx": 4096, "params": {"temperature": 0.8}},
}


def body(dialect: OpenAiEndpoint, request: GenerationRequest = ASK) -> dict[str, object]:
    call = dialect.encode(request)
    assert (call.method, call.path) == ("POST", "/v1/chat/completions")
    return dict(call.json)


def test_a_request_says_what_is_stated_and_nothing_that_only_some_servers_know() -> None:
    assert body(OpenAiEndpoint("small")) == {
        "model": "small",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 3,
        "temperature": 0.0,
    }


def test_the_models_own_sampling_is_sent_as_it_is_stated() -> None:
    sent = body(
        OpenAiEndpoint("small"), GenerationRequest(sampling=Sampling(0.7, top_k=20, top_p=0.9))
    )
    assert (sent["temperature"], sent["top_k"], sent["top_p"]) == (0.7, 20, 0.9)


@pytest.mark.parametrize(
    ("server", "extra"),
    [
        ("unknown", set()),
        ("ollama", set()),
        ("vllm", {"ignore_eos"}),
        ("sglang", {"ignore_eos"}),
        ("llama.cpp", {"ignore_eos", "cache_prompt"}),
        ("scripted", {"ignore_eos", "cache_prompt"}),
    ],
)
def test_what_a_server_is_known_to_take_is_sent_to_it_alone(
    server: Server, extra: set[str]
) -> None:
    dialect = OpenAiEndpoint("m", server)
    assert set(body(dialect)) - set(body(OpenAiEndpoint("m"))) == extra
    assert dialect.capabilities.exact_tokens is ("ignore_eos" in extra)
    assert dialect.capabilities.controls_prefix_cache is ("cache_prompt" in extra)


def test_no_server_is_started() -> None:
    with pytest.raises(UnsupportedSubject, match="starts no server") as caught:
        OpenAiEndpoint().launch(SUBJECT, Controls(), HERE)
    assert "URL" in caught.value.hint


def test_a_prompt_of_tokens_is_refused_rather_than_sent_as_something_else() -> None:
    with pytest.raises(UnsupportedSubject, match="takes messages"):
        OpenAiEndpoint("m").encode(GenerationRequest(prompt_tokens=(1, 2)))
    with pytest.raises(UnsupportedSubject, match="slot"):
        OpenAiEndpoint("m").encode(GenerationRequest(slot=0))


def events(data: object) -> list[object]:
    return list(OpenAiEndpoint("m").decode(json.dumps(data)))


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields}]}


def test_answer_thinking_and_tools_are_told_apart() -> None:
    assert events(delta(content="four")) == [Content("four")]
    assert events(delta(reasoning_content="2+2")) == [Reasoning("2+2")]
    assert events(delta(reasoning="2+2")) == [Reasoning("2+2")]
    call = {"index": 0, "id": "x", "function": {"name": "add", "arguments": "{}"}}
    (event,) = events(delta(tool_calls=[call]))
    assert isinstance(event, ToolCall)
    assert (event.name, event.arguments) == ("add", "{}")


def test_token_counts_are_the_servers_own() -> None:
    last = {
        "choices": [],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 6},
        },
    }
    (usage,) = events(last)
    assert isinstance(usage, Usage)
    assert (usage.prompt_tokens, usage.output_tokens) == (5, 7)
    assert usage.cached_tokens == Measured(4, "engine")
    assert usage.reasoning_tokens == Measured(6, "engine")


def test_the_clock_of_llama_cpp_is_read_where_it_stands() -> None:
    last = {**delta(), "timings": {"prompt_ms": 62.5, "prompt_n": 5}}
    last["choices"] = [{"delta": {}, "finish_reason": "stop"}]
    finished, clock = events(last)
    assert finished == Finished("stop")
    assert isinstance(clock, EngineTimings)
    assert clock.prefill_s == Measured(0.0625, "engine")


def test_timings_of_another_make_are_not_taken_for_those() -> None:
    assert events({**delta(content="a"), "timings": {"queue": 3}}) == [Content("a")]


def test_an_error_in_the_stream_is_an_error() -> None:
    with pytest.raises(DialectError, match="overloaded"):
        events({"error": {"message": "overloaded"}})


@pytest.mark.parametrize(
    ("listing", "props", "server"),
    [
        (VLLM, None, "vllm"),
        (HOSTED, None, "unknown"),
        ({"data": [{"id": "m", "owned_by": "llamacpp"}]}, None, "llama.cpp"),
        ({"data": [{"id": "m", "owned_by": "library"}]}, None, "ollama"),
        ({"data": [{"id": "m"}]}, PROPS, "llama.cpp"),
        ({"data": [{"id": "m"}]}, {**PROPS, "build_info": "scripted-1"}, "scripted"),
        ("nonsense", ["nonsense"], "unknown"),
    ],
)
def test_a_server_is_what_it_says_it_is(listing: object, props: object, server: Server) -> None:
    assert known_as(listing, props) == server


def test_a_server_that_says_it_in_its_header_alone_is_heard() -> None:
    assert known_as(HOSTED, None, "llama.cpp") == "llama.cpp"
    assert known_as(HOSTED, None, "pacer") == "scripted"
    assert known_as(HOSTED, None, "uvicorn") == "unknown"
    assert known_as(VLLM, None, "llama.cpp") == "vllm"


def test_planted_numbers_stay_labelled() -> None:
    assert OpenAiEndpoint("m", "scripted").capabilities.simulated
    assert not OpenAiEndpoint("m", "llama.cpp").capabilities.simulated


def test_the_only_model_is_taken_and_one_of_several_must_be_named() -> None:
    assert pick_model(None, VLLM, where="here") == "qwen"
    assert pick_model("large", HOSTED, where="here") == "large"
    with pytest.raises(BadInput, match="here serves 2 models") as caught:
        pick_model(None, HOSTED, where="here")
    assert "--model: large, small" in caught.value.hint
    with pytest.raises(BadInput, match="'lrge'") as caught:
        pick_model("lrge", HOSTED, where="here")
    assert "did you mean 'large'" in caught.value.hint


def test_of_hundreds_of_models_those_are_shown_that_may_be_meant() -> None:
    many = {"data": [{"id": f"maker/model-{n}"} for n in range(300)]}
    with pytest.raises(BadInput) as caught:
        pick_model(None, many, where="here")
    assert "and 280 more" in caught.value.hint
    with pytest.raises(BadInput) as caught:
        pick_model("model-299", many, where="here")
    assert "did you mean 'maker/model-299'" in caught.value.hint
    assert caught.value.hint.count("maker/") < 25


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"data": 3}, {"error": "x"}])
def test_what_is_no_list_of_models_is_said_so(answer: object) -> None:
    with pytest.raises(DialectError, match="lists no models"):
        pick_model(None, answer, where="here")


def test_a_server_without_a_model_is_said_so() -> None:
    with pytest.raises(DialectError, match="serves no model"):
        pick_model(None, {"data": []}, where="here")


def test_identity_is_what_the_chosen_model_says_of_itself() -> None:
    claim = OpenAiEndpoint("qwen", "vllm").read_identity((VLLM, None, {"version": "0.9"}, None))
    assert claim.name == Measured("qwen", "engine")
    assert claim.context_tokens == Measured(8192, "engine")
    assert claim.build == Measured("0.9", "engine")
    assert isinstance(claim.slots, Missing)


def test_identity_of_llama_cpp_is_that_of_the_chosen_entry() -> None:
    listing = {"data": [{"id": "a", "meta": {"size": 1}}, {"id": "b", "meta": {"size": 2}}]}
    claim = OpenAiEndpoint("b", "llama.cpp").read_identity((listing, PROPS, None, None))
    assert claim.tensor_bytes == Measured(2, "engine")
    assert (claim.slots, claim.context_tokens) == (Measured(2, "engine"), Measured(4096, "engine"))
    assert claim.build == Measured("b7000-abc", "engine")


def test_a_model_that_nobody_lists_is_not_proved_by_being_asked_for() -> None:
    claim = OpenAiEndpoint("m").read_identity((None, None, None, None))
    assert isinstance(claim.name, Missing)
    assert isinstance(claim.build, Missing)


def test_tokens_are_asked_for_by_the_route_that_is_there() -> None:
    vllm = OpenAiEndpoint("qwen", "vllm", "vllm")
    assert vllm.tokenise_call("hi", special=False).json == {
        "model": "qwen",
        "prompt": "hi",
        "add_special_tokens": False,
    }
    llama = OpenAiEndpoint("qwen", "llama.cpp", "llama.cpp")
    assert llama.tokenise_call("hi", special=True).json["content"] == "hi"
    assert vllm.read_tokens({"count": 2, "tokens": [1, 2]}) == (1, 2)
    with pytest.raises(UnsupportedSubject, match="counts tokens"):
        OpenAiEndpoint("qwen").tokenise_call("hi", special=False)
    for nonsense in (None, {"tokens": None}, {"tokens": ["a"]}):
        with pytest.raises(DialectError, match="no list of tokens"):
            vllm.read_tokens(nonsense)


def test_of_every_control_it_is_said_what_is_known_or_why_nothing_is() -> None:
    evidence = Evidence((HOSTED, None, None, None), (), "", Missing("elsewhere", "not here"))
    controls = OpenAiEndpoint("small").controls_readback(SUBJECT, Controls(threads=2), evidence)
    missing = {c.name: c.applied.code for c in controls if isinstance(c.applied, Missing)}
    assert missing == {
        "seed": "not_reported",
        "temperature": "not_reported",
        "threads": "not_controllable",
        "affinity": "elsewhere",
        "context_tokens": "not_reported",
        "slots": "not_reported",
        "prefix_cache": "not_controllable",
        "exact_length": "not_controllable",
    }


def test_nothing_is_asked_that_somebody_would_be_billed_for() -> None:
    assert OpenAiEndpoint("small").control_probes(Controls()) == ()
    assert {call.method for call in OpenAiEndpoint("small").identity_calls()} == {"GET"}


def test_it_is_found_by_its_name_where_it_is_installed() -> None:
    if "openai" not in dialects():
        pytest.skip("this checkout was installed before the entry point was there")
    from steelyard.engines.api import dialect

    assert isinstance(dialect("openai"), OpenAiEndpoint)
