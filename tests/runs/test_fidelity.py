"""Fidelity on a tiny model: nothing between a file and itself, and more the more is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.llamalib import tiny

from steelyard.domain.campaign import Sweep
from steelyard.domain.errors import SteelyardError
from steelyard.domain.progress import Progress
from steelyard.domain.reading import Measured
from steelyard.domain.run import Controls
from steelyard.domain.subject import ReferenceKind, Variant
from steelyard.domain.summary import Estimate
from steelyard.models import artifacts, ladder
from steelyard.runs import fidelity
from steelyard.runs.fidelity import Weighed


def weighed(path: Path, *, reference: bool = False) -> Weighed:
    kind: ReferenceKind | None = "native" if reference else None
    return Weighed(
        Variant(path.stem, artifacts.fingerprint(path), artifacts.inspect(path), kind), path
    )


def value(estimate: Estimate) -> float:
    assert isinstance(estimate.value, Measured)
    return estimate.value.value


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fidelity.Pair]:
    """Every file against the reference, in one folder, as a campaign does it."""
    told: list[Progress] = []
    folder = tmp_path_factory.mktemp("fidelity")
    # Not tied: the tied one is so sure of every token that rounding changes nothing.
    f16 = tiny.write(folder / "tiny-F16.gguf", tiny.Shape(tied=False))
    reference = weighed(f16, reference=True)
    paths = {"same": f16}
    for quant in ("Q8_0", "Q2_K"):
        paths[quant] = ladder.quantise(f16, quant, folder / f"tiny-{quant}.gguf")
    sweep = Sweep(
        "tiny", (reference.variant,), controls=Controls(threads=2), fidelity_positions=900
    )
    found = {
        name: fidelity.compare(reference, weighed(path), sweep, folder, told.append)
        for name, path in paths.items()
    }
    assert [path.stem for path in folder.glob("*.npy")] == [reference.variant.artifact.sha256[:16]]
    fidelity.forget(folder)
    assert list(folder.glob("*.npy")) == []
    return found


def test_a_file_against_itself_shows_no_divergence(pairs: dict[str, fidelity.Pair]) -> None:
    found = pairs["same"].variant
    assert value(found.kl_divergence) == pytest.approx(0, abs=1e-9)
    assert value(found.top_agreement) == 1
    assert value(found.perplexity) == value(pairs["same"].reference.perplexity)


def test_fewer_bits_diverge_more(pairs: dict[str, fidelity.Pair]) -> None:
    eight, two = pairs["Q8_0"].variant, pairs["Q2_K"].variant
    assert 0 < value(eight.kl_divergence) < value(two.kl_divergence) / 10
    assert value(two.top_agreement) < value(eight.top_agreement) < 1


def test_every_variant_is_scored_on_the_same_positions(pairs: dict[str, fidelity.Pair]) -> None:
    assert len({value(pair.reference.perplexity) for pair in pairs.values()}) == 1
    assert len({pair.variant.text_sha256 for pair in pairs.values()}) == 1
    # 900 positions are asked for, and windows are scored whole: 448 positions each.
    assert {pair.variant.positions for pair in pairs.values()} == {896}


def test_a_variant_that_cannot_be_decoded_raises_and_leaves_nothing(
    tmp_path: Path, tiny_model: Path
) -> None:
    reference = weighed(tiny_model, reference=True)
    told: list[Progress] = []
    gone = Weighed(reference.variant, tmp_path / "gone.gguf")
    sweep = Sweep("tiny", (reference.variant,), fidelity_positions=448)
    with pytest.raises(SteelyardError, match="gone"):
        fidelity.compare(reference, gone, sweep, tmp_path / "f", told.append)
