"""Other clients, run on the same server: their commands, and what their own result files say.

    peers.py aiohttp URL STREAMS REQUESTS TOKENS OUT    the plain client, run as a program

A peer is run where its program is found: on PATH or in a `--peer-path FOLDER`; aiohttp, where the
`python` found there can import it. None is a dependency of Steelyard; benchmarks/README.md says how
to install them. Each is told to stream chat answers of a fixed length, and nothing that would
flatter it or us. Not aware of the truth: times are those that the peer reports, in milliseconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

ROUTE: Final = "/v1/chat/completions"
MODEL: Final = "pacer"


@dataclass(frozen=True)
class Load:
    """What a peer is to do: so many requests, so many at a time, of so many tokens."""

    url: str
    streams: int
    requests: int
    tokens: int
    folder: Path
    tokenizer: Path


@dataclass(frozen=True)
class Reported:
    """What it said: the TTFT of each request, and all gaps (empty where it keeps none)."""

    ttft_ms: Sequence[float]
    gap_ms: Sequence[float]


@dataclass(frozen=True)
class Peer:
    """One other client. `program` is a file name; `command` follows it."""

    name: str
    program: str
    command: Callable[[Load], list[str]]
    read: Callable[[Path], Reported]
    needs: str | None = None

    def find(self, folders: Sequence[Path]) -> str | None:
        """Return the program, or None where it is not installed."""
        places = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
        found = shutil.which(self.program, path=places)
        if found is None or self.needs is None:
            return found
        asked = subprocess.run(
            [found, "-c", f"import {self.needs}"], capture_output=True, check=False
        )
        return found if asked.returncode == 0 else None


def _vllm(load: Load) -> list[str]:
    return [
        *("bench", "serve", "--backend", "openai-chat", "--endpoint", ROUTE),
        *("--base-url", load.url, "--model", MODEL, "--tokenizer", str(load.tokenizer)),
        *("--dataset-name", "random", "--random-input-len", "8"),
        *("--random-output-len", str(load.tokens), "--ignore-eos"),
        *("--num-prompts", str(load.requests), "--max-concurrency", str(load.streams)),
        *("--disable-tqdm", "--save-result", "--save-detailed"),
        *("--result-dir", str(load.folder), "--result-filename", "vllm.json"),
    ]


def _read_vllm(folder: Path) -> Reported:
    said = json.loads((folder / "vllm.json").read_text())
    gaps = [1e3 * gap for gaps in said["itls"] for gap in gaps]
    return Reported([1e3 * ttft for ttft in said["ttfts"]], gaps)


def _aiperf(load: Load) -> list[str]:
    return [
        *("profile", "--model", MODEL, "--url", load.url, "--endpoint-type", "chat"),
        *("--streaming", "--concurrency", str(load.streams)),
        *("--request-count", str(load.requests), "--tokenizer", str(load.tokenizer)),
        *("--synthetic-input-tokens-mean", "8", "--synthetic-input-tokens-stddev", "0"),
        *("--output-tokens-mean", str(load.tokens), "--output-tokens-stddev", "0"),
        *("--output-artifact-dir", str(load.folder), "--ui", "none"),
    ]


def _read_aiperf(folder: Path) -> Reported:
    file = next(folder.rglob("profile_export.jsonl"))
    metrics = [json.loads(line)["metrics"] for line in file.read_text().splitlines()]
    return Reported(
        [record["time_to_first_token"]["value"] for record in metrics],
        [gap for record in metrics for gap in record["inter_chunk_latency"]["value"]],
    )


def _guidellm(load: Load) -> list[str]:
    out = load.folder / "guidellm.json"
    return [
        *("run", "--backend", f"kind=openai_http,target={load.url},model={MODEL}"),
        *("--profile", f"kind=concurrent,streams={load.streams}"),
        *("--constraint", f"kind=max_requests,count={load.requests}"),
        *("--tokenizer", f"kind=huggingface_auto,model={load.tokenizer}"),
        *("--data", f"kind=synthetic_text,prompt_tokens=8,output_tokens={load.tokens}"),
        *("--output", f"kind=json,path={out}", "--disable-console"),
    ]


def _read_guidellm(folder: Path) -> Reported:
    said = json.loads((folder / "guidellm.json").read_text())
    done = said["benchmarks"][0]["requests"]["successful"]
    return Reported([request["time_to_first_token_ms"] for request in done], ())


def _aiohttp(load: Load) -> list[str]:
    numbers = map(str, (load.streams, load.requests, load.tokens))
    return [__file__, "aiohttp", load.url, *numbers, str(load.folder / "aiohttp.json")]


def _read_aiohttp(folder: Path) -> Reported:
    said = json.loads((folder / "aiohttp.json").read_text())
    return Reported(said["ttft_ms"], said["gap_ms"])


PEERS: Final = (
    Peer("vllm bench serve", "vllm", _vllm, _read_vllm),
    Peer("aiperf", "aiperf", _aiperf, _read_aiperf),
    Peer("guidellm", "guidellm", _guidellm, _read_guidellm),
    Peer("aiohttp, plain", "python", _aiohttp, _read_aiohttp, needs="aiohttp"),
)


def write_tokenizer(folder: Path) -> Path:
    """Write a tokenizer of 256 words that the peers can load without a network."""
    words = [f"w{number}" for number in range(254)]
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<eos>", *words])}
    special = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    added = [
        {"id": number, "content": word, "special": True, **special}
        for number, word in enumerate(("<unk>", "<eos>"))
    ]
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "post_processor": None,
        "decoder": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "eos_token": "<eos>",
        "chat_template": "{% for m in messages %}{{ m['content'] }} {% endfor %}",
        "model_max_length": 1 << 20,
    }
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder


def plain(url: str, streams: int, requests: int, tokens: int, out: Path) -> None:
    """Be the plain client: aiohttp as its documentation shows it, on uvloop where there is one."""
    import asyncio
    import contextlib
    from time import perf_counter

    import aiohttp

    body = {
        "model": MODEL,
        "stream": True,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "hi"}],
    }
    ttft_ms: list[float] = []
    gap_ms: list[float] = []
    left = iter(range(requests))

    async def stream(session: Any) -> None:
        for _ in left:
            begun = perf_counter()
            stamps = []
            async with session.post(url + ROUTE, json=body) as response:
                async for data in response.content.iter_any():
                    now = perf_counter()
                    stamps += [now] * data.count(b'"content":" one"')
                    stamps += [now] * data.count(b'"content": " one"')
            ttft_ms.append(1e3 * (stamps[0] - begun))
            gap_ms.extend(1e3 * (late - early) for early, late in pairwise(stamps))

    async def everything() -> None:
        unlimited = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=unlimited) as session:
            await asyncio.gather(*(stream(session) for _ in range(streams)))

    runner: Any = asyncio.run
    with contextlib.suppress(ImportError):
        import uvloop

        runner = uvloop.run
    runner(everything())
    out.write_text(json.dumps({"ttft_ms": ttft_ms, "gap_ms": gap_ms}))


if __name__ == "__main__":
    _, _, address, *counts, file = sys.argv
    many, count, length = map(int, counts)
    plain(address, many, count, length, Path(file))
