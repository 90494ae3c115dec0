"""An Ollama registry: the manifest of NAME:TAG and its blobs. Tags are `hub.ollama_tags`'.

Names are Ollama's: `[http://][HOST/][NAMESPACE/]MODEL[:TAG]`. Routes: `/v2/NAMESPACE/MODEL/
manifests/TAG` and `/blobs/DIGEST` of the distribution specification; layer types from
`server/images.go` of ollama.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import urlsplit

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Missing
from steelyard.models.hub import names, remedies, wire
from steelyard.models.hub.listing import Globs, Offer, RemoteFile, RemoteVariant
from steelyard.models.hub.patience import Patience, patiently
from steelyard.models.hub.remedies import Asked, Trouble
from steelyard.models.hub.remote import Access, Remote
from steelyard.models.hub.wire import Login

_HOST: Final = "registry.ollama.ai"
_SITE: Final = "https://ollama.com"
PART: Final = re.compile(r"[A-Za-z0-9_][\w.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_ACCEPT: Final = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
_MODEL: Final = "model"
_LAYER: Final = re.compile(r"application/vnd\.ollama\.image\.([a-z]+)")
_PARTS: Final = 3


@final
@dataclass(frozen=True, slots=True)
class Name:
    """A name as Ollama reads it."""

    scheme: str
    host: str
    namespace: str
    model: str
    tag: str
    tagged: bool = True  # whether it was written with its tag

    @property
    def shown(self) -> str:
        """The name as people write it."""
        host = "" if self.host == _HOST else f"{self.host}/"
        space = "" if self.namespace == "library" and not host else f"{self.namespace}/"
        return f"{host}{space}{self.model}:{self.tag}"

    @property
    def place(self) -> tuple[str, ...]:
        """Where its manifest lies in a store."""
        return (self.host, self.namespace, self.model, self.tag)


def parse(text: str) -> Name:
    """Read a name; raise `BadInput` for what is none."""
    scheme, _, rest = text.rpartition("://")
    path, colon, tag = rest.rpartition(":")
    tagged = bool(colon) and "/" not in tag
    if not tagged:
        path, tag = rest, "latest"
    parts = path.split("/")
    host = parts.pop(0) if len(parts) == _PARTS else _HOST
    namespace = parts.pop(0) if len(parts) > 1 else "library"
    model = "/".join(parts)
    good = all(PART.fullmatch(part) and ".." not in part for part in (namespace, model, tag))
    if not good or scheme not in ("", "https", "http") or not _host_fits(host):
        raise BadInput(
            f"{text!r} is no name of an Ollama model",
            hint="write NAME, NAME:TAG or NAMESPACE/NAME:TAG, as on its page",
        )
    return Name(scheme or "https", host, namespace, model, tag, tagged)


def store(env: Mapping[str, str]) -> Path:
    """Return the folder in which Ollama keeps its models."""
    named = env.get("OLLAMA_MODELS", "").strip()
    return Path(named).expanduser() if named else Path.home() / ".ollama" / "models"


@final
@dataclass(frozen=True, slots=True)
class Described:
    """What a manifest says: the bytes that it was, the config's digest, and the model in it."""

    raw: bytes
    config: str
    variant: RemoteVariant

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Every layer, the weights first."""
        return (*self.variant.files, *self.variant.companions)


def look(text: str, stall_s: float, patience: Patience) -> Remote:
    """Ask the registry about one name and tag; raise an error of ours for no good answer."""
    name = parse(text)
    at, asked = asked_of(name, stall_s)
    try:
        found = described(name, at, patience)
    except Trouble as trouble:
        raise remedies.error(trouble, asked) from None
    base = route(name, at)
    return Remote(
        hub="ollama",
        name=name.shown,
        revision=name.tag,
        commit=found.config,
        gated="no",
        private=False,
        access=Access("open", "anybody may fetch it"),
        files=found.files,
        licence=_licence(found.variant),
        login=at,
        asked=asked,
        url_of=lambda file: f"{base}/blobs/sha256:{file.digest}",
        offer=lambda globs: _offer(found.variant, globs),
        manifest=found.raw,
    )


def _licence(variant: RemoteVariant) -> Missing:
    """Say where the licence stands: Ollama gives its text and no name."""
    texts = [file.path for file in variant.companions if ".license" in file.path]
    if not texts:
        return Missing("not_told", "no layer holds a licence")
    return Missing("text_only", f"its text comes with the model ({len(texts)} layers)")


def asked_of(name: Name, stall_s: float) -> tuple[Login, Asked]:
    """Return where a name is asked for, and how messages speak of it."""
    at = Login(f"{name.scheme}://{name.host}", None, stall_s)
    page = f"{site(name, at)}/{name.namespace}/{name.model}"
    return at, Asked(name.shown, at.origin, with_token=False, page=page, hub="ollama")


def site(name: Name, at: Login) -> str:
    """Return where people look at a model: the registry itself, unless it is Ollama's own."""
    return _SITE if name.host == _HOST else at.origin


