"""mlx-lm's dialect, pinned with the bytes that mlx_lm.server really sent."""

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
from steelyard.engines.api import Asking, Evidence, LaunchPlan
from steelyard.engines.mlx import Mlx

SUBJECT = Subject(
    Artifact("tiny", "safetensors", "ab" * 32),
    "mlx",
    "environment",
    EngineProfile(slots=3, batch_tokens=256),
)
ASK = GenerationRequest((Message("user", "hi"),), max_tokens=9, seed=3, exact_tokens=True)
PLAIN = Controls()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the files that say where an answer ends."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"eos_token_id": 9}')
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
    (folder / "tokenizer.json").write_text('{"added_tokens": [{"id": 5, "content": "<|end|>"}]}')
    return folder


def plan(model: Path, controls: Controls = PLAIN) -> LaunchPlan:
    place = Place(("/env/python", "-I"), {"ab" * 32: model}, model.parent, port=8080)
    return Mlx().launch(SUBJECT, controls, place)


def flags(found: LaunchPlan) -> dict[str, str]:
    return dict(pairwise(found.argv))


def test_the_server_is_given_the_folder_the_port_and_as_many_slots_as_asked(model: Path) -> None:
    given = flags(plan(model))
    assert given["--model"] == str(model)
    assert given["--port"] == "8080"
    assert given["--decode-concurrency"] == given["--prompt-concurrency"] == "3"
    assert given["--prefill-step-size"] == "256"


def test_no_prompt_is_kept_unless_that_is_asked_for(model: Path) -> None:
    assert flags(plan(model))["--prompt-cache-size"] == "0"
    assert flags(plan(model, Controls(reuse_prefix=True)))["--prompt-cache-size"] != "0"


def test_nothing_is_fetched_and_nothing_of_the_users_cache_is_listed(model: Path) -> None:
    env = plan(model, Controls(threads=2)).env
    assert env["HF_HUB_OFFLINE"] == "1"
    assert env["HF_HUB_CACHE"] == str(model.parent)
    assert env["OMP_NUM_THREADS"] == "2"


def test_it_is_believed_ready_only_when_a_request_was_answered(model: Path) -> None:
    ready = plan(model).ready
    assert ready.proof is not None
    assert ready.proof.path == "/v1/completions"
    # Its 503 says that loading has failed, so nobody waits for it.
    assert ready.loading != 503


def test_a_foreign_format_is_refused_with_a_way_out(model: Path) -> None:
    place = Place(("python",), {"ab" * 32: model}, model.parent)
    subject = replace(SUBJECT, artifact=Artifact("q.gguf", "gguf", "ab" * 32))
    with pytest.raises(UnsupportedSubject, match=r"mlx or safetensors; 'q\.gguf'") as caught:
        Mlx().launch(subject, Controls(), place)
    assert "models export" in caught.value.hint


def test_a_length_is_met_by_forbidding_the_tokens_that_end_an_answer(model: Path) -> None:
    speaks = plan(model).speaks
    assert speaks is not None
    assert speaks.capabilities.exact_tokens
    # The generation config overrules the config, and the tokenizer's own end counts too.
    assert speaks.encode(ASK).json["logit_bias"] == {"0": -10000, "2": -10000, "5": -10000}
    assert "logit_bias" not in speaks.encode(replace(ASK, exact_tokens=False)).json


def test_a_seed_is_sent_only_where_something_is_drawn() -> None:
    """With a seed the server answers one request at a time."""
    assert "seed" not in Mlx().encode(ASK).json
    drawn = Mlx().encode(replace(ASK, sampling=Sampling(0.7, top_k=5))).json
    assert (drawn["seed"], drawn["temperature"], drawn["top_k"]) == (3, 0.7, 5)


@pytest.mark.parametrize("change", [{"prompt_tokens": (1, 2)}, {"slot": 1}])
def test_what_it_cannot_do_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UnsupportedSubject):
        Mlx().encode(replace(ASK, **change))  # type: ignore[arg-type]


