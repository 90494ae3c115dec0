"""Which axes of a GPU are searched, on machines that are described and not there."""

from __future__ import annotations

import pytest

from steelyard.app.frontier import gpu
from steelyard.app.frontier.gpu import EXPERTS, LAYERS, Gpu
from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.engines.devices import ALL_LAYERS
from steelyard.platform.accelerators import Accelerator

GB = 10**9


def card(memory: Reading[int]) -> Accelerator:
    return Accelerator("cuda:0", "a card", memory, "sm_90", "nvidia 1", "nvidia-smi")


HERE = (card(Measured(24 * GB, "engine")),)


def test_the_room_is_the_cards_own_or_less_where_less_is_asked_for() -> None:
    for asked, room in ((None, 24), (16 * GB, 16), (80 * GB, 24)):
        found = gpu.on("cuda:0", HERE, memory=asked, layers=None, mixture=True)
        assert found == Gpu(room * GB)


def test_a_card_that_does_not_tell_its_memory_is_asked_of_the_user() -> None:
    silent = (card(Missing("not_told", "the driver is silent")),)
    found = gpu.on("cuda:0", silent, memory=8 * GB, layers=None, mixture=True)
    assert found.bytes == 8 * GB
    with pytest.raises(BadInput, match="does not tell how much memory"):
        gpu.on("cuda:0", silent, memory=None, layers=None, mixture=True)


def test_experts_are_searched_of_mixtures_alone_and_where_no_layers_were_named() -> None:
    dense = gpu.on("cuda:0", HERE, memory=None, layers=None, mixture=False)
    assert dense.skipped == ((EXPERTS, "the model is no mixture of experts"),)
    named = gpu.on("cuda:0", HERE, memory=None, layers=(0, 20), mixture=True)
    assert named.layers == (0, 20)
    assert [axis for axis, _ in named.skipped] == [EXPERTS]


def test_without_a_gpu_both_axes_fall_away_and_layers_on_one_are_refused() -> None:
    found = gpu.without((0,), None, "there is none")
    assert found == Gpu(skipped=((LAYERS, "there is none"), (EXPERTS, "there is none")))
    with pytest.raises(BadInput, match="none is used: --device cpu was asked for"):
        gpu.without((20,), "cpu", "there is none")


def test_layers_are_numbers_or_all() -> None:
    assert gpu.read_layers(("0", "20", "all")) == (0, 20, ALL_LAYERS)
    assert gpu.read_layers(None) is None
    for wrong in ("-1", "1.5", "some", "999999"):
        with pytest.raises(BadInput, match="is no number of layers"):
            gpu.read_layers((wrong,))
