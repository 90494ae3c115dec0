"""The type rules: the cases that the tiny oracle model cannot show, and every refusal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from steelyard.domain.errors import UnknownName, UnsupportedSubject
from steelyard.llamalib.tensor_types import BY_NAME
from steelyard.models import quants, recipes
from steelyard.models.gguf import Tensor
from steelyard.models.recipes import ModelShape

LLAMA = ModelShape("llama", layers=32, heads=32, kv_heads=8)


def tensor(name: str, *shape: int, kind: str = "F16") -> Tensor:
    return Tensor(name, shape or (4096, 4096), BY_NAME[kind], 0, 0)


def model(layers: int, *, tied: bool = False, experts: int = 0) -> list[Tensor]:
    names = ["token_embd.weight", "output_norm.weight"] + ([] if tied else ["output.weight"])
    tensors = [tensor(name) for name in names]
    for layer in range(layers):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            if experts and part.startswith("ffn"):
                tensors.append(tensor(f"blk.{layer}.{part}_exps.weight", 4096, 1024, experts))
            else:
                tensors.append(tensor(f"blk.{layer}.{part}.weight"))
        tensors.append(tensor(f"blk.{layer}.ffn_norm.weight", 4096, kind="F32"))
    return tensors


def types(
    quant: str, tensors: Sequence[Tensor], shape: ModelShape = LLAMA, *, imatrix: bool = False
) -> dict[str, str]:
    targets = recipes.plan(quants.find(quant), tensors, shape, imatrix=imatrix)
    return {target.tensor.name: target.type.name for target in targets}


def test_q4_k_m_spends_more_bits_where_llama_cpp_does() -> None:
    found = types("Q4_K_M", model(32))
    more = [layer for layer in range(32) if found[f"blk.{layer}.ffn_down.weight"] == "Q6_K"]
    assert more == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    assert found["output.weight"] == "Q6_K"
    assert found["token_embd.weight"] == "Q4_K"
    assert found["blk.0.ffn_norm.weight"] == "F32"


def test_tied_embeddings_are_stored_as_an_output_would_be() -> None:
    found = types("IQ2_M", model(4, tied=True), imatrix=True)
    assert found["token_embd.weight"] == "Q5_K"
    assert types("IQ2_M", model(4), imatrix=True)["token_embd.weight"] == "IQ3_S"


def test_files_are_ordered_by_layer_number_and_not_by_text() -> None:
    ordered = [t.name for t in recipes.file_order(model(12, tied=True))]
    firsts = [name for name in ordered if name.endswith("attn_k.weight")]
    assert firsts == [f"blk.{layer}.attn_k.weight" for layer in range(12)]
    assert ordered[:2] == ["output_norm.weight", "token_embd.weight"]


def test_a_seventy_billion_llama_keeps_its_values_at_five_bits() -> None:
    large = ModelShape("llama", layers=80, heads=64, kv_heads=8)
    found = types("Q3_K_S", model(80), large)
    assert found["blk.0.attn_v.weight"] == "Q5_K"
    assert types("Q3_K_S", model(32))["blk.0.attn_v.weight"] == "Q3_K"


def test_eight_experts_keep_keys_and_values_at_eight_bits() -> None:
    mixtral = ModelShape("llama", layers=32, heads=32, kv_heads=8, experts=8)
    found = types("Q4_K_M", model(32, experts=8), mixtral)
    assert found["blk.5.attn_v.weight"] == found["blk.5.attn_k.weight"] == "Q8_0"
    assert found["blk.5.attn_output.weight"] == "Q5_K"
    assert found["blk.3.ffn_down_exps.weight"] == "Q6_K"
    assert found["blk.4.ffn_down_exps.weight"] == "Q4_K"


def test_routing_norms_and_vectors_are_never_quantised() -> None:
    kept = [
        tensor("blk.0.ffn_gate_inp.weight"),
        tensor("blk.0.attn_norm.weight"),
        tensor("blk.0.attn_q.bias", 4096),
        tensor("blk.0.time_mix_w1.weight"),
        tensor("rope_freqs.weight", 64),
        tensor("blk.0.attn_q.weight", 4096, 1),
    ]
    assert set(types("Q2_K", kept).values()) == {"F16"}


def test_rows_that_do_not_fit_are_refused_with_what_fits_instead() -> None:
    odd = [tensor("token_embd.weight", 896, 1000), tensor("blk.0.attn_q.weight", 896, 896)]
    with pytest.raises(UnsupportedSubject, match=r"blocks of 256 .* have 896") as refused:
        types("Q4_K_M", odd)
    offered = refused.value.hint.partition(": ")[2].split(", ")
    assert {"Q4_0", "IQ4_NL"} <= set(offered)
    for quant in offered:
        types(quant, odd)


def test_an_upgrade_that_does_not_fit_falls_back_as_llama_cpp_does() -> None:
    odd = [tensor("token_embd.weight", 896, 1000), tensor("blk.0.attn_q.weight", 896, 896)]
    assert types("Q4_0", odd) == {"token_embd.weight": "Q8_0", "blk.0.attn_q.weight": "Q4_0"}


def test_rows_that_nothing_fits_offer_only_full_precision() -> None:
    with pytest.raises(UnsupportedSubject, match="have 100") as refused:
        types("Q8_0", [tensor("blk.0.attn_q.weight", 100, 100)])
    assert refused.value.hint.endswith(": F16")


def test_rules_that_are_not_restated_are_not_guessed() -> None:
    falcon = ModelShape("falcon", layers=32, heads=64, kv_heads=1)
    with pytest.raises(UnsupportedSubject, match="falcon") as refused:
        types("Q4_K_M", model(2), falcon)
    assert "native" in refused.value.hint
    assert recipes.plan(quants.find("Q4_K_M"), model(2), falcon, imatrix=False, exact=False)


def test_an_expert_tensor_of_no_layer_is_refused() -> None:
    shape = ModelShape("llama", layers=2, heads=32, kv_heads=8, experts=4)
    with pytest.raises(UnsupportedSubject, match="belongs to no layer"):
        types("Q4_K_M", [tensor("blk.9.ffn_down_exps.weight", 4096, 64, 4)], shape)


def test_an_unknown_quant_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Q4_K_N") as refused:
        quants.find("Q4_K_N")
    assert "did you mean 'Q4_K" in refused.value.hint
    assert quants.find("q4-k-m").name == "Q4_K_M"


@pytest.mark.parametrize(
    ("kinds", "file_type", "label"),
    [
        (["Q4_K", "Q4_K", "Q6_K"], 15, "Q4_K_M"),
        (["Q4_K", "Q6_K", "Q6_K"], 15, "Q4_K_M"),  # a small model: upgrades outweigh
        (["Q8_0", "Q8_0", "Q4_K"], 15, "Q8_0"),  # the claim is false
        (["Q2_K", "Q2_K"], 15, "Q2_K"),
        (["F16", "F16"], 15, "F16"),
        (["Q4_K", "Q4_K"], 1024, "Q4_K"),
        (["MXFP4", "MXFP4", "Q8_0"], 38, "MXFP4"),
        (["Q8_0"], 1, "Q8_0"),
    ],
)
def test_a_label_is_measured_and_a_claim_only_breaks_ties(
    kinds: list[str], file_type: int, label: str
) -> None:
    body = [tensor(f"blk.{n}.attn_q.weight", kind=kind) for n, kind in enumerate(kinds)]
    assert quants.measured_label(body, file_type) == label
