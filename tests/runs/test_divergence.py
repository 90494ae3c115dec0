"""A scale for many files: the divergence that a sweep measures, by window, in parts or whole."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from tests.llamalib import tiny

from steelyard.domain.campaign import Sweep
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Progress
from steelyard.domain.reading import Measured
from steelyard.domain.subject import Variant
from steelyard.models import artifacts, ladder
from steelyard.runs import divergence, fidelity, texts
from steelyard.runs.divergence import Scale
from steelyard.runs.fidelity import Weighed

HUGE = 1 << 21  # words, of which one window's probabilities already fill the room


@pytest.mark.full
def test_it_is_what_a_sweep_measures_and_the_same_in_parts(tmp_path: Path) -> None:
    f16 = tiny.write(tmp_path / "tiny-F16.gguf", tiny.Shape(tied=False))
    low = ladder.quantise(f16, "Q2_K", tmp_path / "tiny-Q2_K.gguf")
    facts = artifacts.inspect(f16)
    text = divergence.read("fidelity's", texts.fidelity_text(), f16, 900)
    assert (len(text.windows), text.positions) == (2, 896)
    whole = Scale(text, f16, facts, tmp_path / "whole", threads=2).weigh(low)
    parted = Scale(text, f16, replace(facts, vocabulary=HUGE), tmp_path / "parts", threads=2)
    assert parted.weigh(low) == pytest.approx(whole, rel=1e-6)
    assert not list((tmp_path / "parts").glob("*.npy"))
    told: list[Progress] = []
    one, other = (
        Weighed(Variant(p.stem, artifacts.fingerprint(p), artifacts.inspect(p)), p)
        for p in (f16, low)
    )
    sweep = Sweep("tiny", (one.variant,), fidelity_positions=900)
    swept = fidelity.compare(one, other, sweep, tmp_path / "sweep", told.append).variant
    found = swept.kl_divergence.value
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(math.fsum(whole) / 896)
    assert Scale(text, f16, facts, tmp_path / "whole", threads=2).weigh(f16) == (0, 0)


def test_a_text_of_less_than_a_window_is_refused(tiny_model: Path) -> None:
    with pytest.raises(BadInput, match="a window takes 512"):
        divergence.read("note.txt", "a few words", tiny_model, 900)


def test_the_text_to_choose_on_shares_no_item_with_the_one_that_proves() -> None:
    searched, proof = texts.search_text(), texts.fidelity_text()
    asked = set(proof.split("\n\n"))
    assert len(asked) > 100
    assert not asked & set(searched.split("\n\n"))
