"""A fit frontier before its first run: cells foreseen, quants made and verified, quality weighed.

Nothing is made that is ruled out already, and nothing more once half of the budget is gone. Not
aware of how cells are run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.app import subjects
from steelyard.app.frontier import cells
from steelyard.app.frontier import quality as frontier_quality
from steelyard.app.frontier.cells import Foreseen, Rung
from steelyard.app.frontier.ground import Ground
from steelyard.app.frontier.quality import File, Quality
from steelyard.app.sweeps import ladder
from steelyard.campaigns.cells import Cell
from steelyard.campaigns.fit_search import Candidate
from steelyard.domain.progress import Emit, Noted
from steelyard.domain.reading import Measured, Missing
from steelyard.models import disk

_MAKING_SHARE: Final = 0.5


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is known before the first run; `files` has the reference first."""

    ground: Ground
    rungs: Mapping[str, Rung]
    foreseen: Mapping[Cell, Foreseen]
    files: Mapping[str, File]
    quality: Quality
    candidates: tuple[Candidate, ...]


def prepare(ground: Ground, elapsed_s: Callable[[], float], emit: Emit) -> Prepared:
    """Foresee every cell, make what is left of the ladder, and weigh its quality."""
    known = cells.known_rates(ground, emit)
    if isinstance(known, Missing):
        emit(Noted(f"speeds are not foreseen: {known}"))
    found = cells.rungs(ground)
    work = _Work(ground, elapsed_s, emit, cells.foresee(ground, found, known))
    work.make(found)
    quality = work.weigh()
    rungs = {rung.label: rung for rung in found}
    candidates = tuple(work.candidate(each, rungs[each.cell.quant], quality) for each in work.all)
    foreseen = {each.cell: each for each in work.all}
    return Prepared(ground, rungs, foreseen, work.files, quality, candidates)


@final
@dataclass(slots=True)
class _Work:
    """What is being prepared; `unmade` says of a quant why there is no file of it."""

    ground: Ground
    elapsed_s: Callable[[], float]
    emit: Emit
    all: Sequence[Foreseen]
    files: dict[str, File] = field(default_factory=dict)
    unmade: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> Sequence[Foreseen]:
        """The cells that nothing foreseen rules out."""
        return [each for each in self.all if not each.out]

    def make(self, rungs: Sequence[Rung]) -> None:
        """Quantise what may be run, the best first; verify every file."""
        ground, names = self.ground, {each.cell.quant for each in self.open}
        source = ground.order.source[0]
        wanted = [rung for rung in rungs if rung.label in names]
        made = [rung.made for rung in wanted if rung.made is not None]
        if made:
            total = sum(one.file_bytes for one in made)
            disk.require(ground.folder, total, what=f"quantising {source.name}")
        # The reference comes first, also where it is too large to be run itself.
        first = next(rung for rung in rungs if rung.path == source)
        if names:
            self._have(first)
        for rung in wanted:
            if rung.label not in self.files:
                self._have(rung)

    def weigh(self) -> Quality:
        """Weigh every pair of quant and cache that may be run."""
        request = self.ground.request
        pairs = dict.fromkeys(
            (each.cell.quant, each.cell.kv) for each in self.open if each.cell.quant in self.files
        )
        if not pairs:
            return frontier_quality.by_bits(Missing("nothing_left", "no cell is left to weigh"))
        share = frontier_quality.SHARE if request.max_kld is None else frontier_quality.MUST
        seconds = max(0.0, share * request.budget - self.elapsed_s())
        return frontier_quality.weigh(self.ground, self.files, tuple(pairs), seconds, self.emit)

    def candidate(self, each: Foreseen, rung: Rung, quality: Quality) -> Candidate:
        """Give a cell its place, or the reason that it is never run."""
        cell, most = each.cell, self.ground.request.max_kld
        rank = quality.rank(cell, rung.facts.file_bpw)
        if each.out:
            return Candidate(cell, rank, each.out)
        if late := self.unmade.get(cell.quant, ""):
            return Candidate(cell, rank, late, late=True)
        may_run = Candidate(cell, rank, cost=each.cost)
        if most is None:
            return may_run
        match quality.divergence(cell):
            case Measured(value=value) if value <= most:
                return may_run
            case Measured(value=value):
                return Candidate(cell, rank, f"KLD {value:.4f}, and at most {most:g} is wanted")
            case Missing() as why:
                return Candidate(cell, rank, f"its KLD is not known: {why}", late=True)

    def _have(self, rung: Rung) -> None:
        path, ground = rung.path, self.ground
        if path is None and self.elapsed_s() > _MAKING_SHARE * ground.request.budget:
            self.unmade[rung.label] = "the budget ended before it was quantised"
            return
        if path is None and rung.made is not None:
            models = ground.folder / "models"
            models.mkdir(parents=True, exist_ok=True)
            path = ladder.quantise(ground.order, rung.made, models, self.emit)
        if path is not None:
            variant = subjects.verified(rung.label, path, self.emit)
            self.files[rung.label] = File(variant, path.absolute())
