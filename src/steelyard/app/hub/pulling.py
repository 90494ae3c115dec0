"""`models find` and `models pull`: from what was typed to files that are whole and right.

Puts the rooms of `models.hub` together: which hub, which files, whether they may be had, whether
there is room, then fetching them with progress. Not aware of terminals: text comes back as text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Final, Literal, final

from steelyard.app import loadable
from steelyard.app.hub import stored_notes
from steelyard.domain.errors import BadInput
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.models import disk, find
from steelyard.models.hub import (
    choosing,
    crew,
    holding,
    huggingface,
    ollama,
    remedies,
    transfer,
)
from steelyard.models.hub.crew import Done, Failed, Job, Waiting, Word
from steelyard.models.hub.landing import Folder, HubCache, Landing, OllamaStore
from steelyard.models.hub.listing import Globs, RemoteFile, RemoteVariant
from steelyard.models.hub.patience import Patience
from steelyard.models.hub.remedies import Trouble
from steelyard.models.hub.remote import Remote
from steelyard.models.hub.transfer import Errand
from steelyard.platform import clock

LARGE_BYTES: Final = 20_000_000_000
RESERVE_BYTES: Final = 1_000_000_000
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class HubRequest:
    """What was typed about models on a hub, checked for type and range only."""

    subject: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    revision: str | None = None
    out: Path | None = None
    jobs: int = 3
    retries: int = 5
    timeout: float = 30.0
    disk_reserve: int = RESERVE_BYTES
    yes: bool = False

    @property
    def globs(self) -> Globs:
        """The files that count."""
        return Globs(self.include, self.exclude)

    @property
    def patience(self) -> Patience:
        """How often a hub is asked again."""
        return Patience(retries=self.retries)


@final
@dataclass(frozen=True, slots=True)
class Target:
    """What a subject means: which hub, the name there, the quants asked for."""

    hub: Literal["huggingface", "ollama"]
    name: str
    quants: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull will do: known whole before the first byte of a file is fetched."""

    request: HubRequest
    remote: Remote
    variants: tuple[RemoteVariant, ...]
    files: tuple[RemoteFile, ...]
    landing: Landing
    missing: tuple[RemoteFile, ...]
    part_bytes: int

    @property
    def total_bytes(self) -> int:
        """Bytes of every file, here or not."""
        return sum(file.size_bytes for file in self.files)

    @property
    def needed_bytes(self) -> int:
        """Bytes that are still to come."""
        return sum(file.size_bytes for file in self.missing) - self.part_bytes


