"""`models scan`, `list`, `copy` and `index` as a user types them, over stores full of wrecks."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.models import importances
from tests.stores import shelves
from tests.stores.shelves import COMMIT, Goods, cached, pulled, served, sha256

Steelyard = Callable[..., Said]


def scanned(steelyard: Steelyard, *words: str | Path) -> dict[str, Any]:
    said = steelyard("models", "scan", *words, "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_the_usual_places_are_looked_through(
    steelyard: Steelyard, goods: Goods, home: Path
) -> None:
    (home / "models").mkdir()
    shutil.copy(goods.file, home / "models" / "mine.gguf")
    hub = home / ".cache" / "huggingface" / "hub"
    cached(hub, "org/two-GGUF", {path.name: path for path in goods.shards})
    cached(hub, "org/soft", {path.name: path for path in goods.folder.iterdir()})
    pulled(home / ".ollama" / "models", "one:f16", goods.file.read_bytes(), {"system": b"Brief."})
    found = scanned(steelyard)
    assert [(one["store"], one["name"], one["format"]) for one in found["models"]] == [
        ("folder", "mine", "gguf"),
        ("huggingface", "org/soft", "safetensors"),
        ("huggingface", "org/two-GGUF:two", "gguf"),
        ("ollama", "one:f16", "gguf"),
    ]
    soft, two, one = found["models"][1:]
    assert [file["sha256_is"] for file in two["files"]] == ["claimed", "claimed"]
    assert two["origin"]["revision"] == f"main, {COMMIT}"
    assert "eos_token_id" in soft["said"]["generation"]
    assert one["said"] == {"system": "Brief."}
    assert one["facts"]["chat_template_sha256"]
    assert found["broken"] == []
    assert "one:f16" in steelyard("models", "scan").out
    listed = json.loads(steelyard("models", "list", "--json").out)["models"]
    assert [one["path"] for one in listed][1:] == [one["path"] for one in found["models"]]


def test_stores_inside_a_folder_are_known_for_what_they_are(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    cached(disk / "a" / "hub", "org/one-GGUF", {"one-F16.gguf": goods.file})
    pulled(disk / "b" / "store", "one:f16", goods.file.read_bytes())
    found = scanned(steelyard, disk)
    assert [(one["store"], one["name"]) for one in found["models"]] == [
        ("huggingface", "org/one-GGUF:F16"),
        ("ollama", "one:f16"),
    ]
    (same,) = found["duplicates"]
    assert (same["evidence"], same["sha256"]) == ("claimed", sha256(goods.file))
    assert same["wasted_bytes"] == goods.file.stat().st_size


def test_what_is_linked_from_a_folder_into_a_store_counts_once(
    steelyard: Steelyard, goods: Goods, home: Path
) -> None:
    manifest = pulled(home / ".ollama" / "models", "one:f16", goods.file.read_bytes())
    digest = json.loads(manifest.read_text())["layers"][0]["digest"].replace(":", "-")
    (home / "models").mkdir()
    (home / "models" / "linked.gguf").symlink_to(home / ".ollama" / "models" / "blobs" / digest)
    found = scanned(steelyard)
    assert ([one["name"] for one in found["models"]], found["duplicates"]) == (["linked"], [])


def test_hash_verifies_claims_and_duplicates_and_finds_the_damaged(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    pulled(tmp_path / "o", "one:f16", goods.file.read_bytes())
    shutil.copy(goods.file, tmp_path / "copy.gguf")
    (same,) = scanned(steelyard, tmp_path)["duplicates"]
    assert (same["evidence"], same["sha256"]) == ("likely", None)
    (same,) = scanned(steelyard, tmp_path, "--hash")["duplicates"]
    assert (same["evidence"], same["sha256"]) == ("verified", sha256(goods.file))
    blob = tmp_path / "o" / "blobs" / f"sha256-{sha256(goods.file)}"
    with blob.open("r+b") as file:
        file.seek(blob.stat().st_size // 2)
        file.write(b"\xff\xfe\xfd")
    found = scanned(steelyard, tmp_path, "--hash")
    assert found["duplicates"] == []
    assert "is damaged" in found["broken"][0]["why"]
    assert "is damaged" in steelyard("models", "scan", tmp_path, "--hash").out
    assert scanned(steelyard, tmp_path)["broken"] == []  # headers alone cannot tell


def wrecks(at: Path, goods: Goods) -> dict[str, str]:
    """Put every kind of broken file into a folder; return a word of the reason by file."""
    raw = goods.file.read_bytes()
    (at / "cut.gguf").write_bytes(raw[:3000])
    (at / "magic.gguf").write_bytes(b"nope" + raw[4:])
    (at / "empty.gguf").write_bytes(b"")
    (at / "absurd.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60))
    (at / "gone.gguf").symlink_to("nowhere.gguf")
    (at / "loop.gguf").symlink_to("loop.gguf")
    os.mkfifo(at / "pipe.gguf")
    shutil.copy(goods.shards[1], at / "half-00002-of-00003.gguf")
    shutil.copy(goods.shards[0], at / "half-00001-of-00003.gguf")
    for name in ("soft-cut", "soft-absurd", "soft-gone", "soft-bare", "soft-json"):
        shutil.copytree(goods.folder, at / name)
    weights = "model.safetensors"
    (at / "soft-cut" / weights).write_bytes((goods.folder / weights).read_bytes()[:-9])
    (at / "soft-absurd" / weights).write_bytes(b"\xff" * 4000)
    (at / "soft-gone" / weights).unlink()
    (at / "soft-gone" / weights).symlink_to("nowhere")
    (at / "soft-bare" / "config.json").unlink()
    (at / "soft-json" / "config.json").write_text('{"model_type": ')
    return {
        "cut.gguf": "truncated",
        "magic.gguf": "instead of b'GGUF'",
        "empty.gguf": "it is empty",
        "absurd.gguf": "announces",
        "gone.gguf": "leads nowhere",
        "loop.gguf": "cannot be read",
        "pipe.gguf": "not a regular file",
        "half-00001-of-00003.gguf": "half-00003-of-00003.gguf is not there",
        "soft-cut": "cut off",
        "soft-absurd": "longer than the file",
        "soft-gone": "leads nowhere",
        "soft-bare": "no config.json",
        "soft-json": "no JSON",
    }


def test_every_wreck_is_told_with_its_reason_and_stops_nothing(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    expected = wrecks(disk, goods)
    shutil.copy(goods.file, disk / "good.gguf")
    importances.write(disk / "good.imatrix.gguf")
    found = scanned(steelyard, disk)
    assert [one["name"] for one in found["models"]] == ["good"]
    assert [one["role"] for one in found["others"]] == ["importance matrix"]
    told = {Path(one["path"]).name: one["why"] for one in found["broken"]}
    assert set(told) == set(expected)
    assert {name: why for name, why in told.items() if expected[name] not in why} == {}
    said = steelyard("models", "scan", disk)
    assert said.code == 0
    assert len([line for line in said.out.splitlines() if line[:2] == "! "]) == len(expected)
    assert f"1 other files; 0 B in duplicates; {len(expected)} broken" in said.out


def test_names_full_of_control_characters_cannot_move_the_cursor(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    nasty = os.fsdecode(b"\x1b[2Jbad\n\xff\xe2\x80\xaename")
    shutil.copy(goods.file, tmp_path / f"{nasty}.gguf")
    (tmp_path / f"{nasty}-broken.gguf").write_bytes(b"junk")
    for command in ("scan", "list"):
        said = steelyard("models", command, tmp_path)
        assert said.code == 0, said.err
        assert said.out.count("\\x1b[2Jbad\\x0a\\xff\\u202ename") >= 2
        assert all(c.isprintable() or c == "\n" for c in said.out)
        assert steelyard("models", command, tmp_path, "--json").code == 0


def test_what_is_wrong_in_the_hugging_face_cache_is_told(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    snapshot = cached(tmp_path, "org/x-GGUF", {"x-F16.gguf": goods.file})
    (snapshot / "x-Q4_0.gguf").symlink_to("../../blobs/0000")
    home = snapshot.parents[1]
    (home / "blobs" / f"{'a' * 64}.incomplete").write_bytes(b"half")
    # An older revision: one file of the same bytes, one that has changed since.
    cached(tmp_path, "org/x-GGUF", {"x-F16.gguf": goods.shards[0]}, commit="f" * 40)
    (home / "refs" / "main").write_text(COMMIT)
    cached(tmp_path, "org/y-GGUF", {"y-F16.gguf": goods.file}, commit="f" * 40)
    cached(tmp_path, "org/y-GGUF", {"y-F16.gguf": goods.file})
    soft = cached(tmp_path, "org/soft", {path.name: path for path in goods.folder.iterdir()})
    (soft / "model.safetensors").rename(soft / "model-00001-of-00002.safetensors")
    cached(tmp_path, "org/half-GGUF", {"half-00002-of-00002.gguf": goods.shards[1]})
    found = scanned(steelyard, tmp_path)
    told = {Path(one["path"]).name: one["why"] for one in found["broken"]}
    assert "leads nowhere" in told["x-Q4_0.gguf"]
    assert "broke off: 4 B" in told[f"{'a' * 64}.incomplete"]
    assert "model-00002-of-00002.safetensors is not there" in told[COMMIT]
    assert "1 of its 2 files are not there" in told["half-00002-of-00002.gguf"]
    assert "x-F16.gguf" in told  # half of a sharded model under a plain name
    revisions = {one["name"]: one["origin"]["revision"] for one in found["models"]}
    assert revisions["org/x-GGUF:F16"] == f"main, {COMMIT}"
    assert revisions["org/y-GGUF:F16"] == f"main, {COMMIT}; {'f' * 40}"


def test_what_is_wrong_in_the_ollama_store_is_told(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    root, raw = tmp_path / "o", goods.file.read_bytes()
    pulled(root, "good:latest", raw)
    pulled(root, "good:copy", raw)
    pulled(root, "other:latest", raw, {"template": b"{{ .System }}"})

    def weights(name: str, model: bytes) -> tuple[Path, int]:
        layer = json.loads(pulled(root, name, model).read_text())["layers"][0]
        return root / "blobs" / layer["digest"].replace(":", "-"), layer["size"]

    weights("gone:1b", raw + b"1")[0].unlink()
    short, size = weights("short:1b", raw + b"22")
    short.write_bytes(raw)
    pulled(root, "junk:1b", b"no model at all")
    manifests = root / "manifests" / "registry.ollama.ai" / "library"
    tensor = {"mediaType": "application/vnd.ollama.image.tensor", "size": 1}
    for name, text in (
        ("text", "hello"),
        ("bare", "{}"),
        ("climb", json.dumps({"layers": [{"digest": "sha256:../../x", "size": 1}]})),
        ("tensors", json.dumps({"layers": [{**tensor, "digest": f"sha256:{'c' * 64}"}]})),
        ("deep", "[" * 100_000),
        ("large", '{"layers": [' + " " * (5 << 20) + "]}"),
    ):
        (manifests / name).mkdir()
        (manifests / name / "latest").write_text(text)
    (root / "blobs" / f"sha256-{'b' * 64}-partial").write_bytes(b"half")
    found = scanned(steelyard, root)
    assert [(one["name"], one["aliases"]) for one in found["models"]] == [
        ("good:copy", ["good:latest"]),
        ("other:latest", []),
    ]
    told = {Path(one["path"]).parent.name: one["why"] for one in found["broken"]}
    assert "names a blob that is not there" in told["gone"]
    assert f"its manifest says {size}" in told["short"]
    assert all("no manifest" in told[name] for name in ("text", "bare", "deep", "large"))
    assert "no digest or size" in told["climb"]
    assert "single tensors" in told["tensors"]
    reasons = " ".join(one["why"] for one in found["broken"])
    assert "broke off" in reasons
    assert "instead of b'GGUF'" in reasons


def test_blobs_that_no_manifest_names_are_told_in_one_line(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    pulled(tmp_path, "good:latest", goods.file.read_bytes())
    pulled(tmp_path, "old:latest", b"old").unlink()
    (why,) = [one["why"] for one in scanned(steelyard, tmp_path)["broken"]]
    assert why.startswith("no manifest names 1 blob (3 B)")


def test_an_http_store_is_scanned_by_its_address(
    steelyard: Steelyard, goods: Goods, tmp_path: Path
) -> None:
    root, out = tmp_path / "www", tmp_path / "out"
    with shelves.folder(goods, root):
        said = steelyard("models", "index", root)
        assert (said.code, "3 models" in said.out) == (0, True)
        with served(root) as server:
            found = scanned(steelyard, server.origin)
            assert [one["name"] for one in found["models"]] == ["deep/one", "soft", "two"]
            assert all(one["path"] is None for one in found["models"])
            said = steelyard("models", "copy", f"{server.origin}#deep/one", "--out", out)
            assert said.code == 0, said.err
            assert sha256(Path(said.out.strip())) == sha256(goods.file)
            said = steelyard("models", "copy", f"{server.origin}#deep/on", "--out", out)
            assert (said.code, "did you mean 'deep/one'" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("scan", "gone"), "gone is no folder"),
        (("list", "gone"), "gone is no folder"),
        (("index", "gone"), "gone is no folder"),
        (("index", "."), "holds no model"),
        (("scan", "http://models.example/"), "plain http"),
        (("copy", "http://127.0.0.1:9/#x"), "did not serve it"),
        (("copy", "no-such-model"), "no model 'no-such-model'"),
        (("copy", "ollama:none"), "no Ollama store"),
    ],
)
def test_what_is_none_is_one_clear_message(
    steelyard: Steelyard,
    words: tuple[str, ...],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without the pauses between attempts this would be the command as it is.
    monkeypatch.chdir(tmp_path)
    said = steelyard("models", *words)
    assert said.code in (2, 3)
    assert said.out == ""
    assert said.err.count("Error: ") == 1
    assert why in said.err
    assert not (tmp_path / "index.json").exists()
