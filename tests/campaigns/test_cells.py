"""The grid of a fit frontier, and what an engine is started with for each cell."""

from __future__ import annotations

import pytest

from steelyard.campaigns.cells import Cell, Kv, grid
from steelyard.domain.errors import BadInput
from steelyard.domain.subject import EngineProfile
from steelyard.models.offload import Placing

EXACT, MIXED = Kv.read("f16"), Kv.read("q8_0/q4_0")
BASE = EngineProfile(context_tokens=8192, extra_args=("--no-mmap",))


def test_a_cache_is_written_as_one_type_or_as_keys_and_values() -> None:
    assert (EXACT.name, MIXED.name) == ("f16", "q8_0/q4_0")
    assert (EXACT.bits, MIXED.bits) == (32, 8.5 + 4.5)
    assert Kv.read(" Q8_0 ") == Kv("q8_0", "q8_0")
    with pytest.raises(BadInput, match="'q9' names no types of a cache"):
        Kv.read("q9")
    with pytest.raises(BadInput):
        Kv.read("q8_0/")


def test_quantised_values_bring_flash_attention_and_exact_ones_leave_it_as_it_was() -> None:
    assert not Cell("Q8_0", EXACT).profile(BASE, None).flash_attention
    profile = Cell("Q8_0", MIXED).profile(BASE, None)
    assert (profile.kv_type, profile.kv_type_v, profile.flash_attention) == ("q8_0", "q4_0", True)
    # Keys alone may be quantised without it.
    assert not Cell("Q8_0", Kv("q8_0", "f16")).profile(BASE, None).flash_attention


def test_experts_aside_are_said_in_llama_cpps_own_words() -> None:
    cell = Cell("Q4_K_M", EXACT, Placing(49, 12), draft=True)
    profile = cell.profile(BASE, "ab" * 32)
    assert profile.gpu_layers == 49
    assert profile.extra_args == ("--no-mmap", "--n-cpu-moe", "12")
    assert profile.draft_sha256 == "ab" * 32
    assert cell.name == "Q4_K_M, kv f16, 49 layers on GPU, experts of 12 layers on CPU, draft"


def test_the_grid_is_whole_and_a_draft_comes_after_its_twin_without_one() -> None:
    placings = {
        (quant, kv): (Placing(20), Placing()) for quant in ("a", "b") for kv in (EXACT, MIXED)
    }
    found = list(grid(["a", "b"], [EXACT, MIXED], placings, draft=True))
    assert len(set(found)) == len(found) == 16
    assert [cell.draft for cell in found] == [False, True] * 8
    assert len(list(grid(["a"], [EXACT], placings, draft=False))) == 2
