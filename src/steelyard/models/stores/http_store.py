"""Models on a plain web server: a JSON index, and files beside it that can be read from anywhere.

The index is `{"steelyard_store": 1, "models": [{"name", "format", "files": [{"path", "size",
"sha256"}]}]}`; paths are relative to it (docs/how-to/model-stores.md). Headers are read from the
beginning of a file and the rest is never sent; weights arrive through `hub.transfer`: resumed,
retried, hashed. Plain http is spoken to this machine only, unless somebody asked for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar, final
from urllib.parse import quote, urljoin, urlsplit

from steelyard.domain.errors import BadInput, HubRefused, SteelyardError, TransferFailed, WrongModel
from steelyard.models import disk, folders, gguf, safetensors, shards
from steelyard.models.hub import crew, wire
from steelyard.models.hub.crew import Job, Word
from steelyard.models.hub.landing import Folder
from steelyard.models.hub.listing import RemoteFile
from steelyard.models.hub.patience import Patience, patiently
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.transfer import Errand
from steelyard.models.hub.wire import Body, Login
from steelyard.models.stores import http_index, local
from steelyard.models.stores.api import Entry, Listing, Look, Progress, StoredFile

_MOST_SMALL: Final = 64 << 20
_SEVERAL: Final = 3
_T = TypeVar("_T")


@final
class HttpStore:
    """A store at an address. `plain_http` lets it be one that others on the way can read."""

    name: Final = "http"

    def __init__(
        self,
        where: str | None,
        *,
        plain_http: bool = False,
        stall_s: float = 30.0,
        retries: int = 3,
    ) -> None:
        if where is None:
            raise BadInput("an HTTP store needs its address", hint="name the address")
        self._index, origin = _address(where, plain_http=plain_http)
        self._plain_http, self._login = plain_http, Login(origin, None, stall_s)
        self._patience = Patience(retries=retries)

    @property
    def where(self) -> str:
        """The address of the index."""
        return self._index

    def list(self) -> Listing:
        """Fetch and read the index."""
        return http_index.read(self._ask(lambda: self._small(self._index)), self._index)

    def look(self, entry: Entry) -> Look:
        """Read the headers over the network; weights are not sent."""
        if entry.format == "gguf":
            headers = tuple(self._header(file, gguf.read_from) for file in entry.files)
            return local.gguf_look(shards.joined(headers))
        heads = tuple(self._header(file, safetensors.read_from) for file in entry.files)
        texts = {
            name: self._whole(file)
            for file in entry.beside
            if (name := http_index.name_here(file)) in folders.TOLD_BY
        }
        told = folders.Telling(Path(entry.name), texts)
        return local.folder_look(safetensors.together(heads, Path(entry.name)), told)

    def locate(self, entry: Entry) -> Path:
        """Refuse: nothing of it is on this machine."""
        raise BadInput(
            f"{entry.name} lies at {self._index}, not on this machine",
            hint="`steelyard models copy` fetches it into a folder",
        )

    def fetch(self, entry: Entry, folder: Path, progress: Progress | None = None) -> Path:
        """Fetch an entry's files: resumed, retried, and named when their bytes are right."""
        home = local.target(entry, folder)
        files = (*entry.files, *entry.beside)
        local.refuse_others(tuple(map(http_index.here, files)), home)
        jobs = [
            Job(Errand(_remote(file), self._url(file), self._login, self._patience))
            for file in files
            if not (home / http_index.name_here(file)).exists()
        ]
        total = sum(job.errand.file.size_bytes for job in jobs)
        disk.require(home, total, what=entry.name)

        def tell(_word: Word | None) -> None:
            if progress is not None:
                progress(sum(job.tally.done_bytes for job in jobs), total)

        if jobs:
            self._told(entry.name, lambda: crew.fetch_all(jobs, Folder(home), _SEVERAL, tell))
        first = home / http_index.name_here(entry.files[0])
        return home if entry.format == "safetensors" else first

    def _header(self, file: StoredFile, read: Callable[[Body, int, Path], _T]) -> _T:
        def once() -> _T:
            with self._opened(file) as body:
                return read(body, file.size_bytes, Path(file.name))

        return self._ask(once)

    @contextmanager
    def _opened(self, file: StoredFile) -> Iterator[Body]:
        """Yield a file's bytes from the first; what is not read is not waited for."""
        headers = {"Range": "bytes=0-"}
        with wire.opened(self._url(file), self._login, headers=headers) as answer:
            self._same_road(answer.url)
            whole = answer.headers.get("content-range", "").rpartition("/")[2]
            size = whole or answer.headers.get("content-length") or "*"
            if size not in ("*", str(file.size_bytes)):
                raise WrongModel(
                    f"{file.name} has {size} bytes, and the index says {file.size_bytes}",
                    hint=f"have the index made again: {self._index}",
                )
            yield Body(answer, self._login)
            wire.cut(answer)

    def _whole(self, file: StoredFile) -> bytes:
        def once() -> bytes:
            with self._opened(file) as body:
                return body.read(min(file.size_bytes, _MOST_SMALL))

        return self._ask(once)

    def _small(self, url: str) -> bytes:
        with wire.opened(url, self._login) as answer:
            self._same_road(answer.url)
            raw = Body(answer, self._login).read(_MOST_SMALL)
        if len(raw) >= _MOST_SMALL:
            raise Trouble("nonsense", f"an index of more than {_MOST_SMALL >> 20} MiB")
        return raw

    def _same_road(self, url: str) -> None:
        if not self._plain_http and not wire.private(url):
            raise Trouble("nonsense", "it leads to plain http, which anybody on the way can change")

    def _url(self, file: StoredFile) -> str:
        return urljoin(self._index, quote(file.name))

    def _ask(self, call: Callable[[], _T]) -> _T:
        return self._told(self._index, lambda: patiently(call, self._patience))

    def _told(self, what: str, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except Trouble as trouble:
            raise _error(what, self._login.origin, trouble) from None


def _address(where: str, *, plain_http: bool) -> tuple[str, str]:
    """Return the index's address and its origin; refuse what is no address that we speak to."""
    try:
        parts = urlsplit(where)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise BadInput(
            f"{where!r} is no address of a store", hint="write https://HOST/FOLDER/ or its index"
        )
    origin = f"{parts.scheme}://{parts.netloc}"
    if not plain_http and not wire.private(origin):
        raise BadInput(
            f"{origin} speaks plain http: anybody on the way can change what it says",
            hint="use https, or allow it with --plain-http",
        )
    path = parts.path
    index = path if path.endswith(".json") else f"{path.rstrip('/')}/{http_index.NAME}"
    return f"{origin}{index}", origin


def _remote(file: StoredFile) -> RemoteFile:
    if file.sha256 is None:
        raise BadInput(f"{file.name} has no sha256 in the index")
    return RemoteFile(http_index.name_here(file), file.size_bytes, file.sha256)


def _error(what: str, origin: str, trouble: Trouble) -> SteelyardError:
    if trouble.problem in ("network", "server", "rate_limit"):
        return TransferFailed(
            f"{what}: {origin} did not serve it: {trouble.words}",
            hint="run the same command again; what has arrived is kept",
        )
    if trouble.problem == "wrong_bytes":
        return TransferFailed(
            f"{what}: {origin} sent other bytes than its index promises: {trouble.words}",
            hint="nothing of it was kept; have the index or the file mended",
        )
    return HubRefused(
        f"{what}: {origin} does not serve it: {trouble.words}",
        hint="check the address; the index stands at the top of the store",
    )
