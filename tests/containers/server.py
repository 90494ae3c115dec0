"""The server inside a stand-in's image: a replica of an engine, started as its own image starts it.

`python -m tests.containers.server ENGINE WORD…` reads the words that Steelyard puts behind the
image as strictly as the engine documents them, and then answers from the engine's transcripts, with
the name, the path and the context that it was given. Ollama's makes a model first: of a blob that
must lie where Ollama looks for it, with the bytes that its name says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.engines import replica
from tests.engines.replica import Book, Manner, Replica

from steelyard.models import artifacts

ROUTES = "replica.json"
NAMES = {
    "vllm": "Qwen/Qwen3-0.6B",
    "sglang": "qwen/qwen2.5-0.5b-instruct",
    "tgi": "HuggingFaceTB/SmolLM2-360M-Instruct",
    "ollama": "llama3.2:latest",
}


def arguments(engine: str, words: list[str]) -> dict[str, Any]:
    """Read the words; an unknown one ends the server, as it would the engine."""
    cmd = argparse.ArgumentParser(prog=engine, allow_abbrev=False)
    if engine == "vllm":
        cmd.add_argument("serve", choices=["serve"])
        cmd.add_argument("path")
        cmd.add_argument("--served-model-name", dest="name", required=True)
        cmd.add_argument("--host", required=True)
        cmd.add_argument("--max-model-len", dest="context", type=int, required=True)
        cmd.add_argument("--max-num-seqs", type=int, required=True)
        cmd.add_argument("--seed", type=int)
        cmd.add_argument("--no-enable-prefix-caching", action="store_true")
    elif engine == "sglang":
        cmd.add_argument("-m", choices=["sglang.launch_server"], required=True)
        cmd.add_argument("--model-path", dest="path", required=True)
        cmd.add_argument("--served-model-name", dest="name", required=True)
        cmd.add_argument("--host", required=True)
        cmd.add_argument("--context-length", dest="context", type=int, required=True)
        cmd.add_argument("--max-running-requests", dest="slots", type=int, required=True)
        cmd.add_argument("--random-seed", type=int)
        cmd.add_argument("--disable-radix-cache", action="store_true")
    elif engine == "tgi":
        cmd.add_argument("--model-id", dest="path", required=True)
        cmd.add_argument("--hostname", required=True)
        cmd.add_argument("--max-total-tokens", dest="context", type=int, required=True)
        cmd.add_argument("--max-input-tokens", type=int, required=True)
        cmd.add_argument("--max-batch-size", type=int)
    if engine != "ollama":
        cmd.add_argument("--port", type=int, required=True)
        return vars(cmd.parse_args(words))
    cmd.add_argument("serve", choices=["serve"])
    cmd.parse_args(words)
    return {"port": int(os.environ["OLLAMA_HOST"].rpartition(":")[2]), "context": 4096}


def book(engine: str, asked: dict[str, Any]) -> Book:
    """Return the engine's transcripts with what it was given in them."""
    folder = Path(tempfile.mkdtemp()) / engine
    shutil.copytree(replica.FOLDER / engine, folder)
    name = asked.get("name") or asked.get("path") or NAMES[engine]
    for file in folder.iterdir():
        text = file.read_text()
        if "model_path" in text or '"root"' in text:
            text = text.replace(
                f'"model_path":"{NAMES[engine]}"', f'"model_path":"{asked["path"]}"'
            )
            text = text.replace(f'"root":"{NAMES[engine]}"', f'"root":"{asked["path"]}"')
        text = text.replace(NAMES[engine], name).replace("4096", str(asked["context"]))
        text = text.replace(
            '"max_running_requests":64', f'"max_running_requests":{asked.get("slots")}'
        )
        text = text.replace("3212749888", str(asked.get("parameters")))
        file.write_text(text)
    rules = json.loads((folder / ROUTES).read_text())
    (folder / "well.http").write_text("from documentation\nHTTP/1.1 200 OK\n\n{}\n")
    rules["routes"]["GET /health"] = "well.http"
    (folder / ROUTES).write_text(json.dumps(rules))
    replica.FOLDER = folder.parent
    return Book(engine, Manner())


class Made:
    """Ollama's book, in which the model appears when it is made of a blob that is there."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {"context": 4096, "name": "", "port": 0}
        self.book = book("ollama", {**self.asked, "name": "nothing:latest"})

    @property
    def manner(self) -> Manner:
        return self.book.manner

    def answer(self, route: str, body: Any) -> Any:
        if route == "POST /api/create":
            self._make(body)
            return self._plain({"status": "success"})
        if route == "POST /api/generate":
            known = body == {"model": self.asked["name"], "stream": False}
            return self._plain({"model": body["model"], "done": known})
        if not self.asked["name"] and route != "GET /api/version":
            raise AssertionError(f"{route} before there was a model")
        return self.book.answer(route, body)

    def _make(self, body: Any) -> None:
        (digest,) = body["files"].values()
        sha256 = digest.removeprefix("sha256:")
        mounts = json.loads(os.environ["STANDIN_MOUNTS"])
        blob = Path(mounts[f"/root/.ollama/models/blobs/sha256-{sha256}"])
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == sha256
        assert sorted(body["parameters"]) == ["num_ctx", "num_gpu", "num_thread"]
        context = body["parameters"]["num_ctx"]
        parameters = artifacts.inspect(blob).parameters
        self.asked |= {"name": body["model"], "context": context, "parameters": parameters}
        self.book = book_again(self.asked)

    def _plain(self, said: dict[str, Any]) -> Any:
        head = ("HTTP/1.1 200 OK", "Content-Type: application/json")
        return replica.Transcript("", head, (json.dumps(said),)), {}, 0, ""


def book_again(asked: dict[str, Any]) -> Book:
    """Lay the transcripts anew, with the model in them."""
    replica.FOLDER = ORIGINAL
    return book("ollama", asked)


ORIGINAL = replica.FOLDER


def main(engine: str, words: list[str]) -> None:
    """Serve until it is ended."""
    asked = arguments(engine, words)
    sys.stdout.write(f"{engine} starting\n")
    sys.stdout.flush()
    if engine == "vllm":
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    pages: Any = Made() if engine == "ollama" else book(engine, asked)
    handler = replica._handler(Replica(engine, asked["port"]), pages)
    ThreadingHTTPServer(("127.0.0.1", asked["port"]), handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
