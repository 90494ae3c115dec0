"""What every store keeps to, on real files and over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores.shelves import KINDS, Goods, Shelf, sha256

from steelyard.domain.errors import BadInput, SteelyardError, TransferFailed, WrongModel
from steelyard.models import artifacts
from steelyard.models.stores import api, scanning
from steelyard.models.stores.api import Details
from steelyard.models.stores.http_store import HttpStore


@pytest.fixture(params=sorted(KINDS))
def shelf(request: pytest.FixtureRequest, goods: Goods, tmp_path: Path) -> Iterator[Shelf]:
    with KINDS[request.param](goods, tmp_path / "store") as filled:
        yield filled


def tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*")}


def digests(*paths: Path) -> list[str]:
    """Return the digests of all files of an entry's sources, or of what became of them."""
    files = [
        file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]
    return [sha256(file) for file in files]


def test_every_kind_has_a_contract() -> None:
    assert set(api.kinds()) == set(KINDS)


def test_each_model_is_listed_once_with_its_bytes(shelf: Shelf) -> None:
    listing = shelf.store.list()
    assert [entry.name for entry in listing.entries] == sorted(shelf.sources)
    assert listing.unusable == ()
    for entry in listing.entries:
        sources = shelf.sources[entry.name]
        weights = [p for s in sources for p in (s.glob("*.safetensors") if s.is_dir() else [s])]
        assert [file.size_bytes for file in entry.files] == [p.stat().st_size for p in weights]
        assert entry.store == shelf.store.name
        claimed = [file.sha256 for file in entry.files]
        assert claimed == ([sha256(p) for p in weights] if shelf.claims else [None] * len(weights))


def test_looking_tells_what_reading_the_model_itself_tells(shelf: Shelf) -> None:
    for entry in shelf.store.list().entries:
        look = shelf.store.look(entry)
        assert isinstance(look, Details)
        assert look.facts == artifacts.inspect(shelf.sources[entry.name][0])
        assert look.layout == entry.format


def test_a_local_model_lies_where_it_is_said_to_and_another_is_not_here(shelf: Shelf) -> None:
    for entry in shelf.store.list().entries:
        if shelf.local:
            path, source = shelf.store.locate(entry), shelf.sources[entry.name][0]
            assert artifacts.fingerprint(path).sha256 == artifacts.fingerprint(source).sha256
        else:
            with pytest.raises(BadInput, match="not on this machine") as error:
                shelf.store.locate(entry)
            assert "models copy" in error.value.hint


def test_what_is_fetched_is_the_model_byte_for_byte(shelf: Shelf, tmp_path: Path) -> None:
    for number, entry in enumerate(shelf.store.list().entries):
        seen: list[tuple[int, int]] = []
        out, sources = tmp_path / f"out{number}", shelf.sources[entry.name]
        path = shelf.store.fetch(entry, out, lambda *done, seen=seen: seen.append(done))
        assert digests(*sorted(out.iterdir())) == digests(*sources)
        assert artifacts.inspect(path) == artifacts.inspect(sources[0])
        assert seen[-1] == (entry.size_bytes, entry.size_bytes)


def test_fetching_again_moves_nothing(shelf: Shelf, goods: Goods, tmp_path: Path) -> None:
    entry = shelf.entry(goods.file)
    path = shelf.store.fetch(entry, tmp_path / "out")
    before = tree(tmp_path / "out")
    assert shelf.store.fetch(entry, tmp_path / "out") == path
    assert tree(tmp_path / "out") == before


def test_a_file_with_other_bytes_is_not_written_over(
    shelf: Shelf, goods: Goods, tmp_path: Path
) -> None:
    entry = shelf.entry(goods.file)
    path = shelf.store.fetch(entry, tmp_path / "out")
    path.write_bytes(b"my own notes".ljust(path.stat().st_size, b"!"))
    with pytest.raises(BadInput, match="with other bytes") as error:
        shelf.store.fetch(entry, tmp_path / "out")
    assert "--out" in error.value.hint
    assert path.read_bytes().startswith(b"my own notes")


def test_bytes_that_are_not_what_the_store_claims_get_no_name(
    shelf: Shelf, goods: Goods, tmp_path: Path
) -> None:
    entry = shelf.entry(goods.file)
    with shelf.weights(entry).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xa5")
    if not shelf.claims:
        assert shelf.store.fetch(entry, tmp_path / "out").is_file()
        return
    with pytest.raises((WrongModel, TransferFailed)):
        shelf.store.fetch(entry, tmp_path / "out")
    # A lock may stay behind, hidden and empty: whoever waits for it must find it.
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path for path in left if path.stat().st_size or path.suffix == ".gguf"] == []


def test_a_broken_model_is_told_and_hides_no_other(shelf: Shelf, goods: Goods) -> None:
    entry = shelf.entry(goods.file)
    place = shelf.weights(entry)
    place.write_bytes(b"junk".ljust(entry.files[0].size_bytes, b"\0"))
    scanned = scanning.scan([shelf.store])
    assert {one.entry.name for one in scanned.found} == set(shelf.sources) - {entry.name}
    assert len(scanned.unusable) == 1
    assert "instead of b'GGUF'" in scanned.unusable[0].why


def test_nothing_that_a_store_does_changes_it(shelf: Shelf, tmp_path: Path) -> None:
    before = tree(shelf.root)
    for entry in shelf.store.list().entries:
        shelf.store.look(entry)
        shelf.store.fetch(entry, tmp_path / "out")
    assert tree(shelf.root) == before


def test_a_store_that_is_not_there_is_said_not_to_be(shelf: Shelf, tmp_path: Path) -> None:
    absent = (
        api.store(shelf.store.name, str(tmp_path / "none"))
        if shelf.local
        else HttpStore("http://127.0.0.1:9/", retries=0)
    )
    with pytest.raises(SteelyardError) as error:
        absent.list()
    assert error.value.hint


def test_a_store_is_made_by_the_name_of_its_kind(shelf: Shelf) -> None:
    again = api.store(shelf.store.name, shelf.store.where)
    assert [entry.name for entry in again.list().entries] == sorted(shelf.sources)


def test_a_kind_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="no kind of store 'olama'") as error:
        api.store("olama")
    assert "did you mean 'ollama'" in error.value.hint
