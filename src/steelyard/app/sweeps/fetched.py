"""What a sweep has fetched: held while it runs, fetched again for a resume, removed at its end.

Removed is only what this sweep fetched itself and nobody has asked for since: not what was here
before, is pinned, is in use, or is to be kept. Kept are the recommended variants and the reference,
without which no later question about them has an answer. Not aware of plans or screens.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from steelyard.app.hub import hub_subjects, pulling, stored_notes
from steelyard.app.hub.pulling import HubRequest
from steelyard.app.sweeps import fetching
from steelyard.app.sweeps.folder import SweepFolder
from steelyard.app.sweeps.reporting import Outcome
from steelyard.domain.campaign import Sweep
from steelyard.domain.errors import BadInput, Busy, SteelyardError, UnknownName
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.subject import Variant
from steelyard.models import disk, folders, shards
from steelyard.models.hub import held, holding, names
from steelyard.models.hub.landing import HubCache
from steelyard.models.hub.listing import RemoteFile

_SNAPSHOTS: Final = "snapshots"


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants to keep beyond what is kept anyway."""

    labels: tuple[str, ...] = ()
    everything: bool = False


def check(wish: Wish, paths: Mapping[str, Path]) -> None:
    """Raise `UnknownName` for a variant to keep that there is none of; `paths` by label."""
    known = {name for label, path in paths.items() for name in _called(label, path)}
    for asked in wish.labels:
        if not any(names.same(name, asked) for name in known):
            raise UnknownName.among("variant to keep", asked, known)


@contextmanager
def in_use(paths: Sequence[Path]) -> Iterator[None]:
    """Keep models of the Hugging Face cache from being removed while the block runs."""
    with holding.in_use(lease for path in paths for lease in held.leases_of(path)):
        yield


@contextmanager
def restored(
    folder: SweepFolder,
    needed: Sequence[Variant],
    paths: Mapping[str, Path],
    hub: HubRequest,
    emit: Emit,
) -> Iterator[Mapping[str, Path]]:
    """Fetch again what is `needed` and gone; yield where everything lies, and hold it.

    `hub.subject` is what the sweep was begun with; what came from no hub is left to whoever runs
    it, and says itself that it is not there.
    """
    found = dict(paths)
    gone = [one for one in needed if not _whole(paths[one.artifact.sha256])]
    with ExitStack() as stack:
        if gone and hub_subjects.is_hub(hub.subject):
            for commit, wanted in _by_commit(gone, paths).items():
                landing = _fetch_again(folder, commit, wanted, hub, emit, stack)
                found |= {sha256: landing.snapshot / name for sha256, name in wanted.items()}
            folder.write("paths.json", {sha256: str(path) for sha256, path in found.items()})
        stack.enter_context(in_use(tuple(found.values())))
        yield found


def adopt(folder: SweepFolder, paths: Sequence[Path]) -> None:
    """Take over what was fetched for a sweep that never began: nobody else would remove it."""
    claims = stored_notes.claims()
    digests = {file.digest for path in paths for file in _blobs(path)}
    if not digests:
        return
    orphans = [
        digest
        for digest, owner in claims.read().items()
        if digest in digests and not SweepFolder(Path(owner)).begun()
    ]
    if orphans:
        claims.add(orphans, str(folder.root.resolve()))


def clear(
    folder: SweepFolder,
    sweep: Sweep,
    paths: Mapping[str, Path],
    wish: Wish,
    ended: Outcome,
    emit: Emit,
) -> None:
    """Remove what the sweep fetched and nobody needs now, where it has ended well, and say so.

    Whatever goes wrong here, the sweep has ended as it has: then everything stays.
    """
    try:
        _clear(folder, sweep, paths, wish, ended, emit)
    except SteelyardError as error:
        emit(Noted(f"what was fetched for it stays: {error}", warning=True))


def _clear(
    folder: SweepFolder,
    sweep: Sweep,
    paths: Mapping[str, Path],
    wish: Wish,
    ended: Outcome,
    emit: Emit,
) -> None:
    claims, owner = stored_notes.claims(), str(folder.root.resolve())
    own = {digest for digest, who in claims.read().items() if who == owner}
    files = {one.label: _blobs(paths[one.artifact.sha256]) for one in sweep.variants}
    own &= {file.digest for each in files.values() for file in each}
    if not own:
        return
    if ended.exit_code:
        sizes = {file.digest: file.size_bytes for each in files.values() for file in each}
        size = sum(sizes[digest] for digest in own)
        why = f"what was fetched for it stays, {disk.size(size)}: {ended.stop.reason}"
        emit(Noted(f"{why}; `steelyard models remove` deletes what you name"))
        return
    kept = _kept(sweep, files, wish, ended)
    stays = {file.digest for label in kept for file in files[label]}
    claims.drop(own & stays)
    gone = []
    for label, each in files.items():
        # A variant of which a part was here before stays whole.
        if label in kept or not each or not {file.digest for file in each} <= own - stays:
            continue
        stayed = _remove(each, paths, sweep, label, owner)
        if stayed is None:
            gone.append(f"{label} ({disk.size(sum(file.size_bytes for file in each))})")
        else:
            kept[label] = stayed
    held_back = ", ".join(f"{label} ({why})" for label, why in kept.items())
    if gone:
        emit(Noted(f"removed again, since it was fetched for this: {', '.join(gone)}"))
    emit(Noted(f"stays: {held_back}; `steelyard models remove` deletes what you name"))


