"""Whole sweeps with planted truth: speeds, losses, heat, pollution, failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.analysis.timed import CONTROLS, attempt, record, vitals
from tests.campaigns.sweeps import sweep

from steelyard.analysis.evidence import Evidence
from steelyard.campaigns.plan import Cell
from steelyard.campaigns.planner import plan
from steelyard.domain.campaign import Sweep
from steelyard.domain.caution import Caution
from steelyard.domain.instrument import Instrument
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import Environment, Proof, RunOutcome, RunRecord, RunSpec, Section
from steelyard.domain.stream import Attempt
from steelyard.domain.summary import Estimate, Fidelity
from steelyard.domain.task import Mark, NotRun, Right, Wrong
from steelyard.domain.workload import Workload

HOG = Caution("HIGH_CPU_SATURATION", "other programs used 60 %", "stop them")
ANOTHER_SEED = Caution("MISSING_EXPERIMENTAL_CONTROLS", "seed asked 7, found 8", "set the seed")
SPEEDS = {"F16": 40.0, "Q8_0": 60.0, "Q4_K_M": 80.0, "Q2_K": 100.0}
LOST = {"Q4_K_M": 8, "Q2_K": 120}
LOADS = (
    Workload("interactive", 512, 16, 4),
    Workload("depth", 16, 16, 3),
    Workload("depth", 2048, 16, 3),
)
ITEMS = 1200


def asked(**changes: object) -> Sweep:
    whole = sweep(workloads=LOADS, sentinel=Workload("interactive", 128, 16, 3))
    return replace(whole, **changes)  # type: ignore[arg-type]


def brief(**changes: object) -> Sweep:
    """The same with few items: for what does not hang on a verdict."""
    few = tuple(replace(task, items=24) for task in asked().tasks)
    return asked(**({"tasks": few} | changes))


@dataclass
class World:
    """The truth of one sweep: how fast, how good, and what goes wrong.

    `cut_thinking` counts, by `LABEL/FAMILY`, the answers that end at their limit in thought.
    """

    spec: Sweep = field(default_factory=asked)
    speeds: Mapping[str, float] = field(default_factory=lambda: SPEEDS)
    lost: Mapping[str, int] = field(default_factory=lambda: LOST)
    heat: Callable[[float], float] = lambda _: 1.0
    polluted: frozenset[str] = frozenset()
    caution: Caution = HOG
    failed: frozenset[str] = frozenset()
    not_run: Mapping[str, int] = field(default_factory=dict)
    aa_flips: int = 0
    cut_thinking: Mapping[str, int] = field(default_factory=dict)
    constraints: bool = True
    now_ms: float = 0.0

    def evidence(self, **changes: object) -> Evidence:
        laid = plan(self.spec)
        whole = sum(cell.estimate_s for cell in laid.cells)
        runs = [self._canary(laid.canary)] if laid.canary else []
        done = 0.0
        for cell in laid.cells:
            runs.append(self.run(cell, self.heat(done / whole)))
            done += cell.estimate_s
        found = Evidence(
            sweep=self.spec,
            runs=tuple(runs),
            fidelity={
                v.label: Measured(fidelity(0.1 / v.require_file().file_bpw), "derived")
                for v in self.spec.candidates
            },
            instrument=Instrument(Measured(1e-4, "derived"), Measured(5e-5, "derived")),
            proofs=(Proof("arithmetic", passed=True, found="512 of 512"),),
            phases_s={"runs": 60.0, "canary": 2.0},
            elapsed_s=Measured(62.0, "client"),
        )
        return replace(found, **changes)  # type: ignore[arg-type]

    def run(self, cell: Cell, heat: float) -> RunRecord:
        outcome: RunOutcome = "failed" if cell.label in self.failed else "completed"
        sections = () if outcome == "failed" else tuple(self._sections(cell, heat))
        cautions = (
            (self.caution,) if cell.label in self.polluted and cell.role != "sentinel" else ()
        )
        return self._record(cell.spec, sections, outcome=outcome, cautions=cautions)

    def _sections(self, cell: Cell, heat: float) -> list[Section]:
        tps = self.speeds[cell.label] * heat
        found = [self.load(load, tps) for load in cell.spec.workloads]
        tasks = [self._task(task.family, task.items, cell, tps) for task in cell.spec.tasks]
        return found + tasks

    def load(self, load: Workload, tps: float) -> Section:
        attempts = [self._attempt(str(n), tps, load.output_tokens) for n in range(load.requests)]
        return self._section(load.name, attempts, {}, "workload")

    def _task(self, family: str, items: int, cell: Cell, tps: float) -> Section:
        attempts, marks = [], {}
        lost = self.lost.get(cell.label, 0) // 4
        flips = self.aa_flips // 4 if cell.role == "aa" else 0
        gone = self.not_run.get(cell.label, 0) // 4 if cell.role != "aa" else 0
        for number in range(items):
            item = f"{number:04d}"
            right = number % 4 != 0
            if number % 4 == 1:
                right = number // 4 >= lost
            if number % 4 in (0, 2) and number // 4 < flips:
                right = not right
            asked = self._attempt(item, tps, 4)
            if number < self.cut_thinking.get(f"{cell.label}/{family}", 0):
                asked = replace(asked, finish_reason="length", reasoning="so then", text="")
            attempts.append(asked)
            outcome = NotRun("gone") if number < gone else Right() if right else Wrong()
            held = {"json": number % 10 != 0} if self.constraints and family == "formats" else {}
            marks[item] = Mark(outcome, constraints=held)
        return self._section(f"{family}/l1", attempts, marks, "task")

    def _attempt(self, sample: str, tps: float, tokens: int) -> Attempt:
        gap = 1000 / tps
        found = attempt(
            sample, sent_ms=self.now_ms, first_ms=5 * gap, gap_ms=gap, tokens=tokens, text="same"
        )
        self.now_ms = found.done_ns / 1e6 + 1
        return found

    def _section(
        self, name: str, attempts: list[Attempt], marks: dict[str, Mark], kind: str
    ) -> Section:
        return Section(
            name=name,
            kind="task" if kind == "task" else "workload",
            outcome="completed",
            started_ns=attempts[0].sent_ns,
            ended_ns=attempts[-1].done_ns,
            attempts=tuple(attempts),
            marks=marks,
            clusters={item: item for item in marks} if kind == "task" else {},
        )

    def _canary(self, spec: RunSpec) -> RunRecord:
        (load,) = spec.workloads
        section = self.load(load, self.speeds["F16"])
        return self._record(spec, (section,))

    def _record(
        self,
        spec: RunSpec,
        sections: tuple[Section, ...],
        *,
        outcome: RunOutcome = "completed",
        cautions: tuple[Caution, ...] = (),
    ) -> RunRecord:
        self.now_ms += 500
        seen = replace(vitals(), energy_j=Missing("no_counter", "no RAPL on this host"))
        return replace(
            record(sections, seen=Measured(seen, "client"), controls=CONTROLS),
            id=f"run-{spec.id}",
            spec=spec,
            outcome=outcome,
            reason="EngineError: code 139" if outcome == "failed" else "",
            started_at=_stamp(int(self.now_ms / 1000)),
            proofs=(Proof("identity", passed=outcome == "completed", found="it serves it"),),
            environment=Environment("6.1", "3.11", {}),
            cautions=cautions,
        )


def _stamp(seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"2026-11-21T{hours:02d}:{minutes:02d}:{seconds % 60:02d}Z"


def fidelity(divergence: float) -> Fidelity:
    def about(value: float) -> Estimate:
        measured = Measured(value, "derived")
        return Estimate(measured, measured, measured, 1024)

    return Fidelity(
        about(9.0), about(divergence), about(0.98), 1024, "7e" * 32, 512, "f16", "ab" * 32
    )
