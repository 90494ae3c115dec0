"""What loads where: refusals with a reason and a way out, and a page that is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.domain.errors import UnknownName
from steelyard.engines import api
from steelyard.engines.preflight import (
    KINDS,
    Ok,
    Skip,
    Target,
    format_of_config,
    markdown,
    verdict,
)
from steelyard.engines.preflight_facts import ENGINES, FORMATS, RULES

CPU = Target("cpu", "x86_64")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"
COMPRESSED = {"quant_method": "compressed-tensors", "format": "float-quantized"}


def skip(engine: str, format_name: str, target: Target, quant: str = "") -> Skip:
    found = verdict(engine, format_name, target, quant)
    assert isinstance(found, Skip)
    return found


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize("kind", KINDS)
def test_llamacpp_loads_gguf_on_every_device(kind: str) -> None:
    assert isinstance(verdict("llamacpp", "gguf", Target(kind)), Ok)


def test_a_format_that_an_engine_does_not_load_names_what_it_loads_and_who_would() -> None:
    found = skip("llamacpp", "awq", Target("cuda", "sm_86"))
    assert found.reason == "llamacpp loads gguf, and no awq"
    assert found.nearest == "transformers loads awq on cuda"
    assert found.source


def test_where_no_engine_has_the_format_another_format_is_nearest() -> None:
    same = skip("vllm", "exl3", CPU).nearest
    assert same == "vllm loads safetensors on cpu: take the model in that format"
    assert "as GGUF" in skip("tabbyapi", "exl3", Target("metal", "apple")).nearest


@pytest.mark.parametrize(
    ("capability", "works"), [("sm_90", False), ("sm_100", True), ("sm_120", True)]
)
def test_a_least_compute_capability_is_compared_as_a_number(capability: str, works: bool) -> None:
    found = verdict("sglang", "nvfp4", Target("cuda", capability))
    assert isinstance(found, Ok) is works


def test_the_reason_names_what_is_needed_and_what_is_there() -> None:
    found = skip("vllm", "awq", Target("cuda", "sm_70"))
    assert "7.5" in found.reason
    assert "sm_70" in found.reason


def test_an_architecture_that_is_not_listed_is_refused() -> None:
    assert isinstance(verdict("vllm", "fp8", Target("rocm", "gfx942")), Ok)
    assert "gfx942" in skip("vllm", "fp8", Target("rocm", "gfx906")).reason


def test_a_device_that_does_not_tell_what_it_is_is_believed_with_a_note() -> None:
    found = verdict("vllm", "fp8", Target("cuda"))
    assert isinstance(found, Ok)
    assert "does not tell" in found.note


def test_awq_on_a_processor_is_for_x86_alone() -> None:
    assert isinstance(verdict("vllm", "awq", CPU), Ok)
    assert "x86_64" in skip("vllm", "awq", Target("cpu", "aarch64")).reason


def test_a_type_that_llamacpp_has_removed_is_refused() -> None:
    assert "removed" in skip("llamacpp", "gguf", CPU, "q4_0_4_4").reason


def test_i_quants_on_a_processor_come_with_a_warning_and_k_quants_do_not() -> None:
    slow, fast = verdict("ollama", "gguf", CPU, "IQ4_XS"), verdict("ollama", "gguf", CPU, "Q4_K_M")
    assert isinstance(slow, Ok)
    assert isinstance(fast, Ok)
    assert slow.note
    assert not fast.note


def test_every_engine_answers_for_every_format_on_every_device_and_a_no_has_a_way_out() -> None:
    for name in FORMATS:
        for kind in KINDS:
            for engine in ENGINES:
                found = verdict(engine, name, Target(kind))
                assert isinstance(found, Ok) or (found.reason and found.nearest), engine


def test_every_rule_has_a_source_and_no_pair_is_said_twice() -> None:
    pairs = [(rule.engine, rule.format) for rule in RULES]
    assert len(set(pairs)) == len(pairs)
    assert all(len(rule.source) > 20 for rule in RULES)
    assert {rule.format for rule in RULES} == set(FORMATS)


def test_the_table_and_the_dialects_agree_on_formats() -> None:
    for name in set(api.dialects()) & set(ENGINES):
        formats = api.dialect(name).capabilities.formats
        said = {rule.format for rule in RULES if rule.engine == name}
        assert formats <= said, name


@pytest.mark.parametrize(
    ("engine", "format_name", "kind"),
    [("vlm", "gguf", "cpu"), ("vllm", "ggfu", "cpu"), ("vllm", "gguf", "cdua")],
)
def test_a_word_that_nothing_answers_to_has_a_nearest(
    engine: str, format_name: str, kind: str
) -> None:
    with pytest.raises(UnknownName, match="there is no") as caught:
        verdict(engine, format_name, Target(kind))
    assert "did you mean" in caught.value.hint


@pytest.mark.parametrize(
    ("config", "format_name"),
    [
        ({}, "safetensors"),
        ({"quantization": {"bits": 4, "group_size": 64}}, "mlx"),
        ({"quantization_config": {"quant_method": "awq"}}, "awq"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "bnb"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "nvfp4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, "fp8"),
        ({"quantization_config": COMPRESSED}, "fp8"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "aqlm"}}, "aqlm"),
    ],
)
def test_the_format_of_a_folder_is_told_by_its_config(
    config: dict[str, object], format_name: str
) -> None:
    assert format_of_config(config) == format_name
