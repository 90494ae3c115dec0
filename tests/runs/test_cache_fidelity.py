"""A quantised cache moves a model away from itself, on real kernels; an exact one does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.llamalib import tiny

from steelyard.domain.errors import SteelyardError
from steelyard.domain.reading import Measured
from steelyard.models import artifacts
from steelyard.runs.cache_fidelity import Scale, Weighed

POSITIONS = 500


def ignore(_done: int, _total: int) -> None:
    """Show nothing."""


def weighed(path: Path, keys: str, values: str) -> Weighed:
    return Weighed(path, artifacts.fingerprint(path).sha256, keys, values, True, 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    # Not tied: the tied one is so sure of every token that rounding changes nothing.
    return tiny.write(folder / "tiny-F16.gguf", tiny.Shape(tied=False))


@pytest.fixture(scope="module")
def scale(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scale, Path]]:
    folder = tmp_path_factory.mktemp("scale")
    made = Scale(weighed(model, "f16", "f16"), 512, POSITIONS, folder)
    made.begin(ignore)
    yield made, folder
    made.close()
    assert not list(folder.glob("*.npy"))


def divergence(scale: Scale, model: Path, keys: str, values: str) -> float:
    fidelity = scale.weigh(weighed(model, keys, values), ignore)
    assert fidelity.kv_type == (keys if keys == values else f"{keys}/{values}")
    assert fidelity.positions == scale.positions == 448
    assert isinstance(fidelity.kl_divergence.value, Measured)
    return fidelity.kl_divergence.value.value


def test_a_coarser_cache_is_further_away_and_values_count_apart_from_keys(
    model: Path, scale: tuple[Scale, Path]
) -> None:
    fine = divergence(scale[0], model, "q8_0", "q8_0")
    assert 0 < fine < divergence(scale[0], model, "q8_0", "q4_0")


@pytest.mark.full
def test_an_exact_cache_shows_nothing_and_coarse_keys_more_than_fine_ones(
    model: Path, scale: tuple[Scale, Path]
) -> None:
    assert divergence(scale[0], model, "f16", "f16") == pytest.approx(0, abs=1e-9)
    mixed = divergence(scale[0], model, "q8_0", "q4_0")
    assert mixed < divergence(scale[0], model, "q4_0", "q4_0")


def test_a_file_that_cannot_be_loaded_is_told_and_leaves_the_scale_as_it_was(
    model: Path, scale: tuple[Scale, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(model.read_bytes()[:2000])
    with pytest.raises(SteelyardError):
        scale[0].weigh(Weighed(broken, "", "f16", "f16", True, 2), ignore)
    assert [path.name for path in scale[1].glob("*.npy")] == ["reference.npy"]
