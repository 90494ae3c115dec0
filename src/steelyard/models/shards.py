"""One model may be several files (`…-00001-of-00003.gguf`): find them all, and read them as one.

Not aware of what the tensors mean. The naming rule is llama.cpp's `llama_split_path`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.domain.errors import UnreadableModel
from steelyard.models import gguf

_SHARD: Final = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
_SPLIT_COUNT: Final = "split.count"


@final
@dataclass(frozen=True, slots=True)
class Model:
    """The headers of one model, in shard order; the first carries the metadata."""

    shards: tuple[gguf.Header, ...]

    @property
    def head(self) -> gguf.Header:
        """The header with the metadata."""
        return self.shards[0]

    @property
    def path(self) -> Path:
        """The file that an engine is pointed at."""
        return self.shards[0].path

    @property
    def file_bytes(self) -> int:
        """Bytes of all files."""
        return sum(shard.file_bytes for shard in self.shards)

    def tensors(self) -> Iterator[tuple[Path, gguf.Tensor]]:
        """Yield every tensor with the file it lies in."""
        for shard in self.shards:
            for tensor in shard.tensors:
                yield shard.path, tensor


def files_of(path: Path) -> tuple[Path, ...]:
    """Return all files of the model that `path` is a file of, in order; one of them is usual."""
    match = _SHARD.match(path.name)
    if match is None:
        return (path,)
    count, stem = int(match["count"]), match["stem"]
    if not 1 <= int(match["number"]) <= count:
        raise gguf.unreadable(path, f"its name says it is shard {match['number']} of {count}")
    return tuple(
        path.with_name(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)
    )


def stem_of(path: Path) -> str:
    """Return a model's name: its file's without number and ending."""
    match = _SHARD.match(path.name)
    return match["stem"] if match else path.stem


def read_model(path: Path) -> Model:
    """Read all headers of a model; raise `UnreadableModel` if one is missing or bad."""
    files = files_of(path)
    absent = [file.name for file in files if not file.exists()]
    if absent and len(files) > 1:
        raise UnreadableModel(
            f"{path.name} is one of {len(files)} files, and {', '.join(absent)} is not there",
            hint="put all shards of the model into one folder",
        )
    return joined(tuple(gguf.read(file) for file in files))


def joined(headers: tuple[gguf.Header, ...]) -> Model:
    """Check that headers make one model, and return it."""
    model = Model(headers)
    _check(model)
    return model


def _check(model: Model) -> None:
    announced = model.head.integer(_SPLIT_COUNT, 0)
    if announced not in (0, len(model.shards)):
        raise gguf.unreadable(
            model.path, f"it says that it is one of {announced} files, its name says otherwise"
        )
    names = [tensor.name for _, tensor in model.tensors()]
    if not names:
        raise gguf.unreadable(model.path, "it holds no tensor")
    if len(set(names)) != len(names):
        raise gguf.unreadable(model.path, "two of its shards hold the same tensor")
