"""Files and folders that are wrong in one way each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.llamalib import tiny
from tests.models import forged

from steelyard.models import ladder

TERA = 1 << 40


def empty(path: Path) -> Path:
    """A file without a byte."""
    path.write_bytes(b"")
    return path


def letter(path: Path) -> Path:
    """A file that is text."""
    path.write_text("Dear Sir or Madam,\n" * 20)
    return path


def pointer(path: Path) -> Path:
    """What a clone without large files holds."""
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    return path


def cut(path: Path, source: Path, share: float) -> Path:
    """The beginning of a good file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def liar(path: Path) -> Path:
    """A header that announces more metadata than any file has."""
    path.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16)
    return path


def far_tensor(path: Path) -> Path:
    """A header with one tensor far beyond the end of the file."""
    row = forged.row("token_embd.weight", (4096, 1 << 30), 1, 0)
    path.write_bytes(forged.whole(forged.ARCH, rows=(row,), data=b"\0" * 64))
    return path


def narrow(path: Path, width: int) -> Path:
    """A model whose rows have `width` weights."""
    shape = tiny.Shape(width=width, feed_forward=2 * width, context=4096)
    return tiny.write(path, shape)


def vast(path: Path, size: int) -> Path:
    """A model of `size` bytes of F16 weights that takes no room: the file is a hole."""
    columns = 1 << 14
    rows = size // (2 * columns)
    entries = (
        forged.ARCH,
        *(forged.key(f"llama.{name}", 4, number.to_bytes(4, "little")) for name, number in _LLAMA),
        forged.key("general.file_type", 4, (1).to_bytes(4, "little")),
    )
    head = forged.whole(*entries, rows=(forged.row("blk.0.ffn_up.weight", (columns, rows), 1, 0),))
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(len(head) + 2 * columns * rows)
    return path


_LLAMA = (
    *(("context_length", 8192), ("embedding_length", 1 << 14), ("block_count", 1)),
    *(("attention.head_count", 64), ("attention.head_count_kv", 8), ("vocab_size", 32000)),
)


def quantised(path: Path, source: Path) -> Path:
    """A file that has lost bits already."""
    return ladder.quantise(source, "Q8_0", path)


def spec(path: Path, changes: Mapping[str, Any]) -> Path:
    """A RunSpec with some of its keys changed."""
    base: dict[str, Any] = {
        "subject": {"artifact": {"name": "x", "format": "gguf", "sha256": "ab" * 32}},
        "tasks": [{"family": "reading", "items": 2}],
    }
    path.write_text(json.dumps({**base, **changes}))
    return path
