"""What a sweep fetches from a hub: known before the first byte, and fetched once.

A sweep runs its variants in turns, so that it needs them all at once; what the disk cannot hold
beside the reserve is refused, with the variants that would fit. The headers are read first: a model
that this machine cannot run is not fetched. Not aware of campaigns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from steelyard.app.hub import hub_subjects, pulling, stored_notes
from steelyard.app.hub.pulling import HubRequest, PullPlan
from steelyard.app.sweeps import ladder
from steelyard.domain.errors import BadInput, TooLittleRoom, UnsupportedSubject
from steelyard.domain.progress import Emit
from steelyard.domain.subject import ArtifactFacts
from steelyard.models import artifacts, disk, quants
from steelyard.models.hub import headers, holding
from steelyard.models.hub.landing import HubCache
from steelyard.models.hub.listing import Globs, RemoteVariant
from steelyard.models.hub.room import Need, most_together

_PREFIX: Final = hub_subjects.MARK


@final
@dataclass(frozen=True, slots=True)
class Fetching:
    """The files of a sweep, of which some are still on a hub.

    `files` are the paths that they will have and what their headers say, best first; `pinned` are
    the labels of those that stay whatever happens; `engine` is `@ENGINE…` as it was typed.
    """

    plan: PullPlan
    engine: str
    files: tuple[tuple[Path, ArtifactFacts], ...]
    pinned: frozenset[str]

    @property
    def landing(self) -> HubCache:
        """The cache that they come to lie in."""
        landing = self.plan.landing
        assert isinstance(landing, HubCache)  # noqa: S101 - a hub's subject without --out
        return landing

    @property
    def subject(self) -> str:
        """The subject that names exactly these variants."""
        labels = ",".join(one.label for one in self.plan.variants)
        return f"{_PREFIX}{self.landing.repo}:{labels}{self.engine}"

    @property
    def model(self) -> str:
        """The model's name, as a sweep of it is called."""
        return self.landing.repo.rpartition("/")[2]

    @property
    def is_ladder(self) -> bool:
        """Whether there are several variants, so that nothing is to be made of one."""
        return len(self.files) > 1

    @property
    def leases(self) -> tuple[Path, ...]:
        """What is held on the files, fetched or not, so that nobody deletes them meanwhile."""
        return tuple(self.landing.spot(file).lease for file in self.plan.files)

    def path_of(self, one: RemoteVariant) -> Path:
        """Return the path that an engine will be pointed at."""
        return self.landing.snapshot / one.files[0].path

    def needs(self) -> tuple[Need, ...]:
        """Return what each variant takes; the reference is the one of most bits."""
        first = self.files[0][0]
        return tuple(
            Need(
                one.label,
                one.size_bytes,
                pulling.only(self.plan, (one,)).needed_bytes,
                reference=self.path_of(one) == first,
            )
            for one in self.plan.variants
        )

    def narrowed(self, paths: frozenset[Path]) -> Fetching:
        """Return the same for some of the variants only: nothing else is fetched."""
        kept = tuple(one for one in self.plan.variants if self.path_of(one) in paths)
        files = tuple(pair for pair in self.files if pair[0] in paths)
        return replace(self, plan=pulling.only(self.plan, kept), files=files)


def ahead(subject: str, hub: HubRequest) -> Fetching | None:
    """Ask the hub about a subject that is not all here; None where nothing is to be fetched.

    Raises `UnsupportedSubject` for what a sweep does not take, `UnreadableModel` for what is no
    model, and an error of the hub's for what cannot be had: before a file is fetched.
    """
    if not hub_subjects.is_hub(subject):
        return None
    bare, at, engine = subject.partition("@")
    if hub.globs == Globs():  # what fits a glob, only the hub knows whole
        with suppress(BadInput):
            hub_subjects.here(bare)
            return None
    plan = pulling.plan(replace(hub, subject=bare))
    plan = pulling.only(plan, plan.variants)
    if any(one.format != "gguf" for one in plan.variants):
        raise UnsupportedSubject(
            f"{plan.remote.name} holds safetensors, and a sweep takes GGUF files",
            hint="`steelyard models pull` fetches it; `steelyard bench` and `steelyard engines "
            "compare` take such a folder",
        )
    if not plan.variants:
        raise BadInput(f"{plan.remote.name} has no model file", hint="see `steelyard models find`")
    pins = stored_notes.pins().read()
    pinned = frozenset(
        one.label for one in plan.variants if any(file.digest in pins for file in one.files)
    )
    found = Fetching(plan, f"{at}{engine}", (), pinned)
    files = ((found.path_of(one), _facts(found, one)) for one in plan.variants)
    ordered = sorted(files, key=lambda pair: (-pair[1].file_bpw, str(pair[0])))
    return replace(found, files=tuple(ordered))


