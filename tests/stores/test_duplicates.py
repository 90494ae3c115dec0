"""The same bytes under several names: what is told cheaply, and what only hashing knows."""

from __future__ import annotations

from pathlib import Path

from tests.stores.shelves import sha256

from steelyard.models.stores import duplicates
from steelyard.models.stores.api import StoredFile

SIZE = 256 * 1172


def file(path: Path, data: bytes, claim: str | None = None) -> StoredFile:
    path.write_bytes(data)
    return StoredFile(path.name, len(data), path, claim)


def alike(tmp_path: Path) -> list[StoredFile]:
    """Three files of one size, beginning and end; the middle of the third differs."""
    data = bytes(range(256)) * (SIZE // 256)
    other = data[: SIZE // 2] + b"?" + data[SIZE // 2 + 1 :]
    return [
        file(tmp_path / "a.gguf", data),
        file(tmp_path / "b.gguf", data),
        file(tmp_path / "c.gguf", other),
    ]


def test_size_beginning_and_end_make_it_likely_and_hashing_decides(tmp_path: Path) -> None:
    files = alike(tmp_path)
    (likely,) = duplicates.find(files)
    assert (likely.evidence, len(likely.paths), likely.sha256) == ("likely", 3, None)
    (sure,) = duplicates.find(files, duplicates.verify(files).digests)
    assert sure.evidence == "verified"
    assert [path.name for path in sure.paths] == ["a.gguf", "b.gguf"]
    assert sure.sha256 == sha256(tmp_path / "a.gguf")
    assert sure.wasted_bytes == SIZE


def test_another_beginning_or_end_is_another_file_without_any_hashing(tmp_path: Path) -> None:
    data = b"x" * SIZE
    files = [
        file(tmp_path / "a", data),
        file(tmp_path / "b", b"y" + data[1:]),
        file(tmp_path / "c", data[:-1] + b"y"),
    ]
    assert duplicates.find(files) == ()
    assert duplicates.verify(files).digests == {}


def test_only_candidates_and_claims_are_hashed(tmp_path: Path) -> None:
    files = [*alike(tmp_path), file(tmp_path / "d.gguf", b"alone")]
    claimed = file(tmp_path / "e.gguf", b"claimed", sha256(tmp_path / "d.gguf"))
    hashed: list[str] = []

    def counting(path: Path) -> str:
        hashed.append(path.name)
        return sha256(path)

    found = duplicates.verify([*files, claimed], counting)
    assert hashed == ["a.gguf", "b.gguf", "c.gguf", "e.gguf"]
    assert [Path(one.where).name for one in found.damaged] == ["e.gguf"]
    assert "is damaged" in found.damaged[0].why


def test_claims_of_both_stores_decide_until_they_are_verified(tmp_path: Path) -> None:
    data = b"x" * SIZE
    same = [file(tmp_path / name, data, "a" * 64) for name in ("a", "b")]
    assert [one.evidence for one in duplicates.find(same)] == ["claimed"]
    others = [file(tmp_path / name, data, name * 64) for name in ("c", "d")]
    assert duplicates.find(others) == ()
    # The claims differ and the bytes do not: hashing knows better.
    found = duplicates.verify(others)
    assert [one.evidence for one in duplicates.find(others, found.digests)] == ["verified"]
    assert len(found.damaged) == 2


def test_links_and_hard_links_take_no_room(tmp_path: Path) -> None:
    first = file(tmp_path / "a", b"x" * SIZE)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "c").hardlink_to(tmp_path / "a")
    links = [StoredFile(name, SIZE, tmp_path / name) for name in ("b", "c")]
    assert duplicates.find([first, *links]) == ()


def test_the_most_wasteful_stands_first_and_empty_files_are_no_waste(tmp_path: Path) -> None:
    files = [
        file(tmp_path / f"{name}{number}", name.encode() * size)
        for name, size in (("s", 10), ("l", 1000), ("e", 0))
        for number in range(2)
    ]
    assert [one.size_bytes for one in duplicates.find(files)] == [1000, 10]


def test_a_file_that_vanished_is_passed_over(tmp_path: Path) -> None:
    files = alike(tmp_path)
    (tmp_path / "c.gguf").unlink()
    (found,) = duplicates.find(files)
    assert len(found.paths) == 2
