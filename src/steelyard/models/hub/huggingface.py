"""The Hugging Face hub: what a repository holds, who may read it, where its files are.

Routes: `/api/models/REPO/revision/REV?blobs=true` (files with sizes and digests),
`/api/models/REPO/auth-check`, `/REPO/resolve/COMMIT/PATH`, and the same for data sets under
`/api/datasets/` and `/datasets/`; the variables are those that huggingface_hub reads. Everything
that comes back is checked before it becomes a path or a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, final
from urllib.parse import quote, urlsplit

from steelyard.domain.errors import BadInput
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.secret import Secret
from steelyard.models.hub import listing, remedies, wire
from steelyard.models.hub.listing import Globs, Offer, RemoteFile
from steelyard.models.hub.patience import Patience, patiently
from steelyard.models.hub.remedies import Asked, Trouble
from steelyard.models.hub.remote import Access, Remote
from steelyard.models.hub.wire import Login

_ENDPOINT: Final = "https://huggingface.co"
_REPO: Final = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}")
_REVISION: Final = re.compile(r"[A-Za-z0-9][\w./+-]{0,250}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_DIGESTS: Final = {"sha256": re.compile(r"[0-9a-f]{64}"), "git-sha1": re.compile(r"[0-9a-f]{40}")}
_YES: Final = frozenset({"1", "ON", "YES", "TRUE"})


def login(env: Mapping[str, str], stall_s: float) -> Login:
    """Return the hub that is meant and the token that is at hand; no token is no error.

    Raises:
        BadInput: the hub is switched off, its address is none, or the token cannot be one.
    """
    if env.get("HF_HUB_OFFLINE", "").upper() in _YES:
        raise BadInput(
            "HF_HUB_OFFLINE is set, so no hub is asked", hint="unset it to look at or fetch models"
        )
    origin = env.get("HF_ENDPOINT", "").strip().rstrip("/") or _ENDPOINT
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise BadInput(
            "HF_ENDPOINT is no address of a hub", hint="write it as https://host, without a login"
        )
    token = _token(env)
    if token is not None and not wire.private(origin):
        token = None  # better gated models missing than a token that anybody can read
    return Login(origin, token, stall_s)


def look(
    repo: str,
    revision: str | None,
    at: Login,
    patience: Patience,
    kind: Literal["model", "dataset"] = "model",
) -> Remote:
    """Ask the hub about a repository; raise an error of ours where it has no good answer."""
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        raise BadInput(
            f"{repo!r} is no name of a repository", hint="write ORG/NAME, as on the model's page"
        )
    wanted = revision or "main"
    if not _REVISION.fullmatch(wanted) or ".." in wanted:  # it becomes the name of a file
        raise BadInput(
            f"{wanted!r} is no revision", hint="name a branch, a tag or a commit of the repository"
        )
    root = "" if kind == "model" else "datasets/"
    asked = Asked(
        repo, at.origin, at.token is not None, page=f"{at.origin}/{root}{repo}", revision=wanted
    )
    api = f"{at.origin}/api/{kind}s"
    url = f"{api}/{repo}/revision/{quote(wanted, safe='')}?blobs=true"
    try:
        raw = patiently(lambda: wire.document(url, at), patience)
        return _remote(raw, wanted, at, asked, _Place(api, f"{at.origin}/{root}", patience))
    except Trouble as trouble:
        raise remedies.error(trouble, asked) from None


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """Where a kind of repository is asked about and fetched from, and how patiently."""

    api: str
    files: str
    patience: Patience


def _remote(raw: Any, revision: str, at: Login, asked: Asked, place: _Place) -> Remote:
    if not isinstance(raw, dict) or not _COMMIT.fullmatch(str(raw.get("sha", ""))):
        raise Trouble("nonsense", "the listing names no commit")
    repo, commit = str(raw.get("id") or asked.thing), str(raw["sha"])
    if not _REPO.fullmatch(repo):
        raise Trouble("nonsense", f"the listing is of {repo!r}")
    gated = raw.get("gated")
    siblings = raw.get("siblings")
    files = tuple(_file(one) for one in siblings or [] if isinstance(one, dict))

    def url_of(file: RemoteFile) -> str:
        return f"{place.files}{repo}/resolve/{commit}/{quote(file.path)}"

    def offer(globs: Globs) -> Offer:
        return listing.offer(files, repo, revision, globs)

    private = raw.get("private") is True
    return Remote(
        hub="huggingface",
        name=repo,
        revision=revision,
        commit=commit,
        gated=str(gated) if isinstance(gated, str) else "no",
        private=private,
        access=_access(repo, gated if isinstance(gated, str) else "", at, place),
        files=files,
        licence=_licence(raw),
        login=at,
        asked=asked,
        url_of=url_of,
        offer=offer,
    )


def _licence(raw: Mapping[str, Any]) -> Reading[str]:
    """Return the licence that the model's card names, by the hub's tag for it."""
    card, tags = raw.get("cardData"), raw.get("tags")
    told = [str(tag)[8:] for tag in tags or () if str(tag).startswith("license:")]
    named = card.get("license_name") if isinstance(card, dict) else None
    if told:
        own = f" ({named})" if told[0] == "other" and isinstance(named, str) else ""
        return Measured(f"{told[0]}{own}", "engine")
    return Missing("not_told", "its card names none")


def _access(repo: str, gated: str, at: Login, place: _Place) -> Access:
    """Say whether a pull would be let in, asked before a byte of it is fetched."""
    if not gated:
        return Access("open", "anybody who can see it may fetch it")
    decides = (
        "its owner decides who gets in" if gated == "manual" else "its licence is accepted once"
    )
    if at.token is None:
        return Access("no_token", f"gated ({decides}), and there is no token to show")
    url = f"{place.api}/{repo}/auth-check"

    def ask() -> None:
        with wire.opened(url, at):
            pass

    try:
        patiently(ask, place.patience)
    except Trouble as trouble:
        if trouble.problem in ("licence", "gated", "forbidden"):
            return Access("not_granted", f"gated ({decides}), and this account is not let in yet")
        raise
    return Access("granted", f"gated ({decides}), and the account of the token is let in")


def _file(raw: Mapping[str, Any]) -> RemoteFile:
    """Read one file of the listing; a path that leaves the folder is refused."""
    path, lfs = str(raw.get("rfilename", "")), raw.get("lfs")
    parts = PurePosixPath(path).parts
    # What is not printable or not posix would be another name on disk than on the hub.
    if (
        not parts
        or path.startswith("/")
        or ".." in parts
        or "\\" in path
        or not path.isprintable()
        or str(PurePosixPath(path)) != path
    ):
        raise Trouble("nonsense", f"a file of the listing has the path {path!r}")
    if isinstance(lfs, dict):
        digest, size = str(lfs.get("sha256") or lfs.get("oid") or ""), lfs.get("size")
        kind: listing.DigestKind = "sha256"
    else:
        digest, size, kind = str(raw.get("blobId", "")), raw.get("size"), "git-sha1"
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Trouble("nonsense", f"the listing gives no size for {path}")
    if not _DIGESTS[kind].fullmatch(digest):
        raise Trouble("nonsense", f"the listing gives no digest for {path}")
    return RemoteFile(path, size, digest, kind)


def _token(env: Mapping[str, str]) -> Secret | None:
    """Return the token of the environment, or of the hub's own login."""
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if value := env.get(variable, "").strip():
            return _checked(value, variable)
    if env.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in _YES:
        return None
    cache = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home = env.get("HF_HOME") or str(Path(cache) / "huggingface")
    path = Path(env.get("HF_TOKEN_PATH") or Path(home) / "token").expanduser()
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return _checked(value, str(path)) if value else None


def _checked(value: str, source: str) -> Secret:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise BadInput(
            f"what {source} holds is no token: there is a space or a letter in it that none has",
            hint="copy it again: a line break or a quotation mark may have come along",
        )
    return Secret(value)
