"""The dialect of `transformers serve`, pinned with the bytes that it really sent."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.engines.replay import body, played

from steelyard.domain.errors import UnsupportedSubject
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Place
from steelyard.domain.stream import Completed, Failed
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines.api import Asking, Evidence
from steelyard.engines.transformers import Transformers

SUBJECT = Subject(Artifact("tiny", "safetensors", "ab" * 32), "transformers", "environment")
ASK = GenerationRequest((Message("user", "hi"),), max_tokens=9, seed=3, exact_tokens=True)


def argv(subject: Subject = SUBJECT) -> tuple[str, ...]:
    place = Place(("/env/python", "serve"), {"ab" * 32: Path("/m/tiny")}, Path("/run"), port=8080)
    return Transformers().launch(subject, Controls(seed=4), place).argv


def settings(request: GenerationRequest) -> dict[str, object]:
    found = json.loads(str(Transformers().encode(request).json["generation_config"]))
    assert isinstance(found, dict)
    return found


def test_the_model_is_named_at_the_start_so_that_it_is_loaded_before_the_port_opens() -> None:
    assert argv()[:3] == ("/env/python", "serve", "/m/tiny")
    assert dict(pairwise(argv()))["--default-seed"] == "4"


def test_a_processor_is_used_unless_layers_are_to_go_to_a_gpu() -> None:
    assert dict(pairwise(argv()))["--device"] == "cpu"
    gpu = replace(SUBJECT, profile=EngineProfile(gpu_layers=99))
    assert dict(pairwise(argv(gpu)))["--device"] == "auto"


def test_a_folder_of_mlx_is_refused() -> None:
    with pytest.raises(UnsupportedSubject, match="loads safetensors; 'b4' is mlx"):
        argv(replace(SUBJECT, artifact=Artifact("b4", "mlx", "ab" * 32)))


def test_only_fields_that_the_route_knows_are_sent() -> None:
    """Any other is refused by the server with 422."""
    sent = Transformers().encode(ASK).json
    assert sorted(sent) == ["generation_config", "max_tokens", "messages", "stream"]


def test_greedy_is_stated_and_a_length_is_met_by_its_least_tokens() -> None:
    assert settings(ASK) == {
        "do_sample": False,
        "max_new_tokens": 9,
        "min_new_tokens": 9,
        "repetition_penalty": 1.0,
    }


def test_drawing_is_switched_on_for_a_temperature_of_which_the_server_takes_no_notice_else() -> (
    None
):
    request = replace(ASK, sampling=Sampling(0.7, top_k=5, min_p=0.1), exact_tokens=False)
    found = settings(request)
    assert (found["do_sample"], found["temperature"]) == (True, 0.7)
    assert (found["top_k"], found["min_p"]) == (5, 0.1)
    assert "top_p" not in found
    assert Transformers().encode(request).json["seed"] == 3


@pytest.mark.parametrize("change", [{"prompt_tokens": (1,)}, {"slot": 0}, {"top_logprobs": 3}])
def test_what_it_cannot_do_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UnsupportedSubject):
        Transformers().encode(replace(ASK, **change))  # type: ignore[arg-type]


def test_a_streamed_answer_is_read_with_its_usage_in_the_last_event(tmp_path: Path) -> None:
    attempt = played(Transformers(), "stream", tmp_path)
    assert attempt.outcome == Completed()
    assert attempt.finish_reason == "length"
    assert isinstance(attempt.usage, Measured)
    assert (attempt.usage.value.prompt_tokens, attempt.usage.value.output_tokens) == (26, 12)
    assert attempt.text.startswith(" apples")
    assert attempt.model == "bundled-model"


def test_an_error_inside_a_good_stream_is_a_failure(tmp_path: Path) -> None:
    outcome = played(Transformers(), "broken_off", tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert "has to be a strictly positive float" in outcome.detail


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("bad_field", "Unexpected fields in the request: {'top_k'}"),
        ("other_model", "Server is pinned to"),
        ("bad_json", "JSON decode error"),
    ],
)
def test_a_refusal_is_a_failure_with_the_servers_words(
    case: str, words: str, tmp_path: Path
) -> None:
    outcome = played(Transformers(), case, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert words in outcome.detail


def test_the_folder_that_is_served_gives_its_name() -> None:
    claim = Transformers().read_identity([json.loads(body("transformers", "models"))])
    assert claim.model_path == Measured("/tmp/bundled-model", "engine")
    assert claim.name == Measured("bundled-model", "derived")
    assert Transformers().named_model(body("transformers", "whole")) == "bundled-model"


def test_of_its_cache_and_threads_it_tells_nothing() -> None:
    probes = tuple({"choices": [{"message": {"content": text}}]} for text in "aabxx")
    found = Transformers().controls_readback(
        SUBJECT, Controls(seed=7), Evidence((), probes, "", Measured((0,), "client"))
    )
    applied = {control.name: control.applied for control in found}
    assert applied["seed"] == Measured("7", "client")
    assert isinstance(applied["prefix_cache"], Missing)
    assert applied["prefix_cache"].code == "not_controllable"


def test_settings_of_the_models_own_file_that_change_greedy_answers_are_shown() -> None:
    def words(question: object) -> dict[str, object]:
        if question == {"facts": True}:
            generation = {"no_repeat_ngram_size": 3, "num_beams": 1, "temperature": 0.6}
            return {"template": "", "ends": [2], "generation": generation}
        return {"tokens": [1]}

    facts = Transformers().prompt_facts(ASK, Asking(lambda _: None, words, ""))
    assert isinstance(facts.sampler, Measured)
    assert facts.sampler.value["no_repeat_ngram_size"] == "3"
    assert "num_beams" not in facts.sampler.value
    assert facts.sampler.value["temperature"] == "0"
