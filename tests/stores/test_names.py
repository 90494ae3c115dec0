"""A model in a store as a subject: by its name there, and refused with a way out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.stores.shelves import COMMIT, Goods, cached, pulled, sha256

from steelyard.app import subjects
from steelyard.domain.errors import BadInput, UnknownName, UnsupportedSubject
from steelyard.models import ladder

Steelyard = Callable[..., Said]


@pytest.fixture
def hub(home: Path) -> Path:
    return home / ".cache" / "huggingface" / "hub"


@pytest.fixture
def ollama(home: Path, goods: Goods) -> Path:
    root = home / ".ollama" / "models"
    pulled(root, "tiny:1b", goods.file.read_bytes(), {"template": b"{{ .Prompt }}"})
    pulled(root, "tiny:latest", goods.file.read_bytes() + b"")
    return root


@pytest.mark.usefixtures("ollama")
@pytest.mark.parametrize(
    "name", ["tiny:1b", "ollama:tiny:1b", "tiny", "ollama:tiny", "tiny:1b@llamacpp"]
)
def test_a_model_in_the_ollama_store_is_called_by_its_name_and_tag(name: str, goods: Goods) -> None:
    chosen = subjects.choose(name)
    assert chosen.model in ("tiny-1b", "tiny-latest")
    assert sha256(chosen.files[0][0]) == sha256(goods.file)


@pytest.mark.usefixtures("ollama")
def test_it_is_known_by_a_name_and_not_by_a_hash(goods: Goods, steelyard: Steelyard) -> None:
    said = steelyard("models", "show", "ollama:tiny:1b", "--json")
    assert said.code == 0, said.err
    artifact = json.loads(said.out)[0]["variant"]["artifact"]
    assert (artifact["name"], artifact["sha256"]) == ("tiny-1b.gguf", sha256(goods.file))


@pytest.mark.usefixtures("ollama")
def test_a_tag_that_is_not_here_says_how_to_get_it_and_what_is() -> None:
    with pytest.raises(BadInput, match="tiny:70b is not in the Ollama store") as error:
        subjects.choose("ollama:tiny:70b")
    assert "`steelyard models pull ollama:tiny:70b`" in error.value.hint
    assert "tiny:1b" in error.value.hint
    with pytest.raises(UnknownName, match="no model 'tiny:2b'") as unknown:
        subjects.choose("tiny:2b")
    assert "did you mean 'tiny:1b'" in unknown.value.hint


def test_a_model_in_the_hugging_face_cache_is_called_by_repository_and_quant(
    hub: Path, goods: Goods
) -> None:
    snapshot = cached(hub, "org/tiny-GGUF", {"tiny-F16.gguf": goods.file})
    for name in ("org/tiny-GGUF:F16", "hf:org/tiny-GGUF:F16", "tiny-GGUF:F16", "tiny-F16"):
        assert subjects.choose(name).files[0][0] == snapshot / "tiny-F16.gguf"
    with pytest.raises(BadInput, match="there is no file org/tiny-GGUF:Q2_K"):
        subjects.choose("org/tiny-GGUF:Q2_K")


def test_a_folder_of_safetensors_in_the_cache_is_a_subject_and_refused_by_what_cannot_load_it(
    hub: Path, goods: Goods, steelyard: Steelyard
) -> None:
    snapshot = cached(hub, "org/soft", {path.name: path for path in goods.folder.iterdir()})
    for name in ("org/soft", "hf:org/soft", "soft"):
        chosen = subjects.choose(name)
        assert (chosen.files[0][0], chosen.files[0][1].quant) == (snapshot, "F16")
    for command in ("sweep", "bench"):
        said = steelyard(command, "org/soft")
        assert (said.code, said.out) == (2, "")
        assert said.err.count("Error: ") == 1
        assert "gguf" in said.err.lower()
        assert COMMIT not in said.err or command == "sweep"
        assert "→" in said.err


def test_one_file_of_a_folder_of_safetensors_is_answered_with_the_folder(goods: Goods) -> None:
    with pytest.raises(UnsupportedSubject, match="one file of a model") as error:
        subjects.choose(str(goods.folder / "model.safetensors"))
    assert str(goods.folder) in error.value.hint


def test_a_name_with_a_quant_means_the_file_of_that_quant_alone(home: Path, goods: Goods) -> None:
    (home / "models").mkdir()
    shutil.copy(goods.file, home / "models" / "mine-f16.gguf")
    ladder.quantise(goods.file, "Q8_0", home / "models" / "mine-q8.gguf")
    assert subjects.choose("mine:Q8_0").files[0][0].name == "mine-q8.gguf"
    assert subjects.choose("mine-f16").files[0][0].name == "mine-f16.gguf"
    with pytest.raises(UnknownName):
        subjects.choose("mine-f16:Q8_0")


def test_a_name_that_means_two_files_is_not_guessed(home: Path, goods: Goods, hub: Path) -> None:
    (home / "models" / "a").mkdir(parents=True)
    shutil.copy(goods.file, home / "models" / "a" / "mine.gguf")
    cached(hub, "org/x-GGUF", {"mine.gguf": goods.file})
    with pytest.raises(BadInput, match="mine means 2 models") as error:
        subjects.choose("mine")
    assert str(home / "models" / "a" / "mine.gguf") in str(error.value)


@pytest.mark.usefixtures("ollama")
def test_a_model_in_the_ollama_store_is_benched_by_its_name(
    steelyard: Steelyard, tmp_path: Path
) -> None:
    out = tmp_path / "bench"
    load = ("--requests", "3", "--prompts", "synthetic:in=32,out=8", "--out", out, "--json")
    said = steelyard("bench", "tiny:1b", *load)
    assert said.code in (0, 1), said.err
    text = "".join(path.read_text(errors="replace") for path in out.rglob("*.json"))
    assert "tiny-1b.gguf" in text


def test_a_model_in_shards_is_benched_from_the_cache_where_its_blobs_have_no_names(
    steelyard: Steelyard, hub: Path, goods: Goods, tmp_path: Path
) -> None:
    cached(hub, "org/two-GGUF", {path.name: path for path in goods.shards})
    load = ("--requests", "3", "--prompts", "synthetic:in=32,out=8", "--out", tmp_path / "b")
    said = steelyard("bench", "org/two-GGUF:two", *load, "--json")
    assert said.code in (0, 1), said.err
