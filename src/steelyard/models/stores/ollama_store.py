"""Models in Ollama's own store: a manifest for each name and tag, and blobs named by sha256.

One blob under several tags is one entry with several names. A blob's name is a claim, until
somebody hashes it. Ollama's template, parameters and system text replace what the file says while
Ollama runs it, so they stand beside its facts. Reads no weights. Sources: `server/manifest.go`,
`server/modelpath.go` and `server/images.go` of ollama (layout, media types).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias, final

from steelyard.domain.errors import BadInput, UnreadableModel
from steelyard.models import disk
from steelyard.models.hub import ollama
from steelyard.models.stores import local, places
from steelyard.models.stores.api import Entry, Listing, Look, Progress, StoredFile, Unusable
from steelyard.models.stores.folder import stored

Layer: TypeAlias = tuple[str, str, int]  # kind, digest, size

_DIGEST: Final = re.compile(r"sha256[:-]([0-9a-f]{64})")
_KIND: Final = re.compile(r"application/vnd\.ollama\.image\.([a-z]+)")
_TEXTS: Final = frozenset({"template", "system", "params", "license", "messages"})
_BESIDE: Final = frozenset({"projector", "adapter"})
_MAKES: Final = frozenset({"model", "projector", "adapter", "template", "system", "params"})
_MOST_MANIFEST: Final = 4 << 20
_MOST_TEXT: Final = 1 << 20
_DEPTH: Final = 4
_PART: Final = "-partial"


@final
class OllamaStore:
    """Ollama's store."""

    name: Final = "ollama"

    def __init__(self, where: str | None) -> None:
        self._root = places.ollama_store() if where is None else Path(where).expanduser()

    @property
    def where(self) -> str:
        """The store's folder."""
        return str(self._root)

    def list(self) -> Listing:
        """Return the models of all manifests, by `NAME:TAG`."""
        if not (self._root / "manifests").is_dir():
            raise BadInput(
                f"there is no Ollama store at {self._root}", hint="OLLAMA_MODELS says where it is"
            )
        found = _Found(self._root)
        found.manifests()
        found.rest()
        return Listing(
            tuple(sorted(found.entries.values(), key=lambda entry: entry.name)),
            tuple(sorted(found.unusable, key=lambda one: one.where)),
        )

    def look(self, entry: Entry) -> Look:
        """Read the headers of an entry, and the texts that Ollama keeps beside it."""
        return local.look(entry, self._said(entry))

    def locate(self, entry: Entry) -> Path:
        """Return the blob that holds the weights."""
        return local.located(entry)

    def fetch(self, entry: Entry, folder: Path, progress: Progress | None = None) -> Path:
        """Copy an entry out of the store, under a name that other engines take."""
        return local.fetch(entry, folder, progress)

    def _said(self, entry: Entry) -> Mapping[str, Any]:
        said: dict[str, Any] = {}
        for kind, digest in entry.origin.items():
            path = self._root / "blobs" / f"sha256-{digest}"
            try:
                with path.open("rb") as file:
                    text = file.read(_MOST_TEXT).decode("utf-8", "replace")
            except OSError as error:
                said[kind] = f"cannot be read: {error.strerror}"
                continue
            said[kind] = _json(text) if kind in ("params", "messages") else text
        return said


def name_of(blob: Path) -> str | None:
    """Return the name under which the weights in a blob of a store are handed out, or None."""
    if _DIGEST.fullmatch(blob.name) is None or blob.parent.name != "blobs":
        return None
    found = _Found(blob.parent.parent)
    found.manifests()
    names = (entry.files[0].name for entry in found.entries.values() if entry.path == blob)
    return next(names, None)


