"""Which engine is it: by its own word, by the user's, and never against either."""

from __future__ import annotations

import pytest
from tests.engines.foreign import ONE_MODEL, serving

from steelyard.domain.errors import BadInput, UnknownName, UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls
from steelyard.engines import meeting
from steelyard.engines.api import Met
from steelyard.engines.attached import AttachedEngine, attach
from steelyard.engines.llamacpp import LlamaCpp
from steelyard.engines.url import Endpoint

MODELS = "/v1/models"
PROPS = {"total_slots": 2, "build_info": "b7000-abc", "default_generation_settings": {"n_ctx": 64}}


def at(url: str, **more: object) -> AttachedEngine:
    return attach(Endpoint.read(url), **more)  # type: ignore[arg-type]


def test_an_engine_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no engine 'olama'") as caught:
        meeting.chosen("olama")
    assert "did you mean 'ollama'" in caught.value.hint


@pytest.mark.parametrize("engine", ["mlx", "transformers", "scripted"])
def test_an_engine_that_is_only_started_here_has_no_address(engine: str) -> None:
    with pytest.raises(UnsupportedSubject, match=f"{engine} is started here") as caught:
        meeting.chosen(engine)
    assert "vllm" in caught.value.hint


def test_a_silent_server_is_taken_at_the_users_word_and_the_record_says_so() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url(), engine="vllm")
        controls = {control.name: control.applied for control in engine.controls(Controls())}
    assert engine.dialect.name == "vllm"
    assert isinstance(engine.known, Missing)
    assert controls["engine"] == engine.known
    assert "the user's word" in engine.known.detail


@pytest.mark.parametrize(
    ("engine", "route"), [("ollama", "/api/version"), ("lmstudio", "/api/v0/models")]
)
def test_no_word_is_taken_for_routes_that_are_not_there(engine: str, route: str) -> None:
    words = f"does not answer as {engine} does: it has no {route}"
    with serving({MODELS: ONE_MODEL}) as server, pytest.raises(BadInput, match=words):
        at(server.url(), engine=engine)


def test_a_server_that_says_nothing_is_any_server() -> None:
    with serving({MODELS: ONE_MODEL}) as server:
        engine = at(server.url())
    assert engine.dialect.name == "openai"
    assert isinstance(engine.known, Missing)


def test_a_server_that_is_known_by_its_list_is_asked_for_nothing_of_the_others() -> None:
    listing = {"data": [{"id": "m", "owned_by": "vllm"}]}
    with serving({MODELS: listing}) as server:
        at(server.url())
        asked = {path for _, path, _, _ in server.asked}
    assert asked == {MODELS, "/version", "/tokenize"}


def test_llama_cpp_at_an_address_is_known_by_its_properties() -> None:
    with serving({MODELS: ONE_MODEL, "/props": PROPS}) as server:
        engine = at(server.url())
        named = at(server.url(), engine="llamacpp")
        assert engine.identity().context_tokens == Measured(64, "engine")
    assert engine.dialect.name == named.dialect.name == "llamacpp"
    assert engine.software == Measured("llamacpp b7000-abc", "engine")
    assert not engine.dialect.capabilities.token_prompts  # its own tokenise route did not answer


def test_a_scripted_server_is_never_taken_for_the_engine_that_it_imitates() -> None:
    props = {**PROPS, "build_info": "scripted 1"}
    assert not LlamaCpp().recognises(Met({"data": []}, own=props))
    with serving({MODELS: ONE_MODEL, "/props": props}) as server:
        assert at(server.url()).dialect.capabilities.simulated
