"""`models lab`: a mix of tensor types that loses less than the stock mix in its bytes, or none.

The shell of `campaigns.mixing`: it makes each file that the machine asks for, weighs it and throws
it away; proves the winner on the held-out text, and keeps it with its recipe. Every measurement is
in the folder's journal at once, so that a search that was broken off goes on. Not aware of
terminals: text comes back as text.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from steelyard.analysis import mixes as verdicts
from steelyard.app.mixes import ground as mix_ground
from steelyard.app.mixes import recipes
from steelyard.app.mixes import texts as mix_texts
from steelyard.app.mixes.findings import Found, Stock
from steelyard.app.mixes.ground import Axis, Ground, LabRequest
from steelyard.campaigns.mixing import Finished, Measure, MixSearch, Option, Tried, Unit
from steelyard.domain.errors import Interrupted, SteelyardError, UnsupportedSubject
from steelyard.domain.ids import content_id
from steelyard.domain.progress import Advanced, Emit, Noted, PhaseEnded, PhaseStarted
from steelyard.models import disk, ladder, mixes
from steelyard.models.mixes import Choice
from steelyard.platform import atomic, clock, locks
from steelyard.runs.divergence import ROOM_BYTES, Scale, Sums, Text
from steelyard.store.journal import Journal

_JOURNAL: Final = "measurements.jsonl"
_PENDING: Final = "0" * 16  # the id of a file that is only weighed: as long as any other
_PHASES: Final = {
    "alone": "weighing groups of tensors",
    "mix": "trying mixes",
    "around": "trying mixes",
}
_LOGPROB_BYTES: Final = 4
_NS_PER_S: Final = 1e9


@final
@dataclass(frozen=True, slots=True)
class Told:
    """What to print; 0 where a better mix was found, 1 where none was."""

    text: str
    json: str
    exit_code: int


def perform(request: LabRequest, emit: Emit) -> Told:
    """Search, prove and keep. Raises `Interrupted` after Ctrl+C; what was measured is kept."""
    started_ns = clock.monotonic_ns()
    ground = mix_ground.lay(request, emit)
    _require_room(ground)
    try:
        with locks.folder_lock(ground.out), _scratch(ground.out) as scratch:
            with Journal(ground.out / _JOURNAL) as journal:
                found = _Lab(ground, emit, journal, scratch, started_ns).search()
            report = mix_texts.Report(found, _seconds(started_ns))
            as_json = mix_texts.as_json(report)
            atomic.write(ground.out / f"{ground.stem}.lab.json", as_json.encode())
    except KeyboardInterrupt:
        raise Interrupted(
            "the search was interrupted: no mix is written",
            hint=f"what was measured is kept in {ground.out}; the same command goes on from there",
        ) from None
    return Told(mix_texts.as_text(report), as_json, 0 if found.kept is not None else 1)


@final
@dataclass(slots=True)
class _Lab:
    """One search under way."""

    ground: Ground
    emit: Emit
    journal: Journal
    scratch: Path
    started_ns: int
    known: dict[str, Sums] = field(default_factory=dict)

    def search(self) -> Found:
        """Weigh the stock mix, let the machine search beside it, and prove what it found."""
        for event in self.journal.events:
            self.known[str(event["key"])] = tuple(float(total) for total in event["sums"])
        ground = self.ground
        stocks = tuple(self._stocks(mix_ground.axes(ground, self.emit)))
        base = min(stocks, key=lambda stock: stock.total)
        tensors = [tensor for _, tensor in ground.model.tensors()]
        groups = mixes.groups(tensors, ground.request.bands)
        own, matrix = mixes.types_of(base.order), base.axis.matrix
        alignment = ground.model.head.alignment
        ways = tuple(
            mixes.choices(group, own, ground.allowed, matrix, alignment) for group in groups
        )
        names = tuple(group.name for group in groups)
        finished = self._searched(base, names, ways)
        found = Found(ground, stocks, base, names, ways, finished)
        return found if finished.winner is None else self._proved(found, finished.winner)

    def _stocks(self, axes: tuple[Axis, ...]) -> Iterator[Stock]:
        """Weigh the stock mix with each importance matrix that it can be made with."""
        ground = self.ground
        refused: UnsupportedSubject | None = None
        done = 0
        for axis in axes:
            try:
                order = ladder.plan(ground.path, ground.stock.name, imatrix=axis.path)
            except UnsupportedSubject as error:
                refused = error
                self.emit(Noted(f"not tried with {axis.name}: {error}"))
                continue
            done += 1
            yield Stock(axis, order, self._weighed(ground.search, order))
        if refused is not None and not done:
            raise refused

    def _searched(
        self, base: Stock, names: tuple[str, ...], ways: tuple[tuple[Choice, ...], ...]
    ) -> Finished:
        units = [
            Unit(name, tuple(Option(w.name, w.size_bytes, w.plain) for w in some), 0)
            for name, some in zip(names, ways, strict=True)
        ]
        stock = sum(some[0].size_bytes for some in ways)
        fixed = self._order(base, ways, (0,) * len(ways)).file_bytes - stock
        budget = self.ground.request.budget
        machine = MixSearch(
            units,
            base.order.file_bytes - fixed,
            self._mean(base.sums),
            math.inf if budget is None else budget,
        )
        step, began_ns, phase, done = machine.start(), clock.monotonic_ns(), "", 0
        while isinstance(step, Measure):
            if phase != (now := _PHASES[step.stage]):
                self._ended(phase, began_ns)
                phase, began_ns, done = now, clock.monotonic_ns(), 0
                total = machine.foreseen if step.stage == "alone" else None
                self.emit(PhaseStarted(phase, total, base.order.quant.name))
            sums = self._weighed(self.ground.search, self._order(base, ways, step.choice))
            done += 1
            self.emit(Advanced(phase, done))
            step = machine.handle(self._mean(sums), _seconds(self.started_ns))
        self._ended(phase, began_ns)
        if step.cut_short:
            raise SteelyardError(
                f"{step.reason}: nothing can be said of other mixes",
                hint="what was measured is kept: the same command with more --budget goes on, "
                "fewer --bands or --types ask for less",
            )
        return step

    def _ended(self, phase: str, began_ns: int) -> None:
        if phase:
            self.emit(PhaseEnded(phase, _seconds(began_ns)))

    def _proved(self, found: Found, winner: Tried) -> Found:
        """Weigh the winner and the stock mix on the held-out text, once; keep what is better."""
        base, text = found.base, self.ground.held_out
        self.emit(PhaseStarted("proving the mix", None, text.name))
        began_ns = clock.monotonic_ns()
        pending = self._order(base, found.ways, winner.choice)
        beside = tuple(self._weighed(text, stock.order) for stock in found.stocks)
        mix, stock = self._weighed(text, pending), self._weighed(text, base.order)
        proof = verdicts.proved(mix, stock, text.positions)
        self.emit(PhaseEnded("proving the mix", _seconds(began_ns)))
        found = replace(found, proof=proof, held_out=beside, mix_bytes=pending.file_bytes)
        if proof.claim == "none":
            return found
        types = mixes.types_of(pending)
        return replace(found, kept=recipes.keep(self.ground, base, types, proof, self.emit))

    def _order(
        self, base: Stock, ways: tuple[tuple[Choice, ...], ...], choice: Sequence[int | None]
    ) -> ladder.Order:
        types: dict[str, str] = {}
        for some, at in zip(ways, choice, strict=True):
            if at is not None:
                types |= some[at].types
        ground = self.ground
        return mixes.order(ground.model, ground.stock.name, types, base.axis.matrix, _PENDING)

    def _weighed(self, text: Text, order: ladder.Order) -> Sums:
        """Return a file's divergence, from the journal where it was weighed before."""
        matrix = None if order.imatrix is None else order.imatrix.sha256
        changed = {
            target.tensor.name: target.type.name
            for target in order.targets
            if target.type.id != target.tensor.type.id
        }
        made = {"source": self.ground.sha256, "types": changed, "matrix": matrix}
        key = content_id({**made, "text": text.id, "by": ladder.maker()})
        if key not in self.known:
            sums = self._made_and_weighed(text, order)
            self.journal.append({"key": key, "sums": list(sums)})
            self.known[key] = sums
        return self.known[key]

    def _made_and_weighed(self, text: Text, order: ladder.Order) -> Sums:
        ground, candidate = self.ground, self.scratch / "candidate.gguf"
        scale = Scale(text, ground.path, ground.facts, self.scratch, ground.threads)
        try:
            ladder.perform(order, candidate, threads=ground.threads)
            return scale.weigh(candidate)
        finally:
            candidate.unlink(missing_ok=True)

    def _mean(self, sums: Sums) -> float:
        return math.fsum(sums) / self.ground.search.positions


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """Yield an empty folder for files that are only weighed; a killed search may have left one."""
    folder = out / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_room(ground: Ground) -> None:
    texts = (ground.search, ground.held_out)
    tables = 3 * min(
        ROOM_BYTES, _LOGPROB_BYTES * ground.facts.vocabulary * max(t.positions for t in texts)
    )
    files = 3 * ground.facts.tensor_bytes
    disk.require(ground.out, tables + files, what=f"mixing the types of {ground.path.name}")


def _seconds(since_ns: int) -> float:
    return (clock.monotonic_ns() - since_ns) / _NS_PER_S
