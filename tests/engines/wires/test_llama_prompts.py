"""What llama.cpp's server makes of a conversation, asked of the real one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.engines.places import WHEEL
from tests.llamalib import tiny

from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls, Place
from steelyard.domain.subject import Artifact, EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest, Sampling
from steelyard.engines import host
from steelyard.engines.api import dialect

SHA = "ab" * 32


def test_the_server_shows_tokens_template_ends_and_sampler(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "tiny.gguf")
    subject = Subject(Artifact("tiny.gguf", "gguf", SHA), profile=EngineProfile(context_tokens=256))
    place = Place(WHEEL, {SHA: model}, tmp_path / "run")
    request = GenerationRequest((Message("user", "ab"),))
    with host.start(dialect("llamacpp"), subject, Controls(threads=1), place) as engine:
        facts = engine.prompt_facts(request)
        drawn = engine.prompt_facts(
            GenerationRequest((Message("user", "ab"),), sampling=Sampling(0.5, top_k=7))
        )
        # A template's own last line end is no part of what it renders.
        rendered = "<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant"
        assert facts.tokens == Measured(engine.tokenise(rendered, special=True), "engine")
    template = hashlib.sha256(tiny.TEMPLATE.removesuffix("\n").encode()).hexdigest()
    assert facts.template_sha256 == Measured(template, "engine")
    assert facts.begin == Measured("'<|endoftext|>', not put first", "engine")
    # The declared end token, and the one that llama.cpp knows by its name.
    assert facts.ends == Measured((508, 510), "engine")
    assert isinstance(facts.sampler, Measured)
    assert facts.sampler.value == {
        "temperature": "0",
        "repetition_penalty": "1",
        "presence_penalty": "0",
        "frequency_penalty": "0",
        "xtc_probability": "0",
    }
    assert isinstance(drawn.sampler, Measured)
    assert drawn.sampler.value["top_k"] == "7"
