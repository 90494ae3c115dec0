"""A sweep as it might have gone: seven variants and the A/A row, with all that can go amiss.

One variant failed to load, one run is polluted, readings are missing for several reasons, and
labels, engine logs and model output carry markup that must never run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from steelyard.domain.caution import Caution
from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import Controls, Device, Environment, Proof
from steelyard.domain.subject import Artifact, ArtifactFacts, Variant
from steelyard.domain.summary import (
    Estimate,
    Fidelity,
    Gate,
    Marks,
    Noise,
    NotMeasured,
    Optimisation,
    Pick,
    RunLine,
    Soak,
    Speed,
    SweepSummary,
    Thinking,
    Throughput,
    VariantRow,
    Verdict,
    VerdictName,
)
from steelyard.domain.vitals import Vitals, VitalSample

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


def _rows() -> tuple[VariantRow, ...]:
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


def _runs(rows: tuple[VariantRow, ...]) -> tuple[RunLine, ...]:
    return tuple(
        _run(kind, line, place) for place, line in enumerate(rows) for kind in line.run_ids
    )


def _run(name: str, line: VariantRow, place: int) -> RunLine:
    failed = line.outcome == "failed"
    return RunLine(
        id=name,
        label=line.variant.label,
        role=line.role,
        repeat=0,
        outcome=line.outcome,
        quality=line.quality,
        reasons=tuple(caution.code for caution in line.cautions),
        telemetry_status="TIMING_UNAVAILABLE" if failed else "OK",
        orchestration_overhead_ratio=GONE if failed else measured(0.021 + place / 900),
        elapsed_s=GONE if failed else measured(38.4 - place),
        other_cpu_share=measured(0.46 if line.quality == "POLLUTED" else 0.02),
        temperature_max_c=Missing("no_sensor", "no thermal zone is readable"),
        included=line.quality == "CLEAN" and not failed,
        prompt_tokens=GONE if failed else Measured(91_204, "engine"),
        output_tokens=GONE if failed else Measured(37_118, "engine"),
        attempts=0 if failed else 1236,
        failed_attempts=0 if failed else place % 3,
    )


def summary() -> SweepSummary:
    rows = _rows()
    return SweepSummary(
        campaign_id="5e1f09a7c2b4d6e8",
        model="steelyard-bundled 5.6M",
        reference_label="F16",
        reference_kind="native",
        suite="quick",
        items=ITEMS,
        margin=0.03,
        smallest_visible_loss=0.021,
        device=Device("Linux", "AMD EPYC 9R14", 2, 24 * 1024**3, "x86_64"),
        environment=Environment(
            kernel="6.1.0",
            python="3.11.7",
            packages={"steelyard": "0.1.0", "xllamacpp": "2026.10.11549"},
            engine_build=Measured("b11549-00dc8057", "engine"),
        ),
        controls=Controls(seed=7, threads=2, affinity=(0, 1), warmup=1),
        elapsed_s=measured(441.0),
        phases_s={"ladder": 12.4, "proofs": 8.1, "timing": 208.0, "tasks": 181.5, "fidelity": 31.0},
        proofs=(
            Proof("file", True, "8 of 8 files: sha256, size and tensor types as written down"),
            Proof("arithmetic", True, "512 of 512 positions within 1e-3 of the F32 answers"),
            Proof("prompt", True, "the same 512 tokens reached every variant"),
            Proof("identity", False, "IQ2_M never answered what it serves"),
        ),
        noise=Noise(
            client_error_ttft_s=measured(0.00012),
            client_error_gap_s=measured(0.00008),
            canary_cv=estimate(0.013, 0.004, 10),
            smallest_speed_difference=measured(0.026),
            aa_flips=Measured(8, "derived"),
            aa_floor=measured(0.004),
            drift_share=Missing("too_few_sentinels", "two sentinels ran and three are needed"),
            aa_same_text=estimate(0.97, 0.01, ITEMS),
            aa_same_mark=estimate(0.9933, 0.005, ITEMS),
        ),
        per_quant=rows,
        runs=_runs(rows),
        efficiency_frontier=("Q8_0", "Q4_K_M", HOSTILE, "Q2_K"),
        recommendation=_picks(),
        sentences=(
            "USE Q4_K_M: 24.4 right answers a second, and at most 2.3 points below F16.",
            "SMALLEST that qualifies: Q4_K_M at 4.87 bits per weight.",
            "AVOID Q2_K: 9.2 fewer of 100 right than F16 (95 %: 8.1 to 10.4 fewer): worse.",
        ),
        not_measured=(
            NotMeasured("energy", "this machine has no RAPL counter"),
            NotMeasured("CPU temperature", "no thermal zone is readable"),
            NotMeasured("IQ2_M", GONE.detail),
        ),
        text_sha256="7e" * 32,
    )


def _picks() -> tuple[Pick, ...]:
    return (
        Pick(
            "minimum_viable_quant",
            "Q4_K_M",
            "right_per_second",
            measured(18.75),
            "the lowest bits per weight of the 2 variants that meet every gate",
            None,
            ("Q4_K_M-timing", "Q4_K_M-tasks"),
        ),
        Pick(
            "best_value_quant",
            "Q8_0",
            "right_per_second",
            measured(24.4),
            "the most right answers a second among those that meet every gate",
            None,
            ("Q8_0-timing", "Q8_0-tasks"),
        ),
    )


def thoughtful() -> SweepSummary:
    """The same sweep of a model that thinks, and that goes round in circles when it is small."""
    whole = summary()

    def thinks(row: VariantRow, loops: int) -> VariantRow:
        found = Thinking(ITEMS, 800, estimate(312.4, 20.0, 800), measured(0.81), 44, 31, loops)
        return replace(row, thinking=Measured(found, "derived"), length_ratio=estimate(1.2, 0.1))

    rows = [
        thinks(row, 7 * place) if row.outcome == "completed" else replace(row, thinking=GONE)
        for place, row in enumerate(whole.per_quant)
    ]
    return replace(whole, per_quant=tuple(rows))


def nothing_qualifies() -> SweepSummary:
    """The same sweep under gates that nothing passed."""
    whole = summary()
    gate = "paired loss of right answers"
    picks = tuple(
        replace(
            pick,
            label=None,
            utility_value=Missing("none_qualifies"),
            reason="no variant met the gate",
            binding_gate=gate,
            evidence=(),
        )
        for pick in whole.recommendation
    )
    return replace(
        whole, recommendation=picks, efficiency_frontier=(), include_polluted=True, sentences=()
    )


def series() -> Mapping[str, Vitals]:
    """Vitals of the runs, one second apart, without a temperature on the failed one."""
    start = 5_000_000_000_000
    found = {}
    for place, line in enumerate(summary().runs):
        if line.outcome == "failed":
            continue
        samples = tuple(_sample(start + place * 40 * 10**9, second) for second in range(36))
        found[line.id] = Vitals(
            samples,
            2,
            Measured(60_000_000, "client"),
            measured(1.7),
            measured(0.04),
            measured(71.0),
            measured(2.9e9),
            Measured(0, "client"),
            Measured(0, "client"),
            Missing("no_counter"),
        )
    return found


def _sample(start_ns: int, second: int) -> VitalSample:
    return VitalSample(
        at_ns=start_ns + second * 10**9,
        engine_cpu_share=measured(1.6 + 0.3 * math.sin(second / 3)),
        own_cpu_share=measured(0.05),
        other_cpu_share=measured(0.06 + 0.05 * math.cos(second / 2)),
        engine_memory_bytes=Measured(48_000_000, "client"),
        swap_used_bytes=Measured(0, "client"),
        load_1m=measured(1.8),
        cpu_temperature_c=measured(55 + 14 * (1 - math.exp(-second / 9))),
        cpu_frequency_hz=measured(3.1e9),
        throttled=Missing("no_counter"),
        energy_uj=Missing("no_counter"),
    )


def logs() -> Mapping[str, str]:
    """Excerpts of engine logs and model output, with markup in them."""
    return {
        "Q4_K_M-tasks": "llama_model_loader: loaded meta data\nsrv  log_server_r: 200\n"
        "model said: <img src=x onerror=\"document.title='owned'\"> & </pre><script>1</script>",
        "IQ2_M-timing": "GGML_ASSERT(rows % 256 == 0) failed\nSegmentation fault (core dumped)",
    }


def _unused(_: object) -> Reading[float]:
    return Missing("not_asked")


def metrics() -> Mapping[str, Metric[object]]:
    """Declarations such as the registry holds."""
    declared = (
        Metric(
            "output_tps",
            "Output speed",
            "tok/s",
            "higher",
            "Generated tokens after the first, by the time between the first and the last.",
            _unused,
            bands=(30, 20, 10, 5),
            digits=0,
        ),
        Metric(
            "prompt_tps",
            "Prompt speed",
            "tok/s",
            "higher",
            "Prompt tokens not from cache by the engine's own prefill time.",
            _unused,
            digits=0,
        ),
        Metric(
            "itl_p99_s",
            "Gap between tokens, p99",
            "s",
            "lower",
            "The 99th of a hundred gaps between neighbouring tokens.",
            _unused,
        ),
        Metric(
            "latency_cv",
            "Spread of latency",
            "share",
            "lower",
            "Standard deviation by mean of the whole-request times of equal requests.",
            _unused,
            bands=(0.1, 0.2, 0.3, 0.5),
        ),
        Metric(
            "ttft_s",
            "Time to first token",
            "s",
            "lower",
            "From the last request byte sent to the first generated token of any kind.",
            _unused,
            bands=(2, 5, 10, 30),
            display_unit="ms",
            scale=1000.0,
        ),
    )
    return {metric.name: metric for metric in declared}


def configuration() -> Mapping[str, object]:
    """The sweep's spec, as the campaign folder keeps it."""
    return {
        "suite": "quick",
        "repeats": 3,
        "variants": [line.variant.label for line in summary().per_quant],
        "gates": {"margin": 0.03},
    }


def soaked() -> SweepSummary:
    """The chosen variant under load for half an hour, slower and hotter at its end."""
    hidden = Missing("not_exposed", "this machine counts no throttling")
    found = Soak(
        run_id="0192f0c4a7be4d0b",
        label="Q4_K_M",
        streams=2,
        asked_s=1800.0,
        elapsed_s=measured(1802.5),
        outcome="completed",
        reason="",
        quality="CLEAN",
        cautions=(),
        requests=560,
        failed=1,
        system_tps=measured(40.1),
        first_third_tps=estimate(41.2, 0.4, 30),
        last_third_tps=estimate(38.9, 0.5, 30),
        change=estimate(-0.056, 0.015, 60),
        temperature_first_c=measured(66.0),
        temperature_last_c=measured(81.0),
        temperature_max_c=measured(82.4),
        temperature_limit_c=90.0,
        throttle_events=hidden,
        clock_change=measured(-0.04),
        swap_growth_bytes=measured(0.0),
        memory_change=measured(0.002),
        tps_over_time=tuple((20.0 * place + 10, 41.2 - place / 40) for place in range(90)),
    )
    return replace(summary(), soak=Measured(found, "derived"))
