"""A real llama.cpp that was up before: known by its own word, asked for tokens, left running."""

from __future__ import annotations

from pathlib import Path

from tests.engines.drive import answers
from tests.engines.places import WHEEL

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Controls, Place
from steelyard.domain.stream import Completed
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import host
from steelyard.engines.api import Served, dialect
from steelyard.engines.attached import attach
from steelyard.engines.llamacpp import LlamaCpp
from steelyard.engines.url import Endpoint


def test_a_llama_cpp_of_somebody_elses_is_spoken_to_as_one_of_ours(
    tiny_model: Path, tmp_path: Path
) -> None:
    artifact = Artifact(tiny_model.name, "gguf", "ab" * 32)
    profile = EngineProfile(context_tokens=256, slots=2)
    place = Place(WHEEL, {"ab" * 32: tiny_model}, tmp_path)
    with host.start(
        dialect("llamacpp"), Subject(artifact, profile=profile), Controls(threads=1), place
    ) as running:
        engine = attach(Endpoint.read(f"http://127.0.0.1:{running.port}"))
        controls = {c.name: c for c in engine.controls(Controls(seed=4))}
        hello = GenerationRequest((Message("user", "hi"),), max_tokens=5, exact_tokens=True)
        tokens = GenerationRequest(prompt_tokens=(5, 6, 7), max_tokens=4, exact_tokens=True)
        found = answers(engine, [hello, tokens], tmp_path)
        assert engine.tokenise("hello there") == running.tokenise("hello there")
    assert engine.dialect.name == engine.subject.engine == "llamacpp"
    assert engine.subject.runtime == "attached"
    assert [attempt.outcome for attempt in found] == [Completed(), Completed()]
    assert isinstance(found[1].usage, Measured)
    assert (found[1].usage.value.prompt_tokens, found[1].usage.value.output_tokens) == (3, 4)
    assert controls["seed"].applied == Measured("4", "engine")
    assert controls["prefix_cache"].applied == Measured("off", "derived")
    # Nobody had asked for these here: they are what was found.
    assert controls["context_tokens"].asked == "engine's choice"
    assert controls["context_tokens"].applied == Measured("256", "derived")
    assert isinstance(controls["threads"].applied, Missing)


def test_a_router_is_told_to_unload_and_a_plain_server_is_no_router() -> None:
    router = LlamaCpp(Served("gemma.gguf"))
    assert router.unload_call().json == {"model": "gemma.gguf"}
    for state, loaded in {
        "loaded": True,
        "loading": True,
        "unloaded": False,
        "sleeping": False,
    }.items():
        answer = {"data": [{"id": "gemma.gguf", "status": {"value": state}}]}
        assert router.read_loaded(answer) == Measured(loaded, "engine")
    assert isinstance(router.read_loaded({"data": [{"id": "gemma.gguf"}]}), Missing)
