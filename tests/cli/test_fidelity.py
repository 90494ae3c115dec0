"""`steelyard fidelity` as a user runs it: pack once, then check files and a real server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import ports
from tests.cli.conftest import Said
from tests.cli.test_eval import server
from tests.llamalib import tiny

from steelyard.app import subjects
from steelyard.app.fidelity import packing
from steelyard.llamalib import evaluate, passages
from steelyard.models import ladder
from steelyard.runs import reference_packs
from steelyard.store import packs

Door = Callable[..., Said]
LADDER = ("Q8_0", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")


@pytest.fixture(scope="session")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that is unsure enough of its tokens for types to make a difference."""
    path = tmp_path_factory.mktemp("unsure") / "unsure.gguf"
    return tiny.write(path, tiny.Shape(context=4096, tied=False, layers=1))


@pytest.fixture(scope="session")
def low(unsure: Path) -> Path:
    return ladder.quantise(unsure, "Q2_K", unsure.with_name("low.gguf"))


@pytest.fixture(scope="session")
def pack(unsure: Path) -> Path:
    out = unsure.with_name("unsure.refpack")
    packing.perform(packing.PackRequest(str(unsure), out, 448, None, 2), print)
    return out


def checked(steelyard: Door, pack: Path, *words: str | Path) -> dict[str, Any]:
    said = steelyard("fidelity", "check", pack, *words, "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def mean(found: dict[str, Any]) -> float:
    return float(found["divergence"]["value"]["value"])


def whole(pack: Path, reference: Path, subject: Path, folder: Path) -> float:
    """The divergence over the whole vocabulary, at the positions of the pack."""
    windows = reference_packs.text_of(packs.read(pack)).windows
    tokens = passages.write(folder / "tokens.json", windows)
    ours, theirs = folder / "ours.npy", folder / "theirs.npy"
    if not ours.exists():
        evaluate.scored(reference, tokens, ours, context=512, threads=2)
    evaluate.scored(subject, tokens, theirs, context=512, threads=2)
    return float(evaluate.compare(ours, theirs, passages.targets(windows)).kld.mean())


@contextmanager
def wheel(model: Path, log: Path) -> Iterator[str]:
    """Serve a model by the wheel's llama-server, as somebody else would."""
    port = ports.free()
    argv = [sys.executable, "-m", "steelyard.llamalib.server", "--model", str(model)]
    argv += ["--port", str(port), "-c", "1024", "-t", "1"]
    with log.open("wb") as out, subprocess.Popen(argv, stderr=out, stdout=out) as child:
        try:
            for _ in range(400):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:  # not up, or still loading
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()


@contextmanager
def stingy(url: str, most: int) -> Iterator[str]:
    """Stand before a server and refuse whoever asks for more candidates than this, as many do."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if json.loads(body).get("n_probs", 0) > most:
                self._send(400, b'{"error": {"message": "too many candidates"}}')
            else:
                self._pass(body)

        def _pass(self, body: bytes | None) -> None:
            there = urllib.request.Request(  # noqa: S310 - a server of this test
                url + self.path, body, dict(self.headers)
            )
            try:
                with urllib.request.urlopen(there, timeout=30) as answer:  # noqa: S310
                    self._send(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self._send(error.code, error.read())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()


def test_a_quant_is_as_far_by_the_pack_as_by_the_whole_vocabulary(
    steelyard: Door, unsure: Path, low: Path, pack: Path, tmp_path: Path
) -> None:
    found = checked(steelyard, pack, low)
    assert mean(found) == pytest.approx(whole(pack, unsure, low, tmp_path), rel=0.02)
    assert found["positions"] == 448
    itself = steelyard("fidelity", "check", pack, unsure)
    assert re.search(r"same top token +100.00%", itself.out)
    assert re.search(r"KL divergence +\d\.\d+e-0[89] ", itself.out)
    assert "less than Q8_0 loses there (of an 8B model: Q8_0 0.00024, Q5_K_M 0.0047" in itself.out
    assert re.search(r"noise floor +\d\.\d+e-0[89] nats", itself.out)


def test_a_server_that_was_started_by_somebody_else_is_stepped_through(
    steelyard: Door, unsure: Path, low: Path, pack: Path, tmp_path: Path
) -> None:
    true = whole(pack, unsure, low, tmp_path)
    with wheel(low, tmp_path / "server.log") as url:
        found = checked(steelyard, pack, url)
        with stingy(url, most=20) as behind:
            few = checked(steelyard, pack, behind)
        with stingy(url, most=0) as behind:
            none = steelyard("fidelity", "check", pack, behind)
    assert found["told"]["value"] == 512
    # It keeps back what would begin a character that is not complete.
    assert found["positions"] + found["silent"] == 448
    assert found["positions"] > 300
    # The rest of this model is heavy: half of its vocabulary is outside the pack.
    assert 0.7 * true < mean(found) < 1.05 * true < mean(found) + found["left_out"]["value"]
    assert few["told"]["value"] == 20
    assert mean(few) < mean(found)
    assert none.code == 2
    assert "does not tell the most probable tokens by number" in none.err
    assert "status 400" in none.err
    assert "too many candidates" in none.err


def test_what_does_not_fit_is_refused_with_one_message(
    steelyard: Door, unsure: Path, pack: Path, tmp_path: Path
) -> None:
    other = tiny.write(tmp_path / "other.gguf", tiny.Shape(vocabulary=640))
    torn = tmp_path / "torn.refpack"
    torn.write_bytes(pack.read_bytes()[:-9])
    short = tmp_path / "short.txt"
    short.write_text("too few words " * 60)
    check, make = ("fidelity", "check"), ("fidelity", "pack", unsure)
    for words, message in (
        ((*check, pack, other), "another tokenizer or vocabulary"),
        ((*check, torn, unsure), "damaged reference pack"),
        ((*check, unsure, pack), "is no reference pack"),
        ((*check, pack, "gone.gguf"), "there is no file gone.gguf"),
        ((*check, pack, unsure, "--top", "9"), "--top says nothing of a file"),
        ((*check, pack, unsure, "--api-key-env", "KEY"), "--api-key-env says nothing of a file"),
        ((*check, pack, unsure, "--engine", "llamacpp", "--top", "513"), "more than the vocab"),
        ((*check, pack, "http://127.0.0.1:9"), "127.0.0.1:9"),
        ((*make, "--out", pack), "is there already"),
        ((*make, "--positions", "90000"), "do not fit into the 5,000,000 bytes"),
        ((*make, "--text", short), "448 positions, and 4,480 are needed"),
    ):
        said = steelyard(*words)
        assert (said.code, said.err.count("Error:")) in ((2, 1), (3, 1)), words
        assert message in said.err, words
        assert "Traceback" not in said.err
    assert sorted(path.name for path in Path.cwd().iterdir()) == []


def test_a_server_without_probabilities_is_refused(
    steelyard: Door, pack: Path, tmp_path: Path
) -> None:
    with server(tmp_path / "scripted", {}) as url:
        said = steelyard("fidelity", "check", pack, url)
    assert said.code == 2
    assert "computes no probabilities" in said.err


def test_a_server_of_another_model_is_refused(steelyard: Door, pack: Path, tmp_path: Path) -> None:
    with wheel(subjects.bundled("base.gguf"), tmp_path / "server.log") as url:
        said = steelyard("fidelity", "check", pack, url)
    assert said.code == 2
    assert "another tokenizer or vocabulary" in said.err


@pytest.mark.full
def test_the_ladder_of_the_bundled_model_is_weighed_within_two_per_cent(
    steelyard: Door, tmp_path: Path
) -> None:
    base, pack = subjects.bundled("base.gguf"), tmp_path / "bundled.refpack"
    assert steelyard("fidelity", "pack", "bundled", "--out", pack).code == 0
    assert pack.stat().st_size < packs.MOST_BYTES
    kept = packs.read(pack)
    assert kept.facts.positions >= 4096
    assert kept.facts.floor < 1e-7
    for quant in LADDER:
        low = ladder.quantise(base, quant, tmp_path / f"{quant}.gguf")
        true = whole(pack, base, low, tmp_path)
        assert mean(checked(steelyard, pack, low)) == pytest.approx(true, rel=0.02), quant
        if quant in ("Q8_0", "Q4_K_M"):
            served = checked(steelyard, pack, low, "--engine", "llamacpp")
            # What the server's own sums differ by is 1e-5 nats for the reference itself.
            assert mean(served) == pytest.approx(true, rel=0.02, abs=4e-5), quant
    assert np.isfinite(kept.rows.tail).all()
