"""Rows of an example sweep: numbers as no machine would give them, and gaps of several kinds."""

from __future__ import annotations

import math
from dataclasses import replace

from steelyard.domain.caution import Caution
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.subject import Artifact, ArtifactFacts, Variant
from steelyard.domain.summary import (
    Estimate,
    Fidelity,
    Gate,
    Marks,
    Optimisation,
    Speed,
    Throughput,
    VariantRow,
    Verdict,
    VerdictName,
)

HOSTILE = "Q3_K_M<script>document.title='owned'</script>"


ITEMS = 1200


FAMILIES = ("formats", "logic", "math_words", "reading")


GONE = Missing("run_failed", "the engine ended with code 139 while it loaded the model")


NOT_THE_REFERENCE = Missing("is_reference", "the reference is what the others are compared with")


def measured(value: float) -> Reading[float]:
    return Measured(value, "derived")


def estimate(value: float, half: float, n: int = 12) -> Estimate:
    return Estimate(measured(value), measured(value - half), measured(value + half), n)


def no_estimate(why: Missing) -> Estimate:
    return Estimate(why, why, why, 0)


def variant(label: str, quant: str, bpw: float, *, reference: bool = False) -> Variant:
    digest = f"{sum(map(ord, label)):02x}" * 40
    facts = ArtifactFacts(
        architecture="llama",
        quant=quant,
        parameters=5_640_192,
        tensor_bytes=int(5_640_192 * bpw / 8),
        file_bpw=bpw,
        body_bpw=bpw * 0.96,
        active_bytes=int(5_640_192 * bpw / 8),
        type_elements={quant: 5_000_000, "F32": 3_328, "Q6_K": 636_864},
        layers=6,
        embedding_length=256,
        kv_heads=4,
        head_dim=64,
        context_tokens=4096,
        vocabulary=2048,
        chat_template_sha256="c0ffee" * 10 + "c0ff",
        imatrix=None if bpw > 4 else "1f" * 8,
    )
    artifact = Artifact(
        f"bundled-{quant}.gguf", "gguf", digest[:64], int(5_640_192 * bpw / 8) + 66_304
    )
    return Variant(label, artifact, facts, "native" if reference else None)


# Prompt tokens, depth, streams, and how much slower or faster than the first.
WORKLOADS = ((16, 0, 1, 1.0), (512, 0, 1, 0.97), (2048, 2048, 1, 0.71), (512, 0, 4, 0.4))


def speeds(output_tps: float) -> tuple[Speed, ...]:
    return tuple(
        Speed(
            metric=metric,
            unit=unit,
            estimate=estimate(value, value * 0.03, 9),
            prompt_tokens=prompt,
            depth_tokens=depth,
            cached_tokens=Measured(0, "engine"),
            streams=streams,
            rating="good" if metric == "ttft_s" and depth else rating,
        )
        for prompt, depth, streams, factor in WORKLOADS
        for metric, unit, value, rating in (
            ("output_tps", "tok/s", output_tps * factor, "excellent"),
            ("prompt_tps", "tok/s", output_tps * factor * 9.3, None),
            ("ttft_s", "s", (4 + prompt / 9) / output_tps, "excellent"),
            ("itl_p99_s", "s", 2.1 / output_tps / factor, None),
            ("e2e_s", "s", 64 / output_tps / factor, None),
            ("latency_cv", "share", 0.02 / factor, "excellent"),
        )
    )


