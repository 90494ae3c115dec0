"""Our ladder against llama.cpp's own quantiser: every tensor, byte for byte.

The oracle is a library that another project publishes; it is fetched at a pinned version and hash,
loaded as a data file in a process of its own, and never shipped.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.llamalib import tiny
from tests.models import importances, oracle

import steelyard
from steelyard.models import gguf, ladder, quants

PACKAGE = "@node-llama-cpp/linux-x64@3.22.1"
SHA512 = "5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg=="
BUNDLED = Path(steelyard.__file__).parent / "bundled"
PLAIN = [name for name, quant in quants.BY_NAME.items() if not quant.needs_imatrix]

pytestmark = pytest.mark.full


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch the pinned library, check its hash, and unpack it."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("the pinned oracle is for x86-64 Linux")
    if shutil.which("npm") is None:
        pytest.skip("npm is not on PATH, and the oracle is published through it")
    folder = tmp_path_factory.mktemp("oracle")
    packed = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, check=False
    )
    archives = list(folder.glob("*.tgz"))
    if packed.returncode != 0 or not archives:
        pytest.skip(f"npm could not fetch the oracle: {packed.stderr.decode()[-200:]}")
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    assert digest == SHA512, "the oracle's archive is not the pinned one"
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "bins" / "linux-x64"


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The bundled model and its importance matrix, or a tiny stand-in for both."""
    model, matrix = BUNDLED / "base.gguf", BUNDLED / "base.imatrix.gguf"
    if model.exists() and matrix.exists():
        return model, matrix
    folder = tmp_path_factory.mktemp("subject")
    shape = tiny.Shape(layers=6, feed_forward=768, vocabulary=700)
    return tiny.write(folder / "m.gguf", shape), importances.write(folder / "i.gguf", shape)


def tensors(path: Path) -> dict[str, tuple[str, bytes]]:
    raw = path.read_bytes()
    return {
        t.name: (t.type.name, raw[t.start : t.start + t.size_bytes])
        for t in gguf.read(path).tensors
    }


def differing(
    library: Path, source: Path, quant: str, matrix: Path | None, folder: Path
) -> list[str]:
    """Return the names of tensors that differ in type or bytes between theirs and ours."""
    theirs, ours = folder / "theirs.gguf", folder / "ours.gguf"
    argv = [sys.executable, oracle.__file__, str(library), str(source), str(theirs)]
    argv += [str(quants.find(quant).file_type), *([str(matrix)] if matrix else [])]
    path = os.pathsep.join(str(p) for p in (Path(steelyard.__file__).parents[1],))
    ended = subprocess.run(
        argv, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    ladder.quantise(source, quant, ours, imatrix=matrix, requantise=True)
    left, right = tensors(theirs), tensors(ours)
    assert list(left) == list(right), "the files hold other tensors, or in another order"
    return [name for name in left if left[name] != right[name]]


@pytest.mark.parametrize("quant", PLAIN)
def test_without_importances_every_tensor_is_llama_cpps(
    library: Path, subject: tuple[Path, Path], quant: str, tmp_path: Path
) -> None:
    assert differing(library, subject[0], quant, None, tmp_path) == []


@pytest.mark.parametrize("quant", quants.BY_NAME)
def test_with_importances_every_tensor_is_llama_cpps(
    library: Path, subject: tuple[Path, Path], quant: str, tmp_path: Path
) -> None:
    assert differing(library, subject[0], quant, subject[1], tmp_path) == []


@pytest.mark.parametrize("quant", ["Q4_K_M", "Q3_K_M", "Q2_K", "IQ4_XS", "Q5_K_M", "Q4_K_S"])
def test_untied_grouped_and_deeper_models_agree_too(
    library: Path, quant: str, tmp_path: Path
) -> None:
    shape = tiny.Shape(layers=17, kv_heads=1, tied=False, feed_forward=256, vocabulary=300)
    source = tiny.write(tmp_path / "deep.gguf", shape)
    matrix = importances.write(tmp_path / "i.gguf", shape)
    assert differing(library, source, quant, None, tmp_path) == []
    assert differing(library, source, quant, matrix, tmp_path) == []


@pytest.mark.parametrize("experts", [4, 8])
@pytest.mark.parametrize("quant", ["Q4_K_M", "Q2_K", "Q8_0", "Q3_K_L"])
def test_mixtures_of_experts_agree_too(
    library: Path, quant: str, experts: int, tmp_path: Path
) -> None:
    shape = tiny.Shape(layers=4, experts=experts, feed_forward=256, vocabulary=300)
    source = tiny.write(tmp_path / "moe.gguf", shape)
    matrix = importances.write(tmp_path / "i.gguf", shape)
    assert differing(library, source, quant, None, tmp_path) == []
    assert differing(library, source, quant, matrix, tmp_path) == []


def test_a_requantised_source_agrees_too(library: Path, tmp_path: Path) -> None:
    source = tiny.write(tmp_path / "f16.gguf")
    low = ladder.quantise(source, "Q5_K_M", tmp_path / "low.gguf")
    assert differing(library, low, "Q3_K_M", None, tmp_path) == []


def test_the_comparison_would_show_one_changed_byte(tmp_path: Path, tiny_model: Path) -> None:
    changed = tmp_path / "changed.gguf"
    data = bytearray(tiny_model.read_bytes())
    data[-8] ^= 1
    changed.write_bytes(data)
    before, after = tensors(tiny_model), tensors(changed)
    assert [name for name in before if before[name] != after[name]] == ["blk.1.ffn_down.weight"]
