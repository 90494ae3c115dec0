"""How long a scan of many models takes: 500 of them, with vocabularies of the size of real ones.

`python benchmarks/scan.py [--files 500] [--tokens 128000] [--families 25]` makes sparse files whose
headers are those of models (a GGUF in two of three, a folder of safetensors in the third), scans
them cold and warm, and prints the times beside the least that reading the same bytes takes. Files
of one family share a vocabulary, as the quants of one model do.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from steelyard.models import gguf
from steelyard.models.stores import duplicates, scanning
from steelyard.models.stores.folder import FolderStore

LAYERS, WIDTH, FEED = 32, 4096, 11008
T = TypeVar("T")


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--files", type=int, default=500)
    flags.add_argument("--tokens", type=int, default=128_000)
    flags.add_argument("--families", type=int, default=25)
    options = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = list(make(root, options.files, options.tokens, options.families))
        headers = sum(size for _, size in paths)
        print(
            f"{len(paths)} models, {headers / 1e6:.0f} MB of headers, {options.tokens} tokens each"
        )
        for path, _ in paths:
            drop(path)
        cold, cold_s = timed(lambda: scanning.scan([FolderStore(folder)]))
        gguf.forget()
        warm, warm_s = timed(lambda: scanning.scan([FolderStore(folder)]))
        assert len(cold.found) == len(warm.found) == options.files, cold.unusable[:3]
        _, read_s = timed(lambda: [head(path, size) for path, size in paths])
        same, same_s = timed(lambda: duplicates.find(warm.files()))
        for what, seconds in (("not in memory", cold_s), ("in memory", warm_s)):
            each = 1e3 * seconds / len(paths)
            print(f"scan, files {what:<15}{seconds:7.2f} s  {each:6.1f} ms a model")
        print(f"reading the same bytes     {read_s:7.2f} s")
        print(f"duplicates, told cheaply   {same_s:7.2f} s  {len(same)} groups")


def make(root: Path, count: int, tokens: int, families: int) -> Iterator[tuple[Path, int]]:
    """Write the files; yield each with the bytes of its header."""
    family, vocabulary = -1, b""
    for number in range(count):
        if number * families // count != family:
            family = number * families // count
            vocabulary = texts(f"{family}t", tokens) + texts(f"{family}m", 2 * tokens)
        if number % 3 == 2:
            yield soft(root / f"family{family:02}" / f"soft{number:03}")
        else:
            yield hard(root / f"family{family:02}" / f"model{number:03}.gguf", vocabulary)


def texts(mark: str, count: int) -> bytes:
    """Return an array of texts as GGUF has it, with the key before it."""
    words = (f"{mark}{number}".encode() for number in range(count))
    kind = "tokens" if mark.endswith("t") else "merges"
    body = b"".join(struct.pack("<Q", len(word)) + word for word in words)
    return name(f"tokenizer.ggml.{kind}") + struct.pack("<IIQ", 9, 8, count) + body


def name(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def tensors() -> Iterator[tuple[str, int, int]]:
    yield "token_embd.weight", WIDTH, 32_000
    for layer in range(LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{layer}.{part}.weight", WIDTH, WIDTH
        for part in ("ffn_gate", "ffn_up"):
            yield f"blk.{layer}.{part}.weight", WIDTH, FEED
        yield f"blk.{layer}.ffn_down.weight", FEED, WIDTH
        for part in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{part}.weight", WIDTH, 1


def hard(path: Path, vocabulary: bytes) -> tuple[Path, int]:
    path.parent.mkdir(exist_ok=True)
    keys = name("general.architecture") + struct.pack("<I", 8) + name("llama")
    for key, value in (("block_count", LAYERS), ("embedding_length", WIDTH)):
        keys += name(f"llama.{key}") + struct.pack("<II", 4, value)
    rows, at = b"", 0
    every = list(tensors())
    for title, columns, lines in every:
        rows += name(title) + struct.pack("<IQQIQ", 2, columns, lines, 1, at)
        at += 2 * columns * lines
    head = b"GGUF" + struct.pack("<IQQ", 3, len(every), 5) + keys + vocabulary + rows
    return sparse(path, head + bytes(-len(head) % 32), at)


def soft(folder: Path) -> tuple[Path, int]:
    folder.mkdir(parents=True)
    table, at = {}, 0
    for title, columns, lines in tensors():
        end = at + 2 * columns * lines
        entry = {"dtype": "BF16", "shape": [lines, columns], "data_offsets": [at, end]}
        table[title], at = entry, end
    config = {"model_type": "llama", "hidden_size": WIDTH, "num_hidden_layers": LAYERS}
    (folder / "config.json").write_text(json.dumps(config))
    head = json.dumps(table).encode()
    return sparse(folder / "model.safetensors", struct.pack("<Q", len(head)) + head, at)


def sparse(path: Path, head: bytes, data: int) -> tuple[Path, int]:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + data)
    return path, len(head)


def drop(path: Path) -> None:
    """Ask the system to forget a file's bytes, so that they are read from disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def head(path: Path, size: int) -> int:
    with path.open("rb") as file:
        return len(file.read(size))


def timed(call: Callable[[], T]) -> tuple[T, float]:
    started_ns = time.monotonic_ns()
    found = call()
    return found, (time.monotonic_ns() - started_ns) * 1e-9


if __name__ == "__main__":
    main()