def marks(right: int, invalid: int = 14, not_run: int = 0, of: int = ITEMS) -> Marks:
    known = max(of - not_run, 1)
    share = right / known
    half = 1.96 * math.sqrt(max(share * (1 - share), 1e-9) / known)
    whys = {"truncated": invalid - invalid // 3, "unparsable": invalid // 3} if invalid else {}
    return Marks(
        right=right,
        wrong=of - right - invalid - not_run,
        invalid=invalid,
        not_run=not_run,
        right_share=estimate(share, half, known),
        worst_share=measured(right / of),
        best_share=measured((right + not_run) / of),
        invalid_why=whys,
    )


def verdict(
    name: VerdictName, loss: float, low: float, high: float, lost: int, won: int
) -> Verdict:
    return Verdict(
        name=name,
        loss=loss,
        low=low,
        high=high,
        margin=0.03,
        floor=0.004,
        items=ITEMS,
        flips_lost=lost,
        flips_won=won,
        p_adjusted=0.0004 if name == "worse" else 0.31,
        to_decide_items=Measured(3400, "estimated") if name == "undecided" else Missing("decided"),
        reason={
            "no loss shown": "the interval ends below the margin and reaches the floor",
            "within margin": "a loss is shown, and all of the interval lies below the margin",
            "undecided": "the interval reaches beyond the margin and down to the floor",
            "worse": "the interval lies above the floor and reaches beyond the margin",
        }[name],
    )


def fidelity(kld: float, perplexity: float, agreement: float) -> Fidelity:
    return Fidelity(
        perplexity=estimate(perplexity, 0.21, 4096),
        kl_divergence=estimate(kld, kld * 0.12, 4096),
        top_agreement=estimate(agreement, 0.0015, 4096),
        positions=4096,
        text_sha256="7e" * 32,
        context_tokens=512,
        kv_type="f16",
        reference_sha256="ab" * 32,
    )


def row(
    label: str, quant: str, bpw: float, output_tps: float, right: int, **changes: object
) -> VariantRow:
    weight = int(5_640_192 * bpw / 8)
    per_right = 31.0 / output_tps * ITEMS / right
    whole = VariantRow(
        variant=variant(label, quant, bpw),
        role="candidate",
        quality="CLEAN",
        outcome="completed",
        outcome_reason="",
        memory_bytes=Measured(weight + 38_000_000, "client"),
        load_s=measured(0.031 + bpw / 400),
        speeds=speeds(output_tps),
        marks=marks(right),
        family_marks={
            family: marks(right // 4 + 23 * (place - 1), 3, of=ITEMS // 4)
            for place, family in enumerate(FAMILIES)
        },
        adherence=estimate(0.91 - 0.1 / bpw, 0.018, 300),
        verdict=NOT_THE_REFERENCE,
        fidelity=NOT_THE_REFERENCE,
        throughput=Throughput(
            seconds_per_right=estimate(per_right, per_right * 0.05, right),
            tokens_per_right=estimate(31.0 * ITEMS / right, 0.4, right),
            joules_per_right=no_estimate(Missing("no_counter", "this machine has no RAPL counter")),
            right_per_second=measured(1 / per_right),
            adherence_per_latency=measured(0.9 / per_right),
        ),
        gates=(
            Gate("paired loss of right answers", "met", "below 3.0 points", "0.8 points"),
            Gate("adherence", "met", "at most 5.0 points lost", "0.6 points lost"),
            Gate("time to first token", "met", "at most 10 s", "0.21 s"),
        ),
        on_frontier=True,
        cautions=(),
        run_ids=(f"{label[:6]}-timing", f"{label[:6]}-tasks"),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def every_row() -> tuple[VariantRow, ...]:
    reference = row("F16", "F16", 16.01, 412.0, 921, role="reference", on_frontier=False)
    reference = replace(reference, variant=variant("F16", "F16", 16.01, reference=True))
    twin = row(
        "F16 A/A",
        "F16",
        16.01,
        409.0,
        919,
        role="aa",
        on_frontier=False,
        verdict=Measured(verdict("no loss shown", 0.0017, -0.0025, 0.0058, 5, 3), "derived"),
    )
    hog = Caution(
        "HIGH_CPU_SATURATION",
        "other programs used 46 % of the processor (limit 15 %)",
        "close them and run `steelyard sweep --resume`",
    )
    candidates = (
        _judged("Q8_0", "Q8_0", 8.53, 598.0, 923, "no loss shown", -0.0017, 0.00012),
        _judged("Q5_K_M", "Q5_K_M", 5.72, 701.0, 917, "no loss shown", 0.0033, 0.0014),
        _judged("Q4_K_M", "Q4_K_M", 4.87, 768.0, 908, "within margin", 0.0108, 0.0046),
        _judged(HOSTILE, "Q3_K_M", 3.94, 802.0, 894, "undecided", 0.0225, 0.0101),
        _judged("Q2_K", "Q2_K", 3.21, 841.0, 811, "worse", 0.0917, 0.0322),
    )
    polluted = replace(candidates[1], quality="POLLUTED", cautions=(hog,), on_frontier=False)
    lossless = replace(candidates[3], marks=marks(889, 21, 3))
    failed = _failed("IQ2_M", "IQ2_M", 2.91)
    return (
        reference,
        twin,
        candidates[0],
        polluted,
        candidates[2],
        lossless,
        candidates[4],
        failed,
    )


def _judged(
    label: str,
    quant: str,
    bpw: float,
    output_tps: float,
    right: int,
    name: VerdictName,
    loss: float,
    kld: float,
) -> VariantRow:
    half = 0.024 if name == "undecided" else 0.011
    judged = verdict(name, loss, loss - half, loss + half, 20 + int(loss * ITEMS), 20)
    return row(
        label,
        quant,
        bpw,
        output_tps,
        right,
        verdict=Measured(judged, "derived"),
        fidelity=Measured(fidelity(kld, 11.2 + kld * 9, 0.998 - kld * 2.4), "derived"),
        family_verdicts={
            family: replace(judged, items=ITEMS // 4, low=loss - 0.05, high=loss + 0.05)
            for family in FAMILIES
        },
        family_flips={
            family: estimate(0.02 + abs(loss) * (1 + place), 0.015, ITEMS // 4)
            for place, family in enumerate(FAMILIES)
        },
        bands={"overall": "good", "math_words": "acceptable"},
        sentences=(f"{label}: {name} against F16 on {ITEMS} items.",),
        vibe_delta=measured(-loss),
        optimisation=Optimisation(measured(0.00041), 2, measured(loss / 0.006), "OK"),
    )


def _failed(label: str, quant: str, bpw: float) -> VariantRow:
    return row(
        label,
        quant,
        bpw,
        900.0,
        1,
        outcome="failed",
        outcome_reason=GONE.detail,
        memory_bytes=GONE,
        load_s=GONE,
        speeds=(),
        marks=replace(marks(0, 0, ITEMS), right_share=no_estimate(GONE)),
        family_marks={},
        adherence=no_estimate(GONE),
        verdict=GONE,
        fidelity=Missing("kernel_refused", "the self-check of IQ2_M failed: <b>wrong logits</b>"),
        throughput=Throughput(no_estimate(GONE), no_estimate(GONE), no_estimate(GONE), GONE, GONE),
        gates=(),
        on_frontier=False,
    )