def route(name: Name, at: Login) -> str:
    """Return the address below which everything of a model lies."""
    return f"{at.origin}/v2/{name.namespace}/{name.model}"


def described(name: Name, at: Login, patience: Patience) -> Described:
    """Read the manifest of a tag and the config that it names; raise `Trouble` for nonsense."""
    path = route(name, at)
    url = f"{path}/manifests/{name.tag}"
    raw = patiently(lambda: wire.text(url, at, headers=_ACCEPT), patience)
    manifest = wire.read_json(raw, url)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("layers"), list):
        raise Trouble("nonsense", "the manifest lists no layers")
    layers = [one for one in manifest["layers"] if isinstance(one, dict)]
    stem = f"{name.model}-{name.tag}"
    weights = [one for one in layers if _kind(one) == _MODEL]
    files = [
        _file(one, f"{stem}{_shard(number, len(weights))}.gguf")
        for number, one in enumerate(weights, start=1)
    ]
    rest = [one for one in layers if _kind(one) != _MODEL]
    seen: dict[str, int] = {}
    beside = []
    for one in rest:
        kind = _kind(one)
        seen[kind] = seen.get(kind, 0) + 1
        number = "" if seen[kind] == 1 else f"-{seen[kind]}"
        end = ".gguf" if kind in ("projector", "adapter") else ""
        front = {"projector": "mmproj-", "adapter": "adapter-"}.get(kind, "")
        beside.append(_file(one, f"{front}{stem}{number}{end or '.' + kind}"))
    config = _file(manifest.get("config") or {}, f"{stem}.config.json")
    said = patiently(lambda: wire.document(f"{path}/blobs/sha256:{config.digest}", at), patience)
    claim = _claim(said, name.tag)
    label = claim.label if claim.label != "?" else name.tag
    unique = {file.digest: file for file in (config, *reversed(beside))}
    variant = RemoteVariant(label, "gguf", claim, tuple(files), tuple(unique.values()))
    return Described(raw, config.digest, variant)


def _offer(variant: RemoteVariant, globs: Globs) -> Offer:
    """Apply the globs to the layers."""
    if not variant.files:  # a model that runs at Ollama's own has no weights to fetch
        return Offer((), tuple(file for file in variant.companions if globs.keep(file.path)))
    kept = tuple(file for file in variant.files if globs.keep(file.path))
    beside = tuple(file for file in variant.companions if globs.keep(file.path))
    if len(kept) < len(variant.files):
        return Offer((), (*kept, *beside))
    return Offer(
        (RemoteVariant(variant.label, variant.format, variant.claim, kept, beside),),
        (),
    )


def _claim(config: Any, tag: str) -> names.Claim:
    """Return what the registry's own description claims, and where it is silent, the tag."""
    said = config.get("file_type") if isinstance(config, dict) else None
    if isinstance(said, str) and said and said.lower() != "unknown":
        return names.Claim(said.upper().replace("FP16", "F16"))
    return names.of_gguf(f"{tag}.gguf")


def _file(raw: Mapping[str, Any], path: str) -> RemoteFile:
    match, size = _DIGEST.fullmatch(str(raw.get("digest", ""))), raw.get("size")
    if match is None or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Trouble("nonsense", f"the manifest gives no digest or size for {path}")
    return RemoteFile(path, size, match[1])


def _kind(layer: Mapping[str, Any]) -> str:
    match = _LAYER.fullmatch(str(layer.get("mediaType", "")))
    return match[1] if match else "layer"


def _shard(number: int, count: int) -> str:
    return "" if count == 1 else f"-{number:05d}-of-{count:05d}"


def _host_fits(host: str) -> bool:
    try:
        parts = urlsplit(f"https://{host}")
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and parts.username is None and parts.netloc == host