@final
@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of a pull: the paths, and what it took."""

    paths: tuple[Path, ...]
    fetched_bytes: int
    resumed_bytes: int
    retries: int
    seconds: float


def target(subject: str) -> Target:
    """Say what a subject means: `[hf:]ORG/NAME[:QUANT,…]`, `ollama:NAME[:TAG]` or `NAME[:TAG]`."""
    scheme, colon, rest = subject.partition(":")
    if colon and scheme == "ollama":
        return Target("ollama", rest, ())
    hub = colon == ":" and scheme == "hf"
    name = rest if hub else subject
    if not hub and "/" not in name:
        return Target("ollama", name, ())
    if "://" in name:
        raise BadInput(
            f"{subject} is an address", hint="write ORG/NAME; HF_ENDPOINT names another hub"
        )
    repo, _, quants = name.partition(":")
    wanted = tuple(quant.strip() for quant in quants.split(",")) if quants else ()
    if not all(wanted):
        raise BadInput(f"{subject!r} names an empty quant", hint="write ORG/NAME:Q8_0,Q4_K_M")
    return Target("huggingface", repo, wanted)


def look(request: HubRequest) -> Remote:
    """Ask the hub that is meant about the model that is meant."""
    meant = target(request.subject)
    if meant.hub == "ollama":
        refuse_revision(request)
        return ollama.look(meant.name, request.timeout, request.patience)
    at = huggingface.login(os.environ, request.timeout)
    return huggingface.look(meant.name, request.revision, at, request.patience)


def refuse_revision(request: HubRequest) -> None:
    """Refuse a revision of what has none."""
    if request.revision is not None:
        raise BadInput("Ollama has tags, no revisions", hint="write NAME:TAG")


def plan(request: HubRequest) -> PullPlan:
    """Decide what a pull fetches; fetches nothing. Raises `BadInput` for what cannot be done."""
    remote, meant = look(request), target(request.subject)
    found = remote.offer(request.globs)
    where = remote.name if remote.hub == "ollama" else meant.name
    variants = choosing.variants(found, meant.quants, request.globs, where=where)
    files = choosing.files(found, variants, request.globs, where=where)
    landing = _landing(request, remote)
    if isinstance(landing, OllamaStore) and set(files) != set(remote.files):
        raise BadInput(
            "in an Ollama store a model is whole, so globs have no place there",
            hint="leave --include and --exclude out, or give a folder with --out",
        )
    if not remote.access.granted:
        problem: remedies.Problem = "licence" if remote.access.state == "not_granted" else "gated"
        raise remedies.error(Trouble(problem, remote.access.reason), remote.asked)
    missing = tuple(file for file in files if not landing.has(file))
    _refuse_others(landing, missing)
    part = _part_bytes(landing, missing)
    return PullPlan(request, remote, variants, files, landing, missing, part)


def require_room(ahead: PullPlan) -> None:
    """Refuse a pull that there is no room for, and a large one that nobody agreed to."""
    disk.require(
        ahead.landing.root,
        ahead.needed_bytes,
        what=f"{ahead.remote.name}",
        reserve_bytes=ahead.request.disk_reserve,
    )
    require_consent(ahead)


def require_consent(ahead: PullPlan) -> None:
    """Refuse a large pull that nobody agreed to."""
    if ahead.needed_bytes > LARGE_BYTES and not ahead.request.yes:
        raise BadInput(
            f"{ahead.remote.name} is {disk.size(ahead.needed_bytes)} to fetch",
            hint="add --yes if that is meant, or choose smaller files",
        )


def fetch(
    ahead: PullPlan,
    emit: Emit,
    stop: Event | None = None,
    mine: Callable[[RemoteFile], None] = lambda _: None,
) -> Pulled:
    """Fetch what is missing and give it its names; raise an error of ours with the way out.

    `mine` hears of each file that we fetched ourselves, once it is whole.
    """
    remote, landing, name = ahead.remote, ahead.landing, ahead.remote.name
    jobs = [
        Job(Errand(file, remote.url_of(file), remote.login, ahead.request.patience))
        for file in sorted(ahead.missing, key=lambda file: -file.size_bytes)
    ]
    started_ns = clock.monotonic_ns()
    ready = {file.digest for file in ahead.files} - {file.digest for file in ahead.missing}
    total = sum(job.errand.file.size_bytes for job in jobs)
    emit(PhaseStarted("pulling", total >> 20 or None, name))
    if jobs:
        watch = _Watch(jobs, emit, started_ns, _publisher(ahead, ready), mine)
        try:
            crew.fetch_all(jobs, landing, ahead.request.jobs, watch.hear, stop)
        except Trouble as trouble:
            raise remedies.error(trouble, remote.asked, _kept(ahead)) from None
        except KeyboardInterrupt:
            if kept := _kept(ahead):
                emit(Noted(f"{kept}; the same command goes on from there"))
            raise
    paths = landing.publish(ahead.files, last=True)
    seconds = (clock.monotonic_ns() - started_ns) / _NS_PER_S
    emit(PhaseEnded("pulling", seconds))
    return Pulled(
        paths,
        sum(job.tally.fetched_bytes for job in jobs),
        sum(job.tally.resumed_bytes for job in jobs),
        sum(job.tally.retries for job in jobs),
        seconds,
    )


def pull(request: HubRequest, emit: Emit) -> tuple[PullPlan, Pulled]:
    """Plan, see that there is room, and fetch; what is asked for by name is no sweep's any more."""
    claims = stored_notes.claims()
    claims.read()  # rather not begun than ended with an error
    ahead = plan(request)
    cached = isinstance(ahead.landing, HubCache)
    with holding.in_use(ahead.landing.spot(file).lease for file in ahead.files if cached):
        if cached:  # only now can nothing of it be deleted under our hands
            ahead = only(ahead, ahead.variants, ahead.files)
        require_room(ahead)
        if ahead.missing:
            emit(Noted(summary(ahead)))
            for one in ahead.variants:
                if why := loadable.remote(one).why:
                    emit(Noted(f"nothing here loads {one.label}: {why}", warning=True))
        done = fetch(ahead, emit)
        claims.drop(file.digest for file in ahead.files)
    return ahead, done


