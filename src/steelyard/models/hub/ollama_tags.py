"""Which tags a model of an Ollama registry has, and what each of them is.

Names come from the registry's own list (`/v2/NAMESPACE/MODEL/tags/list`, distribution
specification), which Ollama's public registry does not serve; then from the page of its site that
lists them, by its links to `/NAMESPACE/MODEL:TAG`. Nobody promises the form of that page: where it
holds no such link, nothing is guessed. What a tag is, its own manifest and config say.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final, Literal, TypeAlias, final
from urllib.parse import unquote

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.models.hub import names, ollama, wire
from steelyard.models.hub.listing import Globs
from steelyard.models.hub.ollama import Name
from steelyard.models.hub.patience import Patience, patiently
from steelyard.models.hub.remedies import Asked, Trouble
from steelyard.models.hub.wire import Login

Source: TypeAlias = Literal["registry", "page"]
_AT_ONCE: Final = 6
_MOST: Final = 100
_SHORT: Final = 12
_ABSENT: Final = frozenset({"not_found", "forbidden", "nonsense"})


@final
@dataclass(frozen=True, slots=True)
class Names:
    """The tags of a model; `more` where the list says that it goes on elsewhere."""

    source: Source
    tags: tuple[str, ...]
    more: bool = False


@final
@dataclass(frozen=True, slots=True)
class Tagged:
    """One tag: the quant that its config claims, the bytes of all layers, its id in `ollama ls`."""

    tag: str
    claim: names.Claim
    size_bytes: Reading[int]
    id: str = ""
    weights: bool = True


def listed(name: Name, at: Login, asked: Asked, patience: Patience) -> Reading[Names]:
    """Return the tags of a model, or why nobody tells them."""
    url = f"{ollama.route(name, at)}/tags/list"
    page = f"{asked.page}/tags"
    try:
        return _registry(patiently(lambda: wire.document(url, at), patience))
    except Trouble as trouble:
        if trouble.problem not in _ABSENT:
            return Missing("not_reached", f"the list of tags could not be read: {trouble.words}")
    site = Login(ollama.site(name, at), None, at.stall_s)
    try:
        raw = patiently(lambda: wire.text(page, site), patience)
    except Trouble as trouble:
        return Missing("no_route", f"the registry lists no tags, nor does {page} ({trouble.words})")
    return _page(raw, name, page)


def described(
    name: Name, found: Names, globs: Globs, at: Login, patience: Patience
) -> tuple[Tagged, ...]:
    """Ask the manifest of every tag that the globs keep; what cannot be read says why."""
    tags = [tag for tag in found.tags if globs.keep(tag)]
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[Tagged | BaseException] = queue.SimpleQueue()
    for tag in tags[:_MOST]:
        jobs.put(tag)

    def work() -> None:
        while True:
            try:
                done.put(_tagged(name, jobs.get_nowait(), at, patience))
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 - it is raised where the rest is waited for
                done.put(error)

    # Daemons: an interrupt does not wait for a registry that has fallen silent.
    for _ in range(min(_AT_ONCE, len(tags))):
        threading.Thread(target=work, daemon=True).start()
    rows: dict[str, Tagged] = {}
    for _ in tags[:_MOST]:
        answer = done.get()
        if isinstance(answer, BaseException):
            raise answer
        rows[answer.tag] = answer
    unasked = Missing("not_asked", f"only {_MOST} tags are asked for; choose with --include")
    left = [Tagged(tag, names.of_gguf(f"{tag}.gguf"), unasked) for tag in tags[_MOST:]]
    return (*(rows[tag] for tag in tags[:_MOST]), *left)


def _tagged(name: Name, tag: str, at: Login, patience: Patience) -> Tagged:
    one = Name(name.scheme, name.host, name.namespace, name.model, tag)
    try:
        found = ollama.described(one, at, patience)
    except Trouble as trouble:
        why = Missing("not_readable", f"its manifest cannot be read: {trouble.words}")
        return Tagged(tag, names.Claim(why), why)
    size = sum(file.size_bytes for file in found.files)
    digest = hashlib.sha256(found.raw).hexdigest()[:_SHORT]
    variant = found.variant
    return Tagged(tag, variant.claim, Measured(size, "engine"), digest, bool(variant.files))


def _registry(raw: object) -> Reading[Names]:
    tags = raw.get("tags") if isinstance(raw, dict) else None
    if not isinstance(tags, list) or not all(_is_tag(tag) for tag in tags):
        raise Trouble("nonsense", "the registry's list of tags is none")
    return Measured(Names("registry", tuple(dict.fromkeys(tags))), "engine")


def _page(raw: bytes, name: Name, page: str) -> Reading[Names]:
    links = _Links()
    links.feed(raw.decode(errors="replace"))
    front = f"/{name.namespace}/{name.model}:"
    wanted = [
        unquote(link)[len(front) :] for link in links.found if unquote(link).startswith(front)
    ]
    tags = tuple(dict.fromkeys(tag for tag in wanted if _is_tag(tag)))
    if not tags:
        return Missing(
            "page_changed",
            f"{page} holds no link to a tag in the form that is known; NAME:TAG works all the same",
        )
    more = any(f"/{name.model}/tags?" in link for link in links.found)
    return Measured(Names("page", tags, more), "engine")


def _is_tag(tag: object) -> bool:
    return isinstance(tag, str) and ollama.PART.fullmatch(tag) is not None and ".." not in tag


@final
class _Links(HTMLParser):
    """Where the links of a page lead. Inherits because html.parser asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Keep what a link or a button leads to."""
        leads = ("href",) if tag == "a" else ("hx-get",)
        self.found += [value for key, value in attrs if key in leads and value]
