"""The index of an HTTP store: written for a folder, and read with nothing in it believed.

A path may lead only below the index, a file without a sha256 is no entry, and a model that is told
badly hides no other. Not aware of sockets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from steelyard.domain.errors import BadInput
from steelyard.models import safetensors
from steelyard.models.stores import local
from steelyard.models.stores.api import Entry, Listing, StoredFile, Unusable

NAME: Final = "index.json"
_MARK: Final = "steelyard_store"
_VERSION: Final = 1
_FORMATS: Final = ("gguf", "safetensors")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_PATH: Final = 512


def write(entries: Sequence[Entry], root: Path, digests: Mapping[Path, str]) -> str:
    """Return the index of models that lie below `root`; `digests` are of all their files."""
    models = [
        {
            "name": entry.name,
            "format": entry.format,
            "files": [
                {
                    "path": file.path.relative_to(root).as_posix(),
                    "size": file.size_bytes,
                    "sha256": digests[file.path],
                }
                for file in (*entry.files, *entry.beside)
                if file.path is not None
            ],
        }
        for entry in entries
    ]
    return json.dumps({_MARK: _VERSION, "models": models}, indent=1) + "\n"


def read(raw: bytes, where: str) -> Listing:
    """Return what an index lists; raise `BadInput` for what is none."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("models"), list):
        raise BadInput(
            f"{where} is no index of models: no JSON with a list of models",
            hint="`steelyard models index` writes one for a folder",
        )
    if found.get(_MARK) != _VERSION:
        raise BadInput(
            f"{where} is of version {found.get(_MARK)!r}, not {_VERSION}",
            hint="a newer Steelyard may read it",
        )
    entries: dict[str, Entry] = {}
    unusable: list[Unusable] = []
    for number, model in enumerate(found["models"]):
        with local.telling(unusable, f"{where} model {number}"):
            entry = _entry(model)
            if entry.name in entries:
                raise BadInput(f"the name {entry.name!r} stands in it twice")
            entries[entry.name] = entry
    return Listing(tuple(entries[name] for name in sorted(entries)), tuple(unusable))


def here(file: StoredFile) -> StoredFile:
    """Return a file under the name that it gets on this machine."""
    return replace(file, name=name_here(file))


def name_here(file: StoredFile) -> str:
    """Return a file's name without the server's folders."""
    return PurePosixPath(file.name).name


def _entry(raw: Any) -> Entry:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not raw["name"]:
        raise BadInput("it has no name")
    if raw.get("format") not in _FORMATS or not isinstance(raw.get("files"), list):
        raise BadInput(f"{raw['name']!r} names no files, or no format of {', '.join(_FORMATS)}")
    files = tuple(_file(one) for one in raw["files"])
    weights = tuple(file for file in files if file.name.endswith((".gguf", safetensors.SUFFIX)))
    beside = tuple(file for file in files if file not in weights)
    if not weights or len({name_here(file) for file in files}) != len(files):
        raise BadInput(f"{raw['name']!r} names no weights, or one file twice")
    return Entry("http", raw["name"], raw["format"], weights, beside)


def _file(raw: Any) -> StoredFile:
    path = raw.get("path") if isinstance(raw, dict) else None
    if not isinstance(path, str) or not _below(path):
        raise BadInput(f"{path!r} is no path below the index")
    size, digest = raw.get("size"), raw.get("sha256")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadInput(f"{path} has no size")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise BadInput(f"{path} has no sha256, so that nobody could tell whether it is right")
    return StoredFile(path, size, None, digest)


def _below(path: str) -> bool:
    """Whether a path leads below its index: plain names, none hidden, none that climbs."""
    parts = path.split("/")
    plain = path.isprintable() and "\\" not in path and len(path) <= _MOST_PATH
    return plain and ":" not in parts[0] and all(p and not p.startswith(".") for p in parts)
