"""What a repository offers, grouped as people think of it: one variant is one quant, all shards.

Pure: from a list of files to variants. Every glob is applied to every file here, so that no door
can forget one. Not aware of sockets. Naming rules: llama.cpp's `llama_split_path` for GGUF, and
`*.index.json` beside `*-00001-of-00003.safetensors` for safetensors.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias, final

from steelyard.models.hub import names

DigestKind: TypeAlias = Literal["sha256", "git-sha1"]

_SHARD: Final = re.compile(
    r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.(?P<end>gguf|safetensors)$"
)
# Beside safetensors an engine needs the rest of the folder; beside GGUF nothing.
_COMPANIONS: Final = (
    *("config.json", "generation_config.json", "tokenizer*", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.*", "merges.txt", "*.jinja", "chat_template*", "*.model"),
    *("quantize_config.json", "quantization_config.json", "preprocessor_config.json"),
    *("processor_config.json", "*.index.json", "modeling_*.py", "configuration_*.py"),
)


@final
@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository: its path there, its bytes, and the digest that it must have."""

    path: str
    size_bytes: int
    digest: str
    kind: DigestKind = "sha256"


@final
@dataclass(frozen=True, slots=True)
class RemoteVariant:
    """One quant of a repository: its weight files in order, and what an engine needs beside them.

    `absent` counts the shards that the names announce and the repository does not hold.
    """

    label: str
    format: Literal["gguf", "safetensors"]
    claim: names.Claim
    files: tuple[RemoteFile, ...]
    companions: tuple[RemoteFile, ...] = ()
    absent: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights and of what comes with them."""
        return sum(file.size_bytes for file in (*self.files, *self.companions))


@final
@dataclass(frozen=True, slots=True)
class Globs:
    """Which files count: those that fit one of `include` (all, if none) and none of `exclude`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def keep(self, path: str) -> bool:
        """Whether the file of that path counts; a glob fits its whole path or its name alone."""
        if self.include and not _fits(path, self.include):
            return False
        return not _fits(path, self.exclude)


@final
@dataclass(frozen=True, slots=True)
class Offer:
    """The variants of a repository, most bytes first, and its other files."""

    variants: tuple[RemoteVariant, ...]
    others: tuple[RemoteFile, ...]


def offer(files: Sequence[RemoteFile], repo: str, revision: str, globs: Globs) -> Offer:
    """Group the files of a repository that the globs keep."""
    kept = [file for file in files if globs.keep(file.path)]
    weights = [
        file
        for file in kept
        if file.path.endswith((".gguf", ".safetensors")) and names.role(file.path) is None
    ]
    groups: dict[str, list[RemoteFile]] = {}
    for file in sorted(weights, key=lambda file: file.path):
        groups.setdefault(_group(file.path), []).append(file)
    # A folder holds one model's companions even where somebody asked for its weights alone.
    around = [file for file in files if not _fits(file.path, globs.exclude)]
    variants = [_variant(found, around, repo, revision) for found in groups.values()]
    taken = {file.path for one in variants for file in (*one.files, *one.companions)}
    ordered = sorted(_told_apart(variants), key=lambda one: (-one.size_bytes, one.label))
    others = tuple(file for file in kept if file.path not in taken)
    return Offer(tuple(ordered), others)


def _variant(
    files: list[RemoteFile], around: Iterable[RemoteFile], repo: str, revision: str
) -> RemoteVariant:
    first = files[0].path
    match = _SHARD.match(first)
    absent = int(match["count"]) - len(files) if match else 0
    if first.endswith(".gguf"):
        claim = names.of_gguf(first)
        return RemoteVariant(claim.label, "gguf", claim, tuple(files), absent=absent)
    claim = names.of_repository(repo, revision)
    folder = PurePosixPath(first).parent
    beside = tuple(
        file
        for file in around
        if PurePosixPath(file.path).parent == folder and _fits(file.path, _COMPANIONS)
    )
    label = claim.label if claim.label != "?" else "as-published"
    return RemoteVariant(label, "safetensors", claim, tuple(files), beside, absent)


def _told_apart(variants: Sequence[RemoteVariant]) -> list[RemoteVariant]:
    """Give a variant its file's name where two carry the same label or none."""
    labels = [one.label.upper() for one in variants]
    return [
        replace(one, label=_stem(one.files[0].path))
        if one.label == "?" or labels.count(one.label.upper()) > 1
        else one
        for one in variants
    ]


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    match = _SHARD.match(name)
    return match["stem"] if match else name.rpartition(".")[0]


def _group(path: str) -> str:
    match = _SHARD.match(path)
    return f"{match['stem']}-of-{match['count']}.{match['end']}" if match else path


def _fits(path: str, patterns: Iterable[str]) -> bool:
    name = PurePosixPath(path).name
    return any(
        fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern)
        for pattern in patterns
    )
