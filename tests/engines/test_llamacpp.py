"""llama-server's dialect, pinned with strings the server really sends."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.engines.places import HERE

from steelyard.domain.errors import DialectError, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.domain.stream import Content, EngineTimings, Finished, RoleStarted, Usage
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import Evidence
from steelyard.engines.llamacpp import LlamaCpp
from steelyard.engines.wires.llama_server import top_logprobs

QWEN = Subject(Artifact("qwen3-4b-q4_k_m.gguf", "gguf", sha256="ab" * 32))
LEFT_ALONE = Controls()
HELLO = GenerationRequest((Message("user", "hi"),), max_tokens=8)
LAST = '{"choices":[{"delta":{},"finish_reason":"stop"}],"timings":{"prompt_ms":62.5,"cache_n":0}}'
RAW = """{"index":0,"content":"ab","tokens":[7,9],"stop":false,
"tokens_predicted":2,"tokens_evaluated":3}"""
RAW_LAST = """{"index":0,"content":"","tokens":[],"id_slot":0,"stop":true,
"model":"tiny.gguf","tokens_predicted":3,"tokens_evaluated":5,"stop_type":"limit",
"timings":{"cache_n":2,"prompt_n":3,"prompt_ms":0.867,"predicted_n":3,"predicted_ms":0.749}}"""
PROPS = {
    "default_generation_settings": {"n_ctx": 512, "params": {"temperature": 0.8, "top_k": 40}},
    "total_slots": 1,
    "model_path": "/models/tiny.gguf",
    "build_info": "b0-unknown",
}
META = {"n_vocab": 512, "n_ctx": 512, "n_params": 1312000, "size": 2626560}
MODELS = {"data": [{"id": "tiny.gguf", "meta": META}]}
LOG = "0.00.013.156 I cmn          init: llama threadpool init, n_threads = 2\n"


def flags(subject: Subject, controls: Controls = LEFT_ALONE) -> dict[str, str]:
    return dict(pairwise(LlamaCpp().launch(subject, controls, HERE).argv))


def test_every_slot_gets_the_whole_context_asked_for() -> None:
    four = replace(QWEN, profile=EngineProfile(context_tokens=8192, slots=4))
    assert flags(four)["--ctx-size"] == "32768"


def test_a_control_overrides_the_profile() -> None:
    three = replace(QWEN, profile=EngineProfile(threads=3))
    assert flags(three)["--threads"] == "3"
    assert flags(three, Controls(threads=2))["--threads"] == "2"
    assert flags(three, Controls(threads=2))["--threads-batch"] == "2"


def test_threads_nobody_chose_are_left_to_the_engine() -> None:
    assert "--threads" not in flags(QWEN)


def test_the_server_may_not_resize_the_subject() -> None:
    assert flags(QWEN)["--fit"] == "off"


def test_old_prompts_may_not_fill_the_memory_that_is_measured() -> None:
    assert flags(QWEN)["--cache-ram"] == "0"


def test_a_foreign_format_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnsupportedSubject, match=r"'qwen3\.exl2' is exl2") as caught:
        flags(Subject(Artifact("qwen3.exl2", "exl2", sha256="cd" * 32)))
    assert "GGUF" in str(caught.value.hint)


def test_a_quantised_cache_without_flash_attention_is_refused() -> None:
    with pytest.raises(UnsupportedSubject, match="q8_0"):
        flags(replace(QWEN, profile=EngineProfile(kv_type="q8_0")))


@pytest.mark.parametrize("reuse", [True, False])
def test_prefix_reuse_is_always_stated(reuse: bool) -> None:
    request = replace(HELLO, reuse_prefix=reuse)
    assert LlamaCpp().encode(request).json["cache_prompt"] is reuse


def test_a_chat_request_states_its_sampling_and_asks_for_usage() -> None:
    call = LlamaCpp().encode(replace(HELLO, seed=7, exact_tokens=True, slot=1, top_logprobs=5))
    assert call.path == "/v1/chat/completions"
    assert call.json == {
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 8,
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 7,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 5,
        "cache_prompt": False,
        "timings_per_token": False,
        "ignore_eos": True,
        "id_slot": 1,
    }


def test_a_prompt_of_tokens_goes_to_the_raw_route() -> None:
    call = LlamaCpp().encode(GenerationRequest(prompt_tokens=(5, 6), max_tokens=1, top_logprobs=3))
    assert call.path == "/completion"
    assert (call.json["prompt"], call.json["n_predict"], call.json["n_probs"]) == ([5, 6], 1, 3)
    assert "ignore_eos" not in call.json


def test_the_server_clock_is_read_in_seconds_and_a_gap_is_not_a_zero() -> None:
    finished, clock = LlamaCpp().decode(LAST)
    assert finished == Finished("stop")
    assert isinstance(clock, EngineTimings)
    assert clock.prefill_s == Measured(0.0625, source="engine")
    assert clock.cached_tokens == Measured(0, source="engine")  # sent as 0: a real zero
    assert clock.decode_s == Missing("not_reported", "llama-server sent timings.predicted_ms=None")


def test_the_first_event_announces_and_says_nothing() -> None:
    first = '{"choices":[{"finish_reason":null,"delta":{"role":"assistant","content":null}}]}'
    assert list(LlamaCpp().decode(first)) == [RoleStarted()]


def test_a_raw_event_says_how_many_tokens_it_carries() -> None:
    assert list(LlamaCpp().decode(RAW)) == [Content("ab", tokens=2)]


def test_the_end_of_a_raw_answer_carries_the_counts() -> None:
    finished, usage, clock = LlamaCpp().decode(RAW_LAST)
    assert finished == Finished("length")
    assert usage == Usage(5, 3, cached_tokens=Measured(2, source="engine"))
    assert isinstance(clock, EngineTimings)
    assert clock.output_tokens == Measured(3, source="engine")


def test_an_error_in_the_stream_is_an_error_not_an_answer() -> None:
    with pytest.raises(DialectError, match="context size exceeded"):
        list(LlamaCpp().decode('{"error": {"message": "context size exceeded"}}'))


def test_the_server_is_read_as_it_describes_itself() -> None:
    claim = LlamaCpp().read_identity([PROPS, MODELS])
    assert claim.model_path == Measured("/models/tiny.gguf", source="engine")
    assert claim.name == Measured("tiny.gguf", source="engine")
    assert claim.parameters == Measured(1312000, source="engine")
    assert claim.tensor_bytes == Measured(2626560, source="engine")
    assert claim.context_tokens == Measured(512, source="engine")
    assert claim.sampling == Measured({"temperature": 0.8, "top_k": 40.0}, source="engine")


def test_a_server_that_describes_nothing_leaves_reasons() -> None:
    claim = LlamaCpp().read_identity([{}, {}])
    for reading in (claim.model_path, claim.parameters, claim.vocabulary, claim.sampling):
        assert isinstance(reading, Missing)


def test_tokens_are_asked_for_without_a_beginning_put_before_them() -> None:
    call = LlamaCpp().tokenise_call("a<|im_end|>", special=True)
    assert call.json == {"content": "a<|im_end|>", "add_special": False, "parse_special": True}
    assert LlamaCpp().read_tokens({"tokens": [1, 2]}) == (1, 2)
    with pytest.raises(DialectError, match="tokenize"):
        LlamaCpp().read_tokens({"tokens": ["a"]})


def test_controls_are_read_back_from_what_is_in_force() -> None:
    echoed = {"seed": 7, "temperature": 0.800000011920929}
    probe = {"generation_settings": echoed, "timings": {"cache_n": 0}}
    evidence = Evidence((PROPS, MODELS), (probe, probe), LOG, Measured((0, 1), source="client"))
    read = LlamaCpp().controls_readback(QWEN, Controls(seed=7, threads=2), evidence)
    applied = {control.name: control.applied for control in read}
    assert applied == {
        "seed": Measured("7", source="engine"),
        "temperature": Measured("0.8", source="engine"),
        "threads": Measured("2", source="engine"),
        "affinity": Measured("0,1", source="derived"),
        "context_tokens": Measured("512", source="derived"),
        "slots": Measured("1", source="derived"),
        "prefix_cache": Measured("off", source="derived"),
    }


def test_a_cache_that_was_on_after_all_shows() -> None:
    probe = {"timings": {"cache_n": 3}}
    evidence = Evidence((PROPS, MODELS), (probe, probe), "", Missing("not_exposed"))
    read = LlamaCpp().controls_readback(QWEN, Controls(), evidence)
    applied = {control.name: control.applied for control in read}
    assert applied["prefix_cache"] == Measured("on", source="derived")
    assert isinstance(applied["threads"], Missing)


def test_the_most_probable_tokens_are_read_by_position() -> None:
    answer = json.loads(
        '{"completion_probabilities":[{"id":7,"logprob":-0.1,"top_logprobs":'
        '[{"id":7,"logprob":-0.1},{"id":9,"logprob":-2.5}]}]}'
    )
    assert top_logprobs(answer) == (((7, -0.1), (9, -2.5)),)
    with pytest.raises(DialectError, match="completion_probabilities"):
        top_logprobs({})
