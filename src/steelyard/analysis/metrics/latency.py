"""Metrics of one attempt. Formulas: `analysis.timing`."""

from __future__ import annotations

from typing import Final

from steelyard.analysis import timing
from steelyard.domain.metric import Metric
from steelyard.domain.stream import Attempt

TTFT: Final[Metric[Attempt]] = Metric(
    name="ttft_s",
    title="Time to first token",
    unit="s",
    better="lower",
    definition="Seconds from the last byte of the request to the first generated token of any"
    " kind, thinking included. An announced role is no token.",
    formula=timing.ttft_s,
    needs=frozenset({"token arrivals"}),
    bands=(2.0, 5.0, 10.0, 30.0),
    digits=3,
)
TTFAT: Final[Metric[Attempt]] = Metric(
    name="ttfat_s",
    title="Time to first answer token",
    unit="s",
    better="lower",
    definition="Seconds from sending to the first token of the answer or of a tool call, after any"
    " thinking.",
    formula=timing.ttfat_s,
    needs=frozenset({"token arrivals"}),
    digits=3,
)
TPOT: Final[Metric[Attempt]] = Metric(
    name="tpot_s",
    title="Time per output token",
    unit="s",
    better="lower",
    definition="(last token event - first) / tokens delivered after the first event. Tokens are"
    " the engine's count, never the number of events; absent when thinking was counted but hidden.",
    formula=timing.tpot_s,
    needs=frozenset({"token arrivals", "usage"}),
    digits=4,
)
E2E: Final[Metric[Attempt]] = Metric(
    name="e2e_s",
    title="Whole request",
    unit="s",
    better="lower",
    definition="Seconds from sending to the end of the response.",
    formula=timing.e2e_s,
    digits=3,
)
OUTPUT_TPS: Final[Metric[Attempt]] = Metric(
    name="output_tps",
    title="Output speed",
    unit="tok/s",
    better="higher",
    definition="Tokens delivered after the first event / (last token event - first), of one"
    " request: (n - 1)/(last - first) where each token is an event. The wait for the first token"
    " is not in it.",
    formula=timing.output_tps,
    needs=frozenset({"token arrivals", "usage"}),
    bands=(30.0, 20.0, 10.0, 5.0),
)
PROMPT_TPS: Final[Metric[Attempt]] = Metric(
    name="prompt_tps",
    title="Prompt speed",
    unit="tok/s",
    better="higher",
    definition="Prompt tokens that did not come from a cache / the engine's own prefill time.",
    formula=timing.prompt_tps,
    needs=frozenset({"engine timings", "usage"}),
)
TTFT_PROMPT_TPS: Final[Metric[Attempt]] = Metric(
    name="ttft_prompt_tps",
    title="Prompt tokens per TTFT",
    unit="tok/s",
    better="higher",
    definition="All prompt tokens / TTFT. A lower bound of the prompt speed: queue, wire and the"
    " first decoded token are in it.",
    formula=timing.ttft_prompt_tps,
    needs=frozenset({"token arrivals", "usage"}),
)
TTFT_INTENDED: Final[Metric[Attempt]] = Metric(
    name="ttft_intended_s",
    title="Time to first token from the intended time",
    unit="s",
    better="lower",
    definition="Seconds from the moment at which the load wanted the request sent to the first"
    " generated token. A server or client that holds requests back cannot hide the wait.",
    formula=timing.ttft_intended_s,
    needs=frozenset({"token arrivals"}),
    digits=3,
)
E2E_INTENDED: Final[Metric[Attempt]] = Metric(
    name="e2e_intended_s",
    title="Whole request from the intended time",
    unit="s",
    better="lower",
    definition="Seconds from the moment at which the load wanted the request sent to the end of"
    " the response.",
    formula=timing.e2e_intended_s,
    digits=3,
)
LATENESS: Final[Metric[Attempt]] = Metric(
    name="lateness_s",
    title="Lateness of sending",
    unit="s",
    better="lower",
    definition="Seconds from the moment at which the load wanted the request sent to the write of"
    " its last byte: connecting, a cap on requests in flight, and the client's own delay.",
    formula=timing.lateness_s,
    digits=5,
)

ATTEMPT_METRICS: Final[tuple[Metric[Attempt], ...]] = (
    TTFT,
    TTFAT,
    TPOT,
    E2E,
    OUTPUT_TPS,
    PROMPT_TPS,
    TTFT_PROMPT_TPS,
)
# They differ from the ones above only under a load with a schedule of its own.
INTENDED_METRICS: Final[tuple[Metric[Attempt], ...]] = (TTFT_INTENDED, E2E_INTENDED, LATENESS)
