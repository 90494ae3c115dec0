"""A sweep as it might have gone: seven variants and the A/A row, with all that can go amiss.

One variant failed to load, one run is polluted, readings are missing for several reasons, and
labels, engine logs and model output carry markup that must never run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tests.reports.example_rows import GONE, HOSTILE, ITEMS, estimate, every_row, measured

from steelyard.domain.metric import Metric
from steelyard.domain.reading import Measured, Missing, Reading, derived
from steelyard.domain.run import Controls, Device, Environment, Proof
from steelyard.domain.summary import (
    Noise,
    NotMeasured,
    Pick,
    RunLine,
    Soak,
    SweepSummary,
    Thinking,
    VariantRow,
    Verdict,
)
from steelyard.domain.vitals import Vitals, VitalSample


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
    rows = every_row()
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


def unsure() -> SweepSummary:
    """The same sweep with so few items that no A/A floor is known: the margin stands in for it."""

    def judged(seen: Verdict) -> Verdict:
        return replace(seen, floor=seen.margin, no_floor="12 marked alike")

    def row(line: VariantRow) -> VariantRow:
        families = {name: judged(seen) for name, seen in line.family_verdicts.items()}
        return replace(line, verdict=derived(line.verdict, judged), family_verdicts=families)

    whole = summary()
    return replace(whole, per_quant=tuple(map(row, whole.per_quant)))


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