def _kept(
    sweep: Sweep, files: Mapping[str, Sequence[RemoteFile]], wish: Wish, ended: Outcome
) -> dict[str, str]:
    """Return which variants stay, and why."""
    picks = ended.summary.recommendation if ended.summary else ()
    found = {pick.label: "recommended" for pick in picks if pick.label is not None}
    found.setdefault(sweep.reference.label, "the reference")
    pins = stored_notes.pins().read()
    for label, each in files.items():
        called = _called(label, Path(each[0].path)) if each else (label,)
        if any(names.same(name, asked) for name in called for asked in wish.labels):
            found.setdefault(label, "--keep")
        if any(file.digest in pins for file in each):
            found.setdefault(label, "pinned")
        if wish.everything:
            found.setdefault(label, "--keep-all")
    return {label: why for label, why in found.items() if label in files}


def _called(label: str, path: Path) -> tuple[str, ...]:
    """Return the names of a variant: what it is, and what its file's name claims."""
    claim = names.of_gguf(path.as_posix()).label
    return (label,) if claim == "?" else (label, claim)


def _remove(
    files: Sequence[RemoteFile], paths: Mapping[str, Path], sweep: Sweep, label: str, owner: str
) -> str | None:
    """Remove a variant; return why it stays, where it does."""
    variant = next(one for one in sweep.variants if one.label == label)
    blob = held.blob_of(_files(paths[variant.artifact.sha256])[0])
    if blob is None:
        return "it is not there"
    home = blob.parent.parent
    repo = home.name.removeprefix("models--").replace("--", "/")

    def still() -> None:
        notes, pins = stored_notes.claims().read(), stored_notes.pins().read()
        if any(notes.get(file.digest) != owner or file.digest in pins for file in files):
            raise BadInput("somebody has asked for it meanwhile")

    try:
        held.remove(home.parent, repo, files, {}, still)
    except Busy:
        return "in use by another process"
    except BadInput as error:
        return str(error)
    stored_notes.claims().drop(file.digest for file in files)
    return None


def _fetch_again(
    folder: SweepFolder,
    commit: str,
    wanted: Mapping[str, str],
    hub: HubRequest,
    emit: Emit,
    stack: ExitStack,
) -> HubCache:
    """Fetch files of one commit that are gone."""
    bare, _, engine = hub.subject.partition("@")
    repo = pulling.target(bare).name
    include = tuple(
        glob.escape(file.as_posix())
        for name in wanted.values()
        for file in shards.files_of(Path(name))
    )
    request = HubRequest(
        f"{hub_subjects.MARK}{repo}",
        include=include,
        revision=commit,
        disk_reserve=hub.disk_reserve,
        yes=hub.yes,
    )
    plan = pulling.plan(request)
    stack.enter_context(holding.in_use(plan.landing.spot(file).lease for file in plan.files))
    plan = pulling.only(plan, plan.variants)
    pulling.require_room(plan)
    emit(Noted(f"needed again and gone meanwhile: {pulling.summary(plan)}"))
    found = fetching.Fetching(plan, engine, (), frozenset())
    fetching.fetch(found, folder.root, emit)
    return found.landing


def _by_commit(gone: Sequence[Variant], paths: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Group what is gone by the commit that it was fetched at: names by sha256."""
    found: dict[str, dict[str, str]] = {}
    for variant in gone:
        path = paths[variant.artifact.sha256]
        if _SNAPSHOTS not in path.parts:
            continue
        at = len(path.parts) - 1 - path.parts[::-1].index(_SNAPSHOTS)
        name = "/".join(path.parts[at + 2 :])
        found.setdefault(path.parts[at + 1], {})[variant.artifact.sha256] = name
    return found


def _blobs(path: Path) -> tuple[RemoteFile, ...]:
    """Return the files of a model in the cache, each by its digest; none for one outside it."""
    blobs = ((file, held.blob_of(file)) for file in _files(path))
    return tuple(
        RemoteFile(file.name, blob.stat().st_size, blob.name)
        for file, blob in blobs
        if blob is not None and blob.is_file()
    )


def _whole(path: Path) -> bool:
    return path.is_dir() or all(file.is_file() for file in _files(path))


def _files(path: Path) -> tuple[Path, ...]:
    return folders.files_of(path) if path.is_dir() else shards.files_of(path)
