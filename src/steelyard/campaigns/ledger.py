"""What became of every cell, what it cost, and what the budget still allows.

The machine's book-keeping: it answers "what is next of this block" and "what was left out and
why". Estimates are the plan's, corrected by how long finished cells really took. Not aware of
the order of phases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, assert_never, final

from steelyard.campaigns.events import (
    BudgetSpent,
    CellFailed,
    CellFinished,
    CellStarted,
    FidelityFailed,
    FidelityMeasured,
    RawTimed,
    Soaked,
)
from steelyard.campaigns.plan import Cell, Plan
from steelyard.domain.errors import StoreError
from steelyard.domain.serverside import NO_SPEED

_MINUTE_S: Final = 60.0
State: TypeAlias = Literal["pending", "under_way", "done", "polluted", "failed", "dropped"]
LedgerEvent: TypeAlias = (
    CellStarted
    | CellFinished
    | CellFailed
    | FidelityMeasured
    | FidelityFailed
    | RawTimed
    | Soaked
    | BudgetSpent
)


@final
@dataclass(slots=True)
class _Entry:
    cell: Cell
    state: State = "pending"
    tries: int = 0
    died: int = 0
    why: str = ""
    repeat_of: str | None = None
    missed: bool = False
    held: State | None = None  # what it was before it was opened again with its record in place

    @property
    def goes_on(self) -> bool:
        """Whether a resume asks more of it; a repeat that is polluted still has others after it."""
        return self.missed and (
            self.state == "done" or (self.state == "polluted" and self.repeat_of is None)
        )


@final
class Ledger:
    """Mutable on purpose: it belongs to one `Campaign` and is rebuilt by replay."""

    def __init__(self, plan: Plan) -> None:
        self._entries = {cell.spec.id: _Entry(cell) for cell in plan.cells}
        self._repeats = max(1, plan.blocks)
        self._fidelity: dict[str, State] = dict.fromkeys(plan.fidelity, "pending")
        self._fidelity_s = plan.fidelity_s
        self._raw: dict[str, State] = dict.fromkeys(plan.raw, "pending")
        self._raw_s = plan.raw_s
        self._soak: State = "done" if plan.soak is None else "pending"
        self._soak_s = plan.soak_s
        self._observed = 0.0
        self._expected = 0.0
        self._closed = False
        self._again = True
        self.budget_s: float | None = None
        self.spent_s = 0.0

    @property
    def under_way(self) -> str | None:
        """Return the id of the cell under way, if one is."""
        return next((i for i, e in self._entries.items() if e.state == "under_way"), None)

    def spend(self, seconds: float) -> None:
        """Count elapsed time against the budget."""
        self.spent_s += seconds

    def resume(self, budget_s: float | None, *, again: bool = False) -> None:
        """Start a new session: failed, dropped and interrupted work is open again.

        So is a cell of which too many items were not run: under its own number, since what was
        answered stays.

        With `again` so is what is polluted still, under a further repeat number. Without, what is
        polluted counts: no repeat is run, also none that was open.
        """
        if budget_s is not None:
            self.budget_s = budget_s
        self._closed = False
        self._again = again
        for entry in self._entries.values():
            if entry.goes_on:
                entry.held, entry.state = entry.state, "pending"
            elif entry.state in ("under_way", "failed", "dropped"):
                entry.state, entry.died, entry.why = "pending", 0, ""
        for states in (self._fidelity, self._raw):
            states.update({label: "pending" for label, state in states.items() if state != "done"})
        self._soak = "done" if self._soak == "done" else "pending"
        for entry in self._first_runs("polluted") if again else ():
            self._open_repeat(entry)
        self._spare_repeats()

    def take(self, event: LedgerEvent) -> None:
        """Book what happened to a cell, a comparison or the budget."""
        match event:
            case CellStarted(run_id=run_id):
                self._begin(run_id)
            case CellFinished():
                self._finish(event)
            case CellFailed():
                self._fail(event)
            case FidelityMeasured(label=label, seconds=seconds):
                self.spend(seconds)
                self._fidelity[label] = "done"
            case FidelityFailed(label=label, seconds=seconds):
                self.spend(seconds)
                self._fidelity[label] = "failed"
            case RawTimed(label=label, state=state, seconds=seconds):
                self.spend(seconds)
                self._raw[label] = "failed" if state in NO_SPEED else "done"
            case Soaked(outcome=outcome, seconds=seconds):
                self.spend(seconds)
                self._soak = "done" if outcome == "completed" else "failed"
            case BudgetSpent():
                self._closed = True
            case _:
                assert_never(event)

    def _begin(self, run_id: str) -> None:
        entry = self._entry(run_id)
        entry.state = "under_way"
        entry.tries += 1

    def _finish(self, event: CellFinished) -> None:
        entry = self._entry(event.run_id)
        self.spend(event.seconds)
        entry.why = ", ".join(event.reasons)
        if event.outcome in ("failed", "cancelled"):
            entry.state, entry.missed, entry.held = "failed", False, None
            return
        if entry.held is None:  # else few of its items were asked
            self._observed += event.seconds
            self._expected += entry.cell.estimate_s
        entry.missed, entry.held = bool(event.missed), None
        entry.state = "done" if event.quality == "CLEAN" else "polluted"
        if entry.state == "polluted" and entry.repeat_of is None:
            self._open_repeat(entry)
            self._spare_repeats()

    def _fail(self, event: CellFailed) -> None:
        entry = self._entry(event.run_id)
        self.spend(event.seconds)
        entry.why = event.why
        entry.died += event.engine_died
        entry.missed, entry.held = False, None
        again = event.engine_died and entry.died == 1
        entry.state = "pending" if again else "failed"

    def next_of_block(self, block: int) -> Cell | None:
        """Return the next cell of a block that can be afforded; drop those that cannot."""
        pending = [e for e in self._first_runs("pending") if e.cell.block == block]
        if block > 0 and pending and not (self._first_block_whole() and self._block_fits(pending)):
            for entry in pending:
                self._drop(entry, f"timing block {block + 1} did not fit the budget")
            return None
        for entry in pending:
            if entry.cell.mandatory or self._fits(self.estimate(entry.cell) + self._owed(entry)):
                return entry.cell
            more = max(1, round(self.estimate(entry.cell) / _MINUTE_S))
            self._drop(
                entry,
                "the budget was spent before its turn: undecided; --resume with about "
                f"{more} min more in --budget would run it",
            )
        return None

    def next_fidelity(self) -> str | None:
        """Return the next variant whose probabilities are to be compared."""
        for label, state in self._fidelity.items():
            if state == "pending":
                if self._fits(self._fidelity_s):
                    return label
                self._fidelity[label] = "dropped"
        return None

    def next_raw(self) -> str | None:
        """Return the next variant with which the bare engine is to be timed."""
        for label, state in self._raw.items():
            if state == "pending":
                if self._fits(self._raw_s):
                    return label
                self._raw[label] = "dropped"
        return None

    @property
    def soak_due(self) -> bool:
        """Whether what was chosen is to be kept under load yet, and there is time for it."""
        return self._soak == "pending" and self._affordable(self._soak_s)

    def next_polluted(self) -> Cell | None:
        """Return the next repeat of a polluted cell; those that carry tasks come first."""
        open_ = [e for e in self._entries.values() if e.repeat_of and e.state == "pending"]
        for entry in sorted(open_, key=lambda e: (not e.cell.spec.tasks, not e.cell.mandatory)):
            if self._fits(self.estimate(entry.cell)):
                return entry.cell
            self._drop(entry, "the budget allowed no repeat of a polluted run")
        return None

    def tries(self, run_id: str) -> int:
        """Return how often a cell was begun."""
        return self._entry(run_id).tries

    def estimate(self, cell: Cell) -> float:
        """Return what a cell should take, by the plan and by how wrong the plan was so far."""
        known = self._expected > 0 and self._observed > 0
        return cell.estimate_s * (self._observed / self._expected if known else 1.0)

    def remaining_s(self) -> float:
        """Return the estimated time of everything still open."""
        cells = sum(self.estimate(e.cell) for e in self._entries.values() if e.state == "pending")
        screened = self._fidelity_s * sum(s == "pending" for s in self._fidelity.values())
        raw = self._raw_s * sum(s == "pending" for s in self._raw.values())
        return cells + screened + raw + self._soak_owed

    def counts(self) -> tuple[int, int, int, int]:
        """Return how many cells are done, failed, dropped and open."""
        states = [entry.state for entry in self._entries.values()]
        done = states.count("done") + states.count("polluted")
        open_ = states.count("pending") + states.count("under_way")
        return done, states.count("failed"), states.count("dropped"), open_

    def skipped(self) -> dict[str, str]:
        """Say why a cell (`ROLE/LABEL/REPEAT`), `fidelity/LABEL`, `raw/LABEL`, `soak` is absent."""
        cells = {
            f"{entry.cell.role}/{entry.cell.label}/{entry.cell.spec.repeat}": entry.why
            for entry in self._entries.values()
            if entry.state in ("dropped", "failed")
        }
        if self._soak == "pending" and not self.soak_due:
            cells["soak"] = "did not fit the budget"
        beside = {"fidelity": self._fidelity, "raw": self._raw}
        return cells | {
            f"{what}/{label}": "did not fit the budget"
            for what, states in beside.items()
            for label, state in states.items()
            if state == "dropped"
        }

    def open_labels(self) -> frozenset[str]:
        """Return the variants that open work is about; a soak may yet be of any."""
        cells = {e.cell.label for e in self._entries.values() if e.state == "pending"}
        beside = {
            label
            for states in (self._fidelity, self._raw)
            for label, state in states.items()
            if state == "pending"
        }
        soak = {e.cell.label for e in self._entries.values() if self._soak == "pending"}
        return frozenset(cells | beside | soak)

    def _entry(self, run_id: str) -> _Entry:
        if run_id not in self._entries:
            raise StoreError(
                f"the journal speaks of run {run_id}, which the plan does not hold",
                hint="restore the folder's plan, or start again in a new folder",
            )
        return self._entries[run_id]

    def _first_runs(self, state: State) -> list[_Entry]:
        return [e for e in self._entries.values() if e.state == state and e.repeat_of is None]

    def _open_repeat(self, entry: _Entry) -> None:
        """The polluted record stays; the repeat is a run of its own, after those before it."""
        tries = [e for e in self._entries.values() if e.repeat_of == entry.cell.spec.id]
        later = self._repeats * (len(tries) + 1)
        spec = replace(entry.cell.spec, repeat=entry.cell.spec.repeat + later)
        if entry.cell.role != "sentinel" and all(e.state == "polluted" for e in tries):
            cell = replace(entry.cell, spec=spec)
            self._entries[spec.id] = _Entry(cell, repeat_of=entry.cell.spec.id)

    def _spare_repeats(self) -> None:
        """Drop the open repeats where what is polluted counts; a journal may yet tell of one."""
        for entry in () if self._again else self._entries.values():
            opened = entry.state == "pending" and entry.held is None
            if entry.repeat_of is not None and opened:
                self._drop(entry, "what is polluted was to count")

    def _drop(self, entry: _Entry, why: str) -> None:
        if entry.held is not None:  # its record stays, of all that was answered
            entry.state, entry.held = entry.held, None
        else:
            entry.state, entry.why = "dropped", why

    @property
    def _soak_owed(self) -> float:
        return self._soak_s if self._soak == "pending" else 0.0

    def _fits(self, seconds: float) -> bool:
        """What was asked for by name at the end has its time kept back."""
        return self._affordable(seconds + self._soak_owed)

    def _affordable(self, seconds: float) -> bool:
        if self._closed:
            return False
        return self.budget_s is None or self.spent_s + seconds <= self.budget_s

    def _first_block_whole(self) -> bool:
        """A further timing of some is worth less than the first of all."""
        dropped = self._first_runs("dropped")
        return not any(e.cell.block == 0 and e.cell.role == "candidate" for e in dropped)

    def _block_fits(self, pending: list[_Entry]) -> bool:
        """A block is begun only whole, and only after what decides has its share."""
        repeats = [e for e in self._entries.values() if e.repeat_of and e.state == "pending"]
        tasks = [e for e in repeats if e.cell.spec.tasks]
        return self._fits(sum(self.estimate(e.cell) for e in (*pending, *tasks)))

    def _owed(self, entry: _Entry) -> float:
        """Return what must be kept back for the reference and the A/A row."""
        mandatory = [e for e in self._first_runs("pending") if e.cell.mandatory and e is not entry]
        return sum(self.estimate(e.cell) for e in mandatory)
