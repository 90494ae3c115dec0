"""Record what the engines of `engines install` really send: `python -m tests.engines.recorder DIR`.

DIR is the bundled model as a safetensors folder. Each answer is written down byte by byte, head
and all, into `recorded/ENGINE/NAME.http`; only the kernel's name in mlx-lm's fingerprint is
replaced, by one of the same length. Needs both engines installed; tests replay what it wrote.
"""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from steelyard.domain.run import Controls
from steelyard.domain.subject import EngineProfile, Subject
from steelyard.domain.task import Message
from steelyard.domain.workload import GenerationRequest
from steelyard.engines import api, environments, host
from steelyard.engines.api import HttpCall
from steelyard.engines.http1 import prepare
from steelyard.models import artifacts
from steelyard.runs.places import place_for

RECORDED = Path(__file__).with_name("recorded")
ASK = GenerationRequest(
    (Message("user", "Tom has 3 apples and gets 4 more. How many apples has Tom?"),), max_tokens=12
)
CHAT = "/v1/chat/completions"


def broken(path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        "Content-Length: 1\r\n\r\n{"
    ).encode()


def calls(engine: host.RunningEngine) -> dict[str, HttpCall | bytes]:
    """Return what is asked of both, and what of each."""
    encode = engine.dialect.encode
    stream = encode(replace(ASK, exact_tokens=True))
    whole = encode(replace(ASK, stream=False))
    found: dict[str, HttpCall | bytes] = {
        "health": HttpCall("GET", "/health"),
        "models": HttpCall("GET", "/v1/models"),
        "stream": stream,
        "whole": whole,
        "other_model": replace(whole, json={**whole.json, "model": "nobody/nothing"}),
        "bad_json": broken(CHAT),
    }
    if engine.dialect.name == "mlx":
        found["again"] = stream
        found["bad_value"] = replace(whole, json={**whole.json, "temperature": -1})
    else:
        found["bad_field"] = replace(whole, json={**whole.json, "top_k": 3})
        wrong = {**stream.json, "generation_config": '{"do_sample": true, "temperature": -1.0}'}
        found["broken_off"] = replace(stream, json=wrong)
    return found


def answer(engine: host.RunningEngine, call: HttpCall | bytes) -> bytes:
    """Return every byte of an answer."""
    sent = call if isinstance(call, bytes) else prepare(call, engine.host, engine.port)
    with socket.create_connection((engine.host, engine.port), timeout=60) as sock:
        sock.sendall(sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return b"".join(iter(lambda: sock.recv(65536), b""))


def record(name: str, model: Path, folder: Path) -> None:
    """Start one engine, with its prompt cache on where it has one, and write its answers."""
    artifact = artifacts.fingerprint(model)
    # A short prefill step shows the comments that mlx-lm sends while it reads a prompt.
    profile = EngineProfile(batch_tokens=8)
    subject = Subject(artifact, name, environments.ENVIRONMENT, profile)
    place = place_for(subject, folder, {artifact.sha256: model})
    controls = Controls(threads=1, reuse_prefix=True)
    out = RECORDED / name
    out.mkdir(parents=True, exist_ok=True)
    with host.start(api.dialect(name), subject, controls, place) as engine:
        for case, call in calls(engine).items():
            said = answer(engine, call)
            said = re.sub(rb"(\d+\.\d+\.\d+)-fc-v\d{3}", rb"\1-generic", said)
            (out / f"{case}.http").write_bytes(said)
    (out / "versions.txt").write_text(environments.required(name).described + "\n")


def main() -> None:
    """Record both."""
    for name in environments.NAMES:
        with tempfile.TemporaryDirectory() as folder:
            record(name, Path(sys.argv[1]).resolve(), Path(folder))


if __name__ == "__main__":
    main()
