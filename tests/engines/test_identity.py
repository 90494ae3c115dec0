"""What is served against what was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import WrongModel
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.subject import (
    Artifact,
    ArtifactFacts,
    EngineProfile,
    ServedFacts,
    Subject,
    Variant,
)
from steelyard.engines.api import IdentityClaim
from steelyard.engines.identity import verify, verify_answers, verify_served

SUBJECT = Subject(Artifact("m.gguf", "gguf", "ab" * 32), profile=EngineProfile(512, slots=2))
FACTS = ArtifactFacts(
    architecture="llama",
    quant="F16",
    parameters=100,
    tensor_bytes=200,
    file_bpw=16.0,
    body_bpw=16.0,
    active_bytes=200,
    type_elements={"F16": 100},
    layers=1,
    embedding_length=8,
    kv_heads=1,
    head_dim=8,
    context_tokens=512,
    vocabulary=64,
)


def said(value: int) -> Measured[int]:
    return Measured(value, source="engine")


def claim_of(path: Path) -> IdentityClaim:
    return IdentityClaim(
        name=Measured("m.gguf", source="engine"),
        model_path=Measured(str(path), source="engine"),
        parameters=said(100),
        tensor_bytes=said(200),
        vocabulary=said(64),
        context_tokens=said(512),
        slots=said(2),
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    return tmp_path / "m.gguf"


def test_everything_that_was_said_is_a_proof(model: Path) -> None:
    proofs = verify(claim_of(model), SUBJECT, FACTS, model)
    assert [proof.name for proof in proofs if proof.passed] == [
        "model file",
        "served name",
        "context per slot",
        "slots",
        "parameters",
        "tensor bytes",
        "vocabulary",
    ]


def test_one_file_by_two_roads_is_one_file(model: Path) -> None:
    (model.parent / "link.gguf").symlink_to(model)
    assert verify(claim_of(model.parent / "link.gguf"), SUBJECT, FACTS, model)[0].passed


@pytest.mark.parametrize(
    "key", ["parameters", "tensor_bytes", "vocabulary", "context_tokens", "slots"]
)
def test_any_other_number_refuses_and_names_both(model: Path, key: str) -> None:
    claim = claim_of(model)
    changes: dict[str, Any] = {key: said(7)}
    other = replace(claim, **changes)
    with pytest.raises(WrongModel, match=r"'m\.gguf': .* should be \d+ and is 7"):
        verify(other, SUBJECT, FACTS, model)


def test_a_file_that_is_gone_is_not_the_file(model: Path) -> None:
    with pytest.raises(WrongModel, match="model file should be"):
        verify(claim_of(model.parent / "gone.gguf"), SUBJECT, FACTS, model)


def test_silence_is_not_a_proof_and_not_a_refusal(model: Path) -> None:
    silent = replace(claim_of(model), parameters=Missing("not_reported", "meta.n_params=None"))
    unproved = [proof for proof in verify(silent, SUBJECT, FACTS, model) if not proof.passed]
    assert [(proof.name, proof.found) for proof in unproved] == [
        ("parameters", "meta.n_params=None")
    ]


def test_answers_must_carry_the_served_name(model: Path) -> None:
    claim = claim_of(model)
    assert verify_answers(claim, ["m.gguf", None]).passed
    with pytest.raises(WrongModel, match=r"asked 'm\.gguf', and 'n\.gguf' answered"):
        verify_answers(claim, ["m.gguf", "n.gguf"])
    assert not verify_answers(IdentityClaim(), ["m.gguf"]).passed


@pytest.mark.parametrize("models", [[], [None, None]])
def test_answers_that_name_no_model_prove_nothing(model: Path, models: list[str | None]) -> None:
    assert not verify_answers(claim_of(model), models).passed


def test_a_proof_tells_the_name_of_the_file_and_not_where_it_lies(model: Path) -> None:
    assert verify(claim_of(model), SUBJECT, FACTS, model)[0].found == "m.gguf"


SERVED = Variant(
    "qwen",
    Artifact("qwen", "endpoint", "cd" * 32),
    ServedFacts(quant=Measured("Q8_0", "engine"), digest=Measured("ab12", "engine")),
)


def test_a_model_that_is_what_it_was_says_by_what_that_was_seen() -> None:
    claim = IdentityClaim(quant=Measured("Q8_0", "engine"), digest=Measured("ab12", "engine"))
    (proof,) = verify_served(claim, SERVED)
    assert (proof.passed, proof.found) == (True, "the same digest, quant as planned")


@pytest.mark.parametrize(
    "claim",
    [
        IdentityClaim(digest=Measured("ffff", "engine")),
        IdentityClaim(quant=Measured("Q4_K_M", "engine"), digest=Measured("ab12", "engine")),
    ],
)
def test_another_model_under_the_same_name_is_refused(claim: IdentityClaim) -> None:
    with pytest.raises(WrongModel, match="another model than when the sweep began") as caught:
        verify_served(claim, SERVED)
    assert "sweep anew" in caught.value.hint


def test_where_a_server_tells_nothing_nothing_is_called_proved() -> None:
    assert verify_served(IdentityClaim(), SERVED) == ()
