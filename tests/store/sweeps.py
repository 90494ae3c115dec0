"""A small sweep for the store's tests."""

from __future__ import annotations

from steelyard.domain.campaign import Sweep
from steelyard.domain.subject import Artifact, ArtifactFacts, Variant

FACTS = ArtifactFacts(
    architecture="llama",
    quant="Q4_K_M",
    parameters=10,
    tensor_bytes=80,
    file_bpw=4.5,
    body_bpw=4.4,
    active_bytes=70,
    type_elements={"Q4_K": 8, "Q6_K": 2},
    layers=1,
    embedding_length=4,
    kv_heads=1,
    head_dim=4,
    context_tokens=64,
    vocabulary=9,
)


def sweep() -> Sweep:
    """A reference and one quant of it; the quant is the subject of `records.record`."""
    files = [("F16", "tiny-F16.gguf", "12" * 32), ("Q4_K_M", "tiny-Q4_K_M.gguf", "ab" * 32)]
    variants = [
        Variant(label, Artifact(name, "gguf", sha256, 1000), FACTS, "native" if n == 0 else None)
        for n, (label, name, sha256) in enumerate(files)
    ]
    return Sweep("tiny", tuple(variants))
