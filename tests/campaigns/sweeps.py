"""Sweeps to plan and to drive: a reference, a few quants, small work."""

from __future__ import annotations

from dataclasses import replace

from steelyard.domain.campaign import Sweep
from steelyard.domain.subject import Artifact, ArtifactFacts, Variant
from steelyard.domain.task import Task
from steelyard.domain.workload import Workload

BITS = {"F16": 16.0, "Q8_0": 8.5, "Q4_K_M": 4.9, "Q2_K": 3.2}


def variant(label: str, bpw: float, *, reference: bool = False) -> Variant:
    size = int(1_000_000 * bpw)
    facts = ArtifactFacts(
        architecture="llama",
        quant=label,
        parameters=8_000_000,
        tensor_bytes=size,
        file_bpw=bpw,
        body_bpw=bpw,
        active_bytes=size,
        type_elements={label: 8_000_000},
        layers=6,
        embedding_length=256,
        kv_heads=4,
        head_dim=64,
        context_tokens=4096,
        vocabulary=2048,
    )
    digest = label.encode().hex().ljust(64, "0")
    artifact = Artifact(f"tiny-{label}.gguf", "gguf", digest, size)
    return Variant(label, artifact, facts, "native" if reference else None)


def sweep(*labels: str, **changes: object) -> Sweep:
    names = labels or tuple(BITS)
    whole = Sweep(
        model="tiny",
        variants=tuple(variant(name, BITS[name], reference=name == "F16") for name in names),
        workloads=(Workload("interactive", 128, 32, 4),),
        tasks=tuple(Task(family, items=300) for family in ("formats", "logic", "math", "reading")),
        sentinel=Workload("interactive", 64, 16, 3),
        canary=Workload("canary", 0, 32, 10, warmup=2),
        fidelity_positions=1024,
        repeats=3,
        seed=7,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]
