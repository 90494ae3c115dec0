"""Discovery: what is listed, what is listed as broken and why, and what is passed over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.llamalib import tiny
from tests.models import importances

from steelyard.models import find


def test_models_are_found_with_their_facts_and_broken_files_with_the_reason(
    tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    shutil.copy(tiny_model, tmp_path / "deep" / "er" / "b.gguf")
    tiny.write(tmp_path / "a.gguf", tiny.Shape(layers=1))
    (tmp_path / "cut.gguf").write_bytes(tiny_model.read_bytes()[:5000])
    (tmp_path / "notes.txt").write_text("no model")
    importances.write(tmp_path / "a.imatrix.gguf")
    found = find.scan((tmp_path,))
    assert [(path.name, facts.layers) for path, facts in found.models] == [
        ("a.gguf", 1),
        ("b.gguf", 2),
    ]
    assert [path.name for path, _ in found.broken] == ["cut.gguf"]
    assert "truncated" in found.broken[0][1]


def test_one_file_under_two_names_counts_once(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copy(tiny_model, tmp_path / "a.gguf")
    (tmp_path / "b.gguf").symlink_to(tmp_path / "a.gguf")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(find.scan((tmp_path, tmp_path)).models) == 1


def test_shards_are_one_model_and_an_incomplete_set_is_broken(
    tmp_path: Path, tiny_model: Path
) -> None:
    from tests.models.test_ladder import split

    split(tiny_model, tmp_path)
    found = find.scan((tmp_path,))
    assert [path.name for path, _ in found.models] == ["tiny-00001-of-00002.gguf"]
    (tmp_path / "tiny-00001-of-00002.gguf").unlink()
    found = find.scan((tmp_path,))
    assert not found.models
    assert "tiny-00001-of-00002.gguf is not there" in found.broken[0][1]


def test_the_hugging_face_cache_is_among_the_usual_folders(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    blobs = tmp_path / "hf" / "hub" / "models--org--tiny" / "blobs"
    snapshot = blobs.parent / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    shutil.copy(tiny_model, blobs / "0123")
    (snapshot / "tiny-f16.gguf").symlink_to("../../blobs/0123")
    (tmp_path / "home" / "models").mkdir(parents=True)
    folders = find.usual_folders()
    assert folders == (tmp_path / "home" / "models", tmp_path / "hf" / "hub")
    assert [path.name for path, _ in find.scan(folders).models] == ["tiny-f16.gguf"]
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other"))
    assert find.hugging_face_cache() == tmp_path / "other"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert find.scan((tmp_path / "none",)) == find.Found((), ())
