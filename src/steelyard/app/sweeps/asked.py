"""What was asked of a sweep: at its start, anew at a resume, and about files that lie on a hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from steelyard.app import subjects
from steelyard.app.hub import hub_subjects
from steelyard.app.hub.pulling import HubRequest
from steelyard.app.sweeps import fetched, fetching
from steelyard.app.sweeps.fetched import Wish
from steelyard.app.sweeps.fetching import Fetching
from steelyard.app.sweeps.folder import REQUEST, SweepFolder
from steelyard.app.sweeps.served_subjects import Access
from steelyard.app.sweeps.spec import SweepRequest
from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput
from steelyard.domain.private import shown

# What a resume may say anew; everything else was settled when the sweep began.
_ANEW: Final = frozenset(
    {"out", "resume", "budget", "yes", "dry_run", "include_polluted", "disk_reserve"}
)
# These too; but what was said at the start holds as long as nothing else is said.
_ADDED: Final = frozenset({"keep", "keep_all"})


def to_resume(request: SweepRequest) -> SweepFolder:
    """Return the folder to go on in; `BadInput` for what was settled otherwise at the start."""
    if request.out is None:
        raise BadInput("--resume needs --out", hint="name the folder of the sweep to go on with")
    folder = SweepFolder(request.out)
    begun = folder.read(dict[str, Any], REQUEST)
    if begun is None:
        folder.sweep()
    for name, said in settled_at_first(request).items():
        if name in _ADDED:
            continue
        if begun is not None and begun.get(name) != said:
            raise BadInput(
                f"the sweep in {folder.root} was not begun with {name} {shown(name, said)}",
                hint="leave out what was settled at its start, or begin anew in another --out",
            )
    return folder


def asked_at_first(request: SweepRequest, folder: SweepFolder) -> SweepRequest:
    """Return the request of a sweep that ended while its ladder was made: it is made again."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    first = from_plain(SweepRequest, begun, source=str(folder.root / REQUEST))
    anew = {name: getattr(request, name) for name in _ANEW - {"resume"}}
    kept = wish(request, begun)
    return replace(first, **anew, keep=kept.labels, keep_all=kept.everything)


def settled_at_first(request: SweepRequest) -> dict[str, Any]:
    """Return what was asked for beyond the defaults, as far as it is settled at the start."""
    usual = SweepRequest()
    found: dict[str, Any] = {}
    for field in fields(request):
        value = getattr(request, field.name)
        if field.name in _ANEW or value == getattr(usual, field.name):
            continue
        found[field.name] = list(value) if isinstance(value, tuple) else value
        # Of the rest a word is a word, whatever a folder here may be called.
        if isinstance(value, Path) or field.name == "subject":
            name, at, engine = str(value).partition("@")
            path = Path(name).expanduser()
            found[field.name] = f"{path.resolve()}{at}{engine}" if path.exists() else str(value)
    return found


def access_of(folder: SweepFolder) -> Access:
    """Return how the servers of a sweep are spoken to: as was typed when it began."""
    begun = folder.read(dict[str, Any], REQUEST) or {}
    return Access.of(from_plain(SweepRequest, begun, source=str(folder.root / REQUEST)))


def wish(request: SweepRequest, begun: Mapping[str, Any] | None = None) -> Wish:
    """Return which fetched files are to stay: as is said now, else as was `begun`."""
    said = begun or {}
    return Wish(
        request.keep or tuple(said.get("keep", ())),
        request.keep_all or bool(said.get("keep_all")),
    )


def check_keep(request: SweepRequest, files: subjects.Files) -> None:
    """Raise `BadInput` where a file is to be kept that is none of these."""
    fetched.check(wish(request), {name: path for path, name in subjects.labels(files).items()})


def check_source(request: SweepRequest, found: Fetching) -> None:
    """Check the one file of a hub that the variants are to be made of."""
    fetching.require_source(found, request.quants, requantise=request.requantise)
    check_keep(request, found.files)


def still_on_a_hub(request: SweepRequest) -> Fetching | None:
    """Ask what is still to be fetched; refuse what is about fetching where nothing can be."""
    refuse_about_hubs(request, request.subject)
    return fetching.ahead(request.subject, hub_request(request, request.subject))


def hub_request(request: SweepRequest, subject: str) -> HubRequest:
    """Return what a hub is asked for when this subject lies on one."""
    return HubRequest(
        subject,
        include=request.include,
        exclude=request.exclude,
        disk_reserve=request.disk_reserve,
        yes=request.yes,
    )


def refuse_about_hubs(request: SweepRequest, subject: str) -> None:
    """Refuse what is about fetching for a subject of which nothing ever is."""
    about = ("keep", "keep_all", "include", "exclude")
    said = [f"--{name.replace('_', '-')}" for name in about if getattr(request, name)]
    if said and not hub_subjects.is_hub(subject):
        raise BadInput(
            f"{said[0]} is about what a sweep fetches, and {subject} comes from no hub: "
            "nothing of it is fetched or removed",
            hint="leave it out",
        )