@final
@dataclass(slots=True)
class _Found:
    """What was come upon, the entries by the layers that make them."""

    root: Path
    entries: dict[tuple[str, ...], Entry] = field(default_factory=dict)
    unusable: list[Unusable] = field(default_factory=list)
    named: set[str] = field(default_factory=set)

    def manifests(self) -> None:
        """Read every manifest."""
        home = self.root / "manifests"
        for path in sorted(home.glob("/".join("*" * _DEPTH))):
            if path.name.startswith(".") or path.is_dir():
                continue
            with local.telling(self.unusable, path):
                self._add(_shown(path.relative_to(home).parts), _manifest(path))

    def rest(self) -> None:
        """Tell of downloads that broke off, and of blobs that no manifest names."""
        # Whose the blobs are that no manifest names, a broken manifest may know.
        orphans, broken = [], bool(self.unusable)
        for path in sorted((self.root / "blobs").glob("sha256*")):
            match = _DIGEST.match(path.name)
            if match is None or not path.is_file():
                continue
            if path.name.endswith(_PART):
                self.unusable.append(Unusable(str(path), "a download of Ollama's broke off"))
            elif path.name == f"sha256-{match[1]}" and match[1] not in self.named:
                orphans.append(path)
        if orphans and not broken:
            size = disk.size(sum(path.stat().st_size for path in orphans))
            what = "1 blob" if len(orphans) == 1 else f"{len(orphans)} blobs"
            why = f"no manifest names {what} ({size}): Ollama prunes them when it starts"
            self.unusable.append(Unusable(str(self.root / "blobs"), why))

    def _add(self, name: str, manifest: Mapping[str, Any]) -> None:
        layers = [*_layers(manifest)]
        self.named |= {digest for _, digest, _ in layers}
        weights = [layer for layer in layers if layer[0] == "model"]
        if len(weights) != 1:
            raise UnreadableModel(f"{name} {_no_file(layers, len(weights))}")
        stem = local.plain(name.replace(":", "-"))
        (_, digest, size), *_ = weights
        file = self._blob(name, digest, size, f"{stem}.gguf")
        beside = tuple(
            self._blob(name, digest, size, f"{stem}-{kind}{number or ''}.gguf")
            for number, (kind, digest, size) in enumerate(_of(layers, _BESIDE))
        )
        for kind, digest, size in _of(layers, _TEXTS):
            self._blob(name, digest, size, kind)
        origin = {kind: digest for kind, digest, _ in _of(layers, _TEXTS)}
        entry = Entry("ollama", name, "gguf", (file,), beside, file.path, origin)
        # The same weights with another template or other parameters are another model.
        key = tuple(sorted({digest for _, digest, _ in _of(layers, _MAKES)}))
        if first := self.entries.get(key):
            self.entries[key] = replace(first, aliases=(*first.aliases, name))
        else:
            self.entries[key] = entry

    def _blob(self, name: str, digest: str, size: int, shown: str) -> StoredFile:
        path = self.root / "blobs" / f"sha256-{digest}"
        if not path.exists():
            raise UnreadableModel(f"the manifest of {name} names a blob that is not there: {path}")
        file = stored(path, digest, shown)
        if file.size_bytes != size:
            raise UnreadableModel(
                f"a blob of {name} has {file.size_bytes} bytes, its manifest says {size}: {path}"
            )
        return file


def _no_file(layers: list[Layer], weights: int) -> str:
    if weights:
        return f"lies in {weights} blobs, which Ollama alone joins"
    if any(kind == "tensor" for kind, _, _ in layers):
        return "lies in single tensors, which only Ollama's own engine loads"
    return "has no weights: its manifest lists no model layer"


def _manifest(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        raw = file.read(_MOST_MANIFEST + 1)
    found = _json(raw.decode("utf-8", "replace")) if len(raw) <= _MOST_MANIFEST else None
    if not isinstance(found, dict) or not isinstance(found.get("layers"), list):
        raise UnreadableModel("it is no manifest: no JSON with a list of layers")
    return found


def _layers(manifest: Mapping[str, Any]) -> Iterator[Layer]:
    """Yield kind, digest and size of each layer; the config is one of them."""
    config = manifest.get("config")
    # An empty config stands for none, as older manifests have it.
    configs = [{**config, "mediaType": ""}] if isinstance(config, dict) and config else []
    for layer in (*manifest["layers"], *configs):
        if not isinstance(layer, dict):
            raise UnreadableModel("its manifest has a layer that is no table")
        match, size = _DIGEST.fullmatch(str(layer.get("digest", ""))), layer.get("size")
        if match is None or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise UnreadableModel("its manifest gives no digest or size for a layer")
        kind = _KIND.match(str(layer.get("mediaType", "")))
        yield kind[1] if kind else "other", match[1], size


def _of(layers: list[Layer], kinds: frozenset[str]) -> Iterator[Layer]:
    return (layer for layer in layers if layer[0] in kinds)


def _shown(parts: tuple[str, ...]) -> str:
    host, namespace, model, tag = parts
    return ollama.Name("https", host, namespace, model, tag).shown


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