def test_a_streamed_answer_is_read_past_the_comments_between(tmp_path: Path) -> None:
    attempt = played(Mlx(), "stream", tmp_path)
    assert ": keepalive" in body("mlx", "stream")
    assert attempt.outcome == Completed()
    assert attempt.finish_reason == "length"
    assert isinstance(attempt.usage, Measured)
    assert (attempt.usage.value.prompt_tokens, attempt.usage.value.output_tokens) == (26, 12)
    assert attempt.usage.value.cached_tokens == Measured(0, "engine")
    assert attempt.text.startswith("apples")


def test_what_came_out_of_the_prompt_cache_is_counted(tmp_path: Path) -> None:
    attempt = played(Mlx(), "again", tmp_path)
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.cached_tokens == Measured(25, "engine")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("bad_value", "temperature must be at least 0"),
        ("other_model", "Cannot find an appropriate cached snapshot folder"),
        ("bad_json", "Invalid JSON in request body"),
    ],
)
def test_a_refusal_is_a_failure_with_the_servers_words(
    case: str, words: str, tmp_path: Path
) -> None:
    outcome = played(Mlx(), case, tmp_path).outcome
    assert isinstance(outcome, Failed)
    assert words in outcome.detail


def test_the_name_in_an_answer_proves_nothing_and_the_folder_is_what_is_served() -> None:
    assert Mlx().named_model(body("mlx", "whole")) is None
    answer = json.loads(body("mlx", "models"))
    claim = Mlx(folder=Path("/tmp/bundled-model")).read_identity([answer])
    assert claim.model_path == Measured("/tmp/bundled-model", "engine")
    assert isinstance(claim.name, Missing)


def probed(*texts: str, cached: int) -> tuple[object, ...]:
    usage = {"prompt_tokens_details": {"cached_tokens": cached}}
    return tuple({"choices": [{"message": {"content": t}}], "usage": usage} for t in texts)


def read_back(probes: tuple[object, ...], controls: Controls) -> dict[str, object]:
    evidence = Evidence((), probes, "", Measured((0, 1), "client"))
    found = Mlx().controls_readback(SUBJECT, controls, evidence)
    return {control.name: control.applied for control in found}


def test_the_probes_show_seed_greedy_answers_and_cache() -> None:
    found = read_back(probed("a b", "a b", "c d", "x", "x", cached=0), Controls(seed=7))
    assert found["seed"] == Measured("7", "client")
    assert found["temperature"] == Measured("0", "client")
    assert found["prefix_cache"] == Measured("off", "derived")
    assert isinstance(found["threads"], Missing)


def test_a_seed_that_is_ignored_and_a_cache_that_is_on_are_seen() -> None:
    found = read_back(probed("a b", "a c", "c d", "x", "y", cached=4), Controls(seed=7))
    assert found["seed"] == Measured("ignored", "client")
    assert found["temperature"] == Measured("above 0", "client")
    assert found["prefix_cache"] == Measured("on", "derived")


def test_what_becomes_of_a_prompt_is_asked_of_its_own_tokenizer() -> None:
    def words(question: object) -> dict[str, object]:
        if question == {"facts": True}:
            return {"template": "{{ x }}", "begin": "<s>", "begins": [1], "ends": [5, 2]}
        assert question == {"messages": [{"role": "user", "content": "hi"}]}
        return {"tokens": [1, 7, 8]}

    facts = Mlx().prompt_facts(ASK, Asking(lambda _: None, words, ""))
    assert facts.tokens == Measured((1, 7, 8), "engine")
    assert facts.begin == Measured("'<s>', put first", "engine")
    assert facts.ends == Measured((2, 5), "engine")
    assert isinstance(facts.sampler, Measured)
    assert facts.sampler.value["repetition_penalty"] == "1"
