"""Rows of a summary with chosen numbers, to recommend from."""

from __future__ import annotations

from dataclasses import replace

from steelyard.analysis.gates import ADHERENCE, OUTPUT_SPEED, QUALITY, TTFT
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Artifact, ArtifactFacts, Variant
from steelyard.domain.summary import (
    Estimate,
    Gate,
    GateState,
    Marks,
    Throughput,
    VariantRow,
    Verdict,
    VerdictName,
)

NONE = Missing("no_samples", "nothing was measured")
NOTHING = Estimate(NONE, NONE, NONE, 0)


def measured(value: float) -> Reading[float]:
    return Measured(value, "derived")


def estimate(value: float, half: float = 0.0, n: int = 12) -> Estimate:
    return Estimate(measured(value), measured(value - half), measured(value + half), n)


def unbounded(value: float, n: int = 1) -> Estimate:
    few = Missing("too_few_samples", "one sample has no spread")
    return Estimate(measured(value), few, few, n)


def variant(label: str, bpw: float, *, reference: bool = False) -> Variant:
    size = int(1e6 * bpw)
    facts = ArtifactFacts(
        "llama",
        label,
        8_000_000,
        size,
        bpw,
        bpw,
        size,
        {label: 8_000_000},
        6,
        256,
        4,
        64,
        4096,
        2048,
    )
    artifact = Artifact(f"{label}.gguf", "gguf", label.encode().hex().ljust(64, "0"), size)
    return Variant(label, artifact, facts, "native" if reference else None)


def verdict(name: VerdictName = "no loss shown", loss: float = 0.004) -> Verdict:
    return Verdict(
        name=name,
        loss=loss,
        low=loss - 0.011,
        high=loss + 0.012,
        margin=0.03,
        floor=0.0,
        items=1200,
        flips_lost=20,
        flips_won=15,
        p_adjusted=0.4,
        to_decide_items=Measured(2000, "estimated") if name == "undecided" else Missing("decided"),
        reason="",
    )


def gates(
    quality: GateState = "met",
    adherence: GateState = "met",
    ttft: GateState = "met",
    output: GateState = "met",
) -> tuple[Gate, ...]:
    states = {QUALITY: quality, ADHERENCE: adherence, TTFT: ttft, OUTPUT_SPEED: output}
    return tuple(Gate(name, state, "a limit", "a finding") for name, state in states.items())


def row(label: str, bpw: float, right_per_second: float = 10.0, **changes: object) -> VariantRow:
    per_right = 1 / right_per_second
    whole = VariantRow(
        variant=variant(label, bpw, reference=label == "F16"),
        role="reference" if label == "F16" else "candidate",
        quality="CLEAN",
        outcome="completed",
        outcome_reason="",
        memory_bytes=Measured(50_000_000, "client"),
        load_s=measured(0.1),
        speeds=(),
        marks=Marks(
            900, 290, 10, 0, estimate(0.75, 0.02, 1200), measured(0.75), measured(0.75), {}
        ),
        family_marks={},
        adherence=estimate(0.9, 0.02),
        verdict=Measured(verdict(), "derived"),
        fidelity=NONE,
        throughput=Throughput(
            estimate(per_right, 0.05 * per_right),
            NOTHING,
            NOTHING,
            measured(right_per_second),
            measured(right_per_second / 1000),
        ),
        gates=gates(),
        on_frontier=False,
        cautions=(),
        run_ids=(f"{label}-0", f"{label}-1"),
    )
    if label == "F16":
        whole = replace(whole, verdict=Missing("is_reference", "it is the reference"))
    return replace(whole, **changes)  # type: ignore[arg-type]
