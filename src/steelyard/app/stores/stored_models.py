"""`models list`, `models scan`, `models copy`, `models index`, and names of models in stores.

One scan serves the short list and the thorough one. Not aware of terminals: text goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, final

from steelyard.app.stores import stored_texts
from steelyard.app.stores.stored_texts import shown
from steelyard.domain.errors import BadInput, UnknownName
from steelyard.domain.progress import Advanced, Emit, PhaseEnded, PhaseStarted
from steelyard.models import artifacts
from steelyard.models.hub import ollama
from steelyard.models.stores import duplicates, http_index, local, scanning
from steelyard.models.stores.api import Details, Entry, Store
from steelyard.models.stores.folder import FolderStore
from steelyard.models.stores.http_store import HttpStore
from steelyard.models.stores.ollama_store import OllamaStore
from steelyard.models.stores.scanning import Found
from steelyard.platform import atomic, clock

BUNDLED: Final = "bundled"
OLLAMA: Final = "ollama:"
_HUB: Final = "hf:"
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What `models scan` was asked for: folders and addresses, or nothing for the usual places."""

    places: tuple[str, ...]
    hashed: bool = False
    plain_http: bool = False


@final
@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What `models copy` was asked for."""

    model: str
    out: Path
    plain_http: bool = False


def list_text(folders: Sequence[Path], *, as_json: bool) -> str:
    """List the models in some folders, or in the usual places, with the broken files and why."""
    stores = _stores([str(folder) for folder in folders], plain_http=False)
    scanned = scanning.scan(stores, named=bool(folders))
    found = [(str(one.entry.path), one.details.facts) for one in scanned.found]
    bundled = Path(str(files("steelyard.bundled") / "base.gguf"))
    if not folders and bundled.exists():
        found.insert(0, (str(bundled), artifacts.inspect(bundled)))
    if as_json:
        rows = [{"path": path, **stored_texts.table(facts)} for path, facts in found]
        return stored_texts.document({"models": rows, "broken": stored_texts.broken(scanned)})
    return "\n".join(stored_texts.listed(found, scanned))


def scan_text(request: ScanRequest, emit: Emit, *, as_json: bool) -> str:
    """Look through stores: what each model is, what holds the same bytes, and what is broken."""
    started_ns = clock.monotonic_ns()
    stores = _stores(request.places, plain_http=request.plain_http)
    scanned = scanning.scan(stores, named=bool(request.places))
    verified = duplicates.verify(scanned.files(), _hashing(emit)) if request.hashed else None
    same = duplicates.find(scanned.files(), verified.digests if verified else None)
    seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    if as_json:
        return stored_texts.document(stored_texts.report(scanned, same, verified))
    return "\n".join(stored_texts.lines(scanned, same, verified, seconds))


def copy_text(request: CopyRequest, emit: Emit) -> str:
    """Take a model out of a store into a folder: whole, verified, under a name of its own."""
    store, entry = _one(request)
    started_ns = clock.monotonic_ns()
    emit(PhaseStarted("copying", entry.size_bytes >> 20 or None, shown(entry.name)))
    path = store.fetch(
        entry, request.out, lambda done, _total: emit(Advanced("copying", done >> 20))
    )
    emit(PhaseEnded("copying", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
    return shown(str(path))


def index_text(folder: Path, emit: Emit) -> str:
    """Hash the models below a folder and write the index that makes it an HTTP store."""
    folder = folder.expanduser()
    listing = FolderStore(str(folder)).list()
    if not listing.entries:
        raise BadInput(f"{folder} holds no model", hint="name the folder that is to be served")
    every = [file for entry in listing.entries for file in (*entry.files, *entry.beside)]
    hashing = _hashing(emit)
    digests = {file.path: hashing(file.path) for file in every if file.path is not None}
    path = folder / http_index.NAME
    atomic.write(path, http_index.write(listing.entries, folder, digests).encode())
    lines = [f"{shown(str(path))}: {len(listing.entries)} models, {len(every)} files"]
    lines += [f"! {shown(one.where)}: {shown(one.why)}" for one in listing.unusable]
    return "\n".join(lines)


def named(name: str) -> tuple[Found, ...]:
    """Return what a name means among the models in the stores of this machine.

    `ollama:NAME[:TAG]` means Ollama's store; others are looked for everywhere: a file's name, a
    name and quant, Ollama's name and tag, a repository and quant. Raises `UnknownName`.
    """
    if name.startswith(OLLAMA):
        return _in_ollama(name.removeprefix(OLLAMA))
    every = [*scanning.entries(scanning.usual())]
    exact = [pair for pair in every if _is(pair[1], name)]
    if exact:
        return tuple(_looked(exact))
    wanted, _, quant = name.partition(":")
    near = [pair for pair in every if quant and _begins(pair[1], wanted)]
    found = tuple(one for one in _looked(near) if one.details.facts.quant == quant)
    if not found:
        known = {BUNDLED, *(label for _, entry in every for label in _short(entry))}
        raise UnknownName.among("model", name, known)
    return found


def several(name: str, found: Sequence[Found]) -> BadInput:
    """Return the error for a name that means more than one model, or nothing that can run."""
    if not found:
        return BadInput(f"{name} is no language model", hint="name another")
    where = ", ".join(shown(str(one.entry.path)) for one in found)
    return BadInput(f"{name} means {len(found)} models: {where}", hint="name the file itself")


def _in_ollama(text: str) -> tuple[Found, ...]:
    store, wanted = OllamaStore(None), ollama.parse(text).shown
    entries = store.list().entries
    fits = [(store, entry) for entry in entries if wanted in _names(entry)]
    if not fits:
        known = ", ".join(name for entry in entries for name in _names(entry)) or "nothing"
        raise BadInput(
            f"{wanted} is not in the Ollama store at {store.where}",
            hint=f"`steelyard models pull {OLLAMA}{wanted}` fetches it; it holds {known}",
        )
    return tuple(_looked(fits))


def _stores(asked: Sequence[str], *, plain_http: bool) -> tuple[Store, ...]:
    if not asked:
        return scanning.usual()
    return tuple(
        HttpStore(place, plain_http=plain_http) if "://" in place else FolderStore(place)
        for place in asked
    )


def _one(request: CopyRequest) -> tuple[Store, Entry]:
    """Return the entry that is to be copied, and the store that has it."""
    if "://" not in request.model:
        found = named(request.model.removeprefix(_HUB))
        if len(found) != 1:
            raise several(request.model, found)
        return found[0].store, found[0].entry
    where, _, name = request.model.partition("#")
    store = HttpStore(where, plain_http=request.plain_http)
    entries = {entry.name: entry for entry in store.list().entries}
    if name not in entries:
        raise UnknownName.among(f"model at {store.where}", name, entries)
    return store, entries[name]


def _looked(pairs: Iterable[tuple[Store, Entry]]) -> Iterator[Found]:
    """Look into entries; those that are no language models are left out."""
    for store, entry in pairs:
        look = store.look(entry)
        if isinstance(look, Details):
            yield Found(store, entry, look)


def _names(entry: Entry) -> tuple[str, ...]:
    return (entry.name, *entry.aliases)


def _short(entry: Entry) -> tuple[str, ...]:
    """Return the names that people type: without folders for a file, as they stand elsewhere."""
    if entry.store == "folder":
        return tuple(name.rpartition("/")[2] for name in _names(entry))
    return _names(entry)


def _is(entry: Entry, name: str) -> bool:
    if name in _names(entry) or name in _short(entry):
        return True
    if entry.store == "ollama":
        return f"{name}:latest" in _names(entry)
    if entry.store != "huggingface":
        return False
    stem = entry.files[0].name.removesuffix(".gguf")
    return name == entry.name.rpartition("/")[2] or (entry.format == "gguf" and name == stem)


def _begins(entry: Entry, wanted: str) -> bool:
    stems = [*_short(entry), entry.files[0].name]
    return entry.store != "ollama" and any(stem.startswith(wanted) for stem in stems)


def _hashing(emit: Emit) -> Callable[[Path], str]:
    def hashed(path: Path) -> str:
        started_ns = clock.monotonic_ns()
        size = path.stat().st_size if path.exists() else 0
        emit(PhaseStarted("hashing", size >> 20 or None, shown(path.name)))
        digest = local.sha256_of(path, lambda done, _total: emit(Advanced("hashing", done >> 20)))
        emit(PhaseEnded("hashing", (clock.monotonic_ns() - started_ns) / _NS_PER_S))
        return digest

    return hashed