def only(
    ahead: PullPlan,
    chosen: Sequence[RemoteVariant],
    files: Sequence[RemoteFile] | None = None,
) -> PullPlan:
    """Return the plan for some of the variants, or some of the files, as things are now."""
    if files is None:
        files = [file for one in chosen for file in (*one.files, *one.companions)]
    wanted = tuple({file.path: file for file in files}.values())
    missing = tuple(file for file in wanted if not ahead.landing.has(file))
    return replace(
        ahead,
        variants=tuple(chosen),
        files=wanted,
        missing=missing,
        part_bytes=_part_bytes(ahead.landing, missing),
    )


def summary(ahead: PullPlan) -> str:
    """Say in a line what a pull takes and leaves."""
    free = disk.free_bytes(ahead.landing.root)
    resumed = f", {disk.size(ahead.part_bytes)} are here of an earlier pull"
    return (
        f"{ahead.remote.name}: {len(ahead.missing)} of {len(ahead.files)} files, "
        f"{disk.size(ahead.needed_bytes)} to fetch"
        f"{resumed if ahead.part_bytes else ''}; {disk.size(free)} free in {ahead.landing.root}, "
        f"{disk.size(ahead.request.disk_reserve)} of them kept back"
    )


def _publisher(ahead: PullPlan, ready: set[str]) -> Callable[[RemoteFile], None]:
    """Return what gives a variant its names as soon as its last file is whole."""

    def publish(file: RemoteFile) -> None:
        ready.add(file.digest)
        for one in ahead.variants:
            files = (*one.files, *one.companions)
            if file in files and all(other.digest in ready for other in files):
                ahead.landing.publish(files, last=False)

    return publish


@final
class _Watch:
    """Turns what the crew says into progress events, about twice a second."""

    def __init__(
        self,
        jobs: Sequence[Job],
        emit: Emit,
        started_ns: int,
        whole: Callable[[RemoteFile], None],
        mine: Callable[[RemoteFile], None],
    ) -> None:
        self._jobs, self._emit, self._started_ns = jobs, emit, started_ns
        self._whole, self._mine = whole, mine
        self._told: dict[str, int] = {}

    def hear(self, word: Word | None) -> None:
        match word:
            case Waiting(job=job):
                path = job.errand.file.path
                self._emit(Noted(f"another process fetches {path}; waiting for it"))
            case Done(job=job, found=found):
                if not found:
                    self._mine(job.errand.file)
                self._whole(job.errand.file)
            case Failed() | None:
                pass
        for job in self._jobs:
            if job.tally.retries > self._told.get(job.errand.file.path, 0):
                self._told[job.errand.file.path] = job.tally.retries
                self._emit(Noted(f"{job.errand.file.path}: {job.tally.last}"))
        done = sum(job.tally.done_bytes for job in self._jobs)
        fresh = sum(job.tally.fetched_bytes for job in self._jobs)
        seconds = max(1e-9, (clock.monotonic_ns() - self._started_ns) / _NS_PER_S)
        self._emit(Advanced("pulling", done >> 20, f"{disk.size(int(fresh / seconds))}/s"))


def _landing(request: HubRequest, remote: Remote) -> Landing:
    if request.out is not None:
        return Folder(request.out)
    if remote.hub == "ollama":
        place = ollama.parse(target(request.subject).name).place
        return OllamaStore(ollama.store(os.environ), place, remote.manifest)
    return HubCache(find.hugging_face_cache(), remote.name, remote.revision, remote.commit)


def _part_bytes(landing: Landing, missing: Sequence[RemoteFile]) -> int:
    """Return how much of missing files an earlier pull has left."""
    return sum(
        min(file.size_bytes, transfer.left_behind(landing.spot(file).part)) for file in missing
    )


def _refuse_others(landing: Landing, missing: Sequence[RemoteFile]) -> None:
    """Refuse to write over a file in a plain folder that holds something else."""
    if not isinstance(landing, Folder):
        return
    for file in missing:
        path = landing.spot(file).whole
        if path.exists():
            raise BadInput(
                f"{path} is there already, with other bytes than the hub's",
                hint="move it away, or choose another folder with --out",
            )


def _kept(ahead: PullPlan) -> str:
    """Say what of the missing files is on disk now."""
    kept = 0
    for file in ahead.missing:
        spot = ahead.landing.spot(file)
        with suppress(OSError):
            kept += spot.whole.stat().st_size if spot.whole.exists() else 0
        kept += transfer.left_behind(spot.part)
    return f"{disk.size(kept)} are kept" if kept else ""
