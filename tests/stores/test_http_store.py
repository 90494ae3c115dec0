"""A web server as a store: headers only, faults on the way, and an index that lies."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.shelves import Goods, Server, served, sha256, write_index

from steelyard.domain.errors import BadInput, HubRefused, TransferFailed, WrongModel
from steelyard.models.stores.http_store import HttpStore


@pytest.fixture
def server(goods: Goods, tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "www"
    root.mkdir()
    shutil.copy(goods.file, root)
    shutil.copytree(goods.folder, root / "soft")
    write_index(root)
    with served(root) as state:
        yield state


def store(server: Server, retries: int = 2, stall_s: float = 5.0) -> HttpStore:
    return HttpStore(server.origin, stall_s=stall_s, retries=retries)


def indexed(server: Server, *models: Any, version: object = 1) -> HttpStore:
    """Serve this index instead."""
    text = json.dumps({"steelyard_store": version, "models": models})
    (server.root / "index.json").write_text(text)
    return store(server, retries=0)


def one(**changes: object) -> dict[str, object]:
    """A model of an index with something else in its only file."""
    file = {"path": "one.gguf", "size": 5, "sha256": "0" * 64, **changes}
    return {"name": "one", "format": "gguf", "files": [file]}


def test_only_the_header_of_a_large_file_is_sent(server: Server) -> None:
    size = 256 << 20
    with (server.root / "one.gguf").open("r+b") as file:
        file.truncate(size)  # a sparse file: weights that nobody may ask for
    found = indexed(server, one(size=size))
    found.look(found.list().entries[0])
    time.sleep(0.1)
    assert server.sent["one.gguf"] < 24 << 20  # what lies in buffers counts as sent


def test_a_server_without_ranges_serves_all_the_same(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    found = store(server)
    assert [entry.name for entry in found.list().entries] == ["one", "soft"]
    for entry in found.list().entries:
        found.look(entry)
        assert found.fetch(entry, tmp_path / "out").exists()


def test_a_fetch_goes_on_where_the_connection_broke(server: Server, tmp_path: Path) -> None:
    size = (server.root / "one.gguf").stat().st_size
    server.breaks_at["one.gguf"] = [size // 3, 2 * size // 3]
    found = store(server)
    path = found.fetch(found.list().entries[0], tmp_path / "out")
    assert sha256(path) == sha256(server.root / "one.gguf")
    assert server.breaks_at["one.gguf"] == []


def test_a_header_is_asked_for_again_when_the_connection_breaks(server: Server) -> None:
    found = store(server)
    entry = found.list().entries[0]
    server.breaks_at["one.gguf"] = [10, 100]
    assert found.look(entry) == store(server).look(entry)
    assert server.breaks_at["one.gguf"] == []


def test_a_server_that_says_nothing_is_not_waited_for(server: Server) -> None:
    server.silent.add("index.json")
    started = time.monotonic()
    with pytest.raises(TransferFailed, match="said nothing for"):
        store(server, retries=0, stall_s=0.5).list()
    assert time.monotonic() - started < 10


def test_a_file_of_another_size_than_promised_is_refused(server: Server, tmp_path: Path) -> None:
    found = indexed(server, one())
    with pytest.raises(WrongModel, match="the index says 5"):
        found.look(found.list().entries[0])
    with pytest.raises(TransferFailed, match="other bytes than its index promises"):
        found.fetch(found.list().entries[0], tmp_path / "out")


def test_a_file_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    found = indexed(server, one(path="gone.gguf"))
    with pytest.raises(HubRefused, match="404"):
        found.fetch(found.list().entries[0], tmp_path / "out")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (one(path="../../etc/passwd.gguf"), "no path below"),
        (one(path="a/../../x.gguf"), "no path below"),
        (one(path="/etc/x.gguf"), "no path below"),
        (one(path="https://elsewhere/x.gguf"), "no path below"),
        (one(path="a\\..\\x.gguf"), "no path below"),
        (one(path="x\x1b[2J.gguf"), "no path below"),
        (one(path=".hidden/x.gguf"), "no path below"),
        (one(path="x" * 600 + ".gguf"), "no path below"),
        (one(size=-1), "has no size"),
        (one(size=True), "has no size"),
        (one(sha256="nope"), "has no sha256"),
        (one(path="notes.txt"), "names no weights"),
        ({"name": "x", "format": "onnx", "files": []}, "no format of"),
        ({"name": 5}, "has no name"),
        ("text", "has no name"),
    ],
)
def test_a_model_that_the_index_tells_badly_is_told_and_hides_no_other(
    server: Server, model: object, why: str
) -> None:
    listing = indexed(server, model, one() | {"name": "good"}).list()
    assert [entry.name for entry in listing.entries] == ["good"]
    assert why in listing.unusable[0].why


def test_a_name_that_stands_twice_is_told(server: Server) -> None:
    listing = indexed(server, one(), one()).list()
    assert len(listing.entries) == 1
    assert "twice" in listing.unusable[0].why


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", '{"models": 3}', "[" * 100_000])
def test_what_is_no_index_is_said_to_be_none(server: Server, text: str) -> None:
    (server.root / "index.json").write_text(text)
    with pytest.raises(BadInput, match="no index of models") as error:
        store(server).list()
    assert "models index" in error.value.hint


def test_an_index_of_a_later_version_is_refused(server: Server) -> None:
    with pytest.raises(BadInput, match="version 2, not 1"):
        indexed(server, version=2).list()


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("http://models.example/", "anybody on the way can change"),
        ("ftp://models.example/", "no address of a store"),
        ("https://", "no address of a store"),
        ("https://user:word@models.example/", "no address of a store"),
        ("https://[bad/", "no address of a store"),
    ],
)
def test_an_address_that_is_not_spoken_to_is_refused_before_any_call(where: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as error:
        HttpStore(where)
    assert error.value.hint


def test_plain_http_elsewhere_is_spoken_to_only_when_asked() -> None:
    found = HttpStore("http://models.example/llm", plain_http=True)
    assert found.where == "http://models.example/llm/index.json"


def test_a_redirect_to_plain_http_elsewhere_is_not_believed(server: Server) -> None:
    # 127.0.0.2 is this machine under an address that is none of its loopback names.
    port = server.origin.rpartition(":")[2]
    server.leads_to["index.json"] = f"http://127.0.0.2:{port}/other.json"
    (server.root / "other.json").write_text('{"steelyard_store": 1, "models": []}')
    with served_everywhere(server), pytest.raises(HubRefused, match="leads to plain http"):
        store(server, retries=0).list()
    assert HttpStore(server.origin, plain_http=True)


def served_everywhere(server: Server) -> Any:
    """Answer on 127.0.0.2 too, at the same port."""
    import socket
    import threading
    from contextlib import contextmanager

    @contextmanager
    def listening() -> Iterator[None]:
        raw = (server.root / "other.json").read_bytes()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
        with socket.create_server(("127.0.0.2", int(server.origin.rpartition(":")[2]))) as listener:

            def answer() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(head + raw)

            thread = threading.Thread(target=answer)
            thread.start()
            yield
            thread.join(5)

    return listening()
