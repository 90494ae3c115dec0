"""What names claim about quants, of this year and of years before."""

from __future__ import annotations

import pytest

from steelyard.domain.reading import Missing
from steelyard.models.hub import names


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("m-Q4_0.gguf", "Q4_0"),
        ("m-Q4_1.gguf", "Q4_1"),
        ("m.Q4_K_M.gguf", "Q4_K_M"),
        ("m-q5_k_s.gguf", "Q5_K_S"),
        ("m-Q2_K_L.gguf", "Q2_K_L"),
        ("m-Q6_K.gguf", "Q6_K"),
        ("m-Q8_K_XL.gguf", "Q8_K_XL"),
        ("m-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("UD-Q4_K_XL/m-UD-Q4_K_XL-00001-of-00003.gguf", "UD-Q4_K_XL"),
        ("m-UD-IQ2_XXS.gguf", "UD-IQ2_XXS"),
        ("m.i1-IQ1_S.gguf", "i1-IQ1_S"),
        ("m.i1-Q4_K_M.gguf", "i1-Q4_K_M"),
        ("m-imatrix-Q4_K_M.gguf", "Q4_K_M"),
        ("m-IQ4_NL.gguf", "IQ4_NL"),
        ("m-IQ3_XXS.gguf", "IQ3_XXS"),
        ("m-IQ4_KSS.gguf", "IQ4_KSS"),
        ("m-IQ2_K_R4.gguf", "IQ2_K_R4"),
        ("m-IQ1_BN.gguf", "IQ1_BN"),
        ("m-Q8_KV.gguf", "Q8_KV"),
        ("ggml-model-i2_s.gguf", "I2_S"),
        ("m-UD-TQ1_0.gguf", "UD-TQ1_0"),
        ("m-imatrix.Q5_1.gguf", "Q5_1"),
        ("m-TQ1_0.gguf", "TQ1_0"),
        ("m-TQ2_0.gguf", "TQ2_0"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("m-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("m-NVFP4.gguf", "NVFP4"),
        ("BF16/m-00001-of-00002.gguf", "BF16"),
        ("m.fp16.gguf", "F16"),
        ("m-F32.gguf", "F32"),
        ("Phi-3-mini-4k-instruct-q4.gguf", "Q4"),
        ("Q8_0/model.gguf", "Q8_0"),
        ("model.gguf", "?"),
        ("Qwen3-8B.gguf", "?"),
    ],
)
def test_a_gguf_name_claims_its_quant(path: str, label: str) -> None:
    assert names.of_gguf(path).label == label


def test_marks_stand_beside_the_quant() -> None:
    assert names.of_gguf("m-UD-Q4_K_XL.gguf").marks == ("UD",)
    assert names.of_gguf("m.i1-Q4_K_M.gguf").marks == ("i1", "imatrix")
    assert names.of_gguf("m-imat-Q4_K_M.gguf").marks == ("imatrix",)


def test_a_name_that_claims_nothing_gives_the_reason() -> None:
    assert names.of_gguf("model.gguf").quant == Missing("not_claimed", "model.gguf names no quant")


@pytest.mark.parametrize(
    ("repo", "revision", "label"),
    [
        ("a/X-AWQ", "main", "AWQ"),
        ("a/X-GPTQ-Int4", "main", "GPTQ-4"),
        ("a/X-GPTQ", "gptq-4bit-128g-actorder_True", "GPTQ-4"),
        ("a/X-exl2", "4_25", "EXL2-4.25"),
        ("a/X-4.0bpw-exl2", "main", "EXL2-4.0"),
        ("a/X-exl3", "5.0bpw", "EXL3-5.0"),
        ("mlx-community/X-4bit", "main", "MLX-4"),
        ("a/X-FP8", "main", "FP8"),
        ("nvidia/X-NVFP4", "main", "NVFP4"),
        ("a/X-bnb-4bit", "main", "BNB-4"),
        ("a/X.w4a16", "main", "W4A16"),
        ("a/X-8B-Instruct", "main", "?"),
    ],
)
def test_a_repository_claims_its_scheme_and_bits(repo: str, revision: str, label: str) -> None:
    assert names.of_repository(repo, revision).label == label


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("mmproj-F16.gguf", "projector"),
        ("llava-v1.6-mmproj-f16.gguf", "projector"),
        ("mmproj/m-BF16.gguf", "projector"),
        ("Qwen_Qwen3-4B-imatrix.gguf", "importance matrix"),
        ("lora/m-f16.gguf", "adapter"),
        ("m.i1-Q6_K.gguf.part1of2", "a piece of a file, to be joined by hand"),
        ("m-Q6_K.gguf-split-a", "a piece of a file, to be joined by hand"),
        ("Q8_0/m-Q8_0-00001-of-00002.gguf", None),
        ("README.md", None),
        ("imatrix.gguf", "importance matrix"),
        ("imatrix_unsloth.dat", "importance matrix"),
        ("m-imatrix-Q4_K_M.gguf", None),
        ("m-lora-f16.gguf", "adapter"),
        ("m-Q4_0.gguf", None),
    ],
)
def test_what_is_no_model_by_itself_is_told_apart(path: str, role: str | None) -> None:
    assert names.role(path) == role