def _facts(found: Fetching, one: RemoteVariant) -> ArtifactFacts:
    """Read a variant's header, from the hub only where it is not here."""
    if not pulling.only(found.plan, (one,)).missing and (path := found.path_of(one)).exists():
        return artifacts.inspect(path)
    folder, patience = found.landing.snapshot, found.plan.request.patience
    return headers.facts(found.plan.remote, one, folder, patience)


def require_source(found: Fetching, wanted: tuple[str, ...] | None, *, requantise: bool) -> None:
    """Refuse a single file that no ladder can be made of, before it is fetched."""
    (path, facts), *_ = found.files
    ladder.require_native(path, facts, requantise=requantise)
    for quant in wanted or ():
        quants.find(quant)


def require_room(found: Fetching, folder: Path, folder_bytes: int) -> None:
    """Refuse what the disk cannot hold all at once, and a large fetch that nobody agreed to.

    `folder_bytes` are what the sweep itself will write into its folder.
    """
    root, reserve = found.landing.root, found.plan.request.disk_reserve
    beside = folder_bytes if disk.shared(root, folder) else 0
    budget = disk.free_bytes(root) - reserve - beside
    needs = found.needs()
    if sum(need.missing_bytes for need in needs) > budget:
        raise _too_little(found, needs, budget, beside)
    pulling.require_consent(found.plan)


def _too_little(
    found: Fetching, needs: tuple[Need, ...], budget: int, beside: int
) -> TooLittleRoom:
    repo, root = found.landing.repo, found.landing.root
    sizes = ", ".join(f"{need.label} {disk.size(need.missing_bytes)}" for need in needs)
    written = f" and {disk.size(beside)} for what it writes" if beside else ""
    fit = ",".join(need.label for need in most_together(needs, budget))
    labels = ",".join(need.label for need in needs)
    each = f"`steelyard models each {repo}:{labels} -- steelyard engines bench {{}}`"
    hint = f"free space, lower --disk-reserve, or time one after the other: {each}"
    if fit:
        hint = f"these fit: `steelyard sweep {_PREFIX}{repo}:{fit}{found.engine}`; or {hint}"
    total = disk.size(sum(need.missing_bytes for need in needs))
    return TooLittleRoom(
        f"a sweep runs its variants in turns and needs all of {repo} at once: {sizes}, together "
        f"{total} to fetch; {disk.size(disk.free_bytes(root))} are free in {root}, "
        f"{disk.size(found.plan.request.disk_reserve)} of them kept back{written}",
        hint=hint,
    )


@contextmanager
def in_use(found: Fetching | None) -> Iterator[None]:
    """Keep the files from being removed, those too that are still to come."""
    with holding.in_use(found.leases if found else ()):
        yield


def fetch(found: Fetching, owner: Path, emit: Emit) -> None:
    """Fetch what is missing, and note whose it is: `owner` is the folder of the sweep."""
    claims, name = stored_notes.claims(), str(owner.resolve())
    claims.read()  # rather not begun than broken off half-way
    pulling.fetch(found.plan, emit, mine=lambda file: claims.add((file.digest,), name))


def lines(found: Fetching, keep: tuple[str, ...], *, keep_all: bool) -> list[str]:
    """Say what is fetched, what is here, and what becomes of it."""
    rows = []
    for need in found.needs():
        state = f"{disk.size(need.missing_bytes)} to fetch" if need.missing_bytes else "here"
        if need.label in found.pinned:
            state += ", pinned"
        rows.append(f"  {need.label:<16} {disk.size(need.size_bytes):>10}  {state}")
    after = "everything stays"
    if not keep_all:
        kept = f", {', '.join(keep)}" if keep else ""
        after = (
            "when it has ended well, what it fetched is removed again but for what is recommended, "
            f"the reference{kept}, and what is pinned (--keep-all: everything stays)"
        )
    return [
        *rows,
        f"{pulling.summary(found.plan)}. All of it is needed at once, and nothing is fetched "
        f"while something is timed; {after}.",
    ]


def as_plain(found: Fetching, *, keep_all: bool) -> Mapping[str, Any]:
    """Return the same for a program."""
    return {
        "repository": found.landing.repo,
        "commit": found.landing.commit,
        "into": str(found.landing.root),
        "free_bytes": disk.free_bytes(found.landing.root),
        "reserve_bytes": found.plan.request.disk_reserve,
        "needed_bytes": found.plan.needed_bytes,
        "removed_at_the_end": "nothing" if keep_all else "all but recommended, reference, pinned",
        "variants": [
            {
                "label": need.label,
                "size_bytes": need.size_bytes,
                "missing_bytes": need.missing_bytes,
                "reference": need.reference,
                "pinned": need.label in found.pinned,
            }
            for need in found.needs()
        ],
    }
