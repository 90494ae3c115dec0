"""Service level objectives: what a person demands of latencies and errors, read strictly.

`ttft_p95=500ms` limits a percentile over all requests; `ttft=500ms` says what a good request is,
and without it the loosest percentile limit of that metric does; `errors=1%` limits the share of
failed ones. Times are seconds inside. Not aware of attempts or of how a limit is judged.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.domain import duration
from steelyard.domain.errors import BadInput, UnknownName

Metric: TypeAlias = Literal["ttft", "ttfat", "tpot", "e2e", "gap", "errors"]
Unit: TypeAlias = Literal["s", "share"]

METRICS: Final[tuple[Metric, ...]] = ("ttft", "ttfat", "tpot", "e2e", "gap", "errors")
EXAMPLE: Final = "ttft_p95=500ms,tpot_p95=50ms,e2e_p99=10s,errors=1%"
_QUANTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d+)?)")
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)%")


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """One demand: this percentile of `metric` (every single request's, without one) ≤ `most`."""

    metric: Metric
    quantile: float | None
    most: float
    unit: Unit

    @property
    def name(self) -> str:
        """Return it as it was typed: `ttft_p95`."""
        return self.metric if self.quantile is None else f"{self.metric}_p{100 * self.quantile:g}"


@final
@dataclass(frozen=True, slots=True)
class Slo:
    """All demands together, in the order they were typed."""

    limits: tuple[Limit, ...]

    def of_one_request(self) -> tuple[Limit, ...]:
        """Return what a good request must meet: one limit a metric, none for gaps and errors."""
        found: dict[Metric, Limit] = {}
        for limit in sorted(self.limits, key=lambda held: (held.quantile is not None, -held.most)):
            if limit.metric not in ("gap", "errors"):
                found.setdefault(limit.metric, limit)
        return tuple(found.values())


def slo(text: str) -> Slo:
    """Read `ttft_p95=500ms,errors=1%`; raise `BadInput` on anything that is not exactly that."""
    limits = tuple(_limit(part.strip(), text) for part in text.split(","))
    names = [limit.name for limit in limits]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"--slo {text!r} limits {name} twice", hint="keep the one that you mean")
    return Slo(limits)


def seconds(text: str, option: str) -> float:
    """Read a duration (`45m`, `90s`, `1h30m`, `500ms`); raise `BadInput` naming the option."""
    total = duration.seconds(text)
    if total is None:
        raise BadInput(f"{option}: {text!r} is no duration", hint=f"write {duration.EXAMPLES}")
    if not 0 < total < math.inf:
        raise BadInput(f"{option}: {text!r} is no time at all", hint="give more than 0 s")
    return total


def _limit(part: str, whole: str) -> Limit:
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals or not name or not value:
        raise BadInput(
            f"--slo {whole!r}: {part!r} is no limit", hint=f"write name=limit, as in {EXAMPLE}"
        )
    typed, underscore, percentile = name.lower().partition("_")
    metric = next((known for known in METRICS if known == typed), None)
    if metric is None:
        raise UnknownName.among("metric for --slo", typed, METRICS)
    quantile = _quantile(percentile, name) if underscore else None
    if metric == "errors":
        if quantile is not None:
            raise BadInput(
                f"--slo: {name} is no limit: errors have a share and no percentile",
                hint="write errors=1%",
            )
        return Limit(metric, None, _share(value), "share")
    if metric == "gap" and quantile is None:
        raise BadInput(
            "--slo: a gap is not a request's own: it takes a percentile over all gaps",
            hint="write gap_p99=200ms, or tpot=50ms for each request's time per token",
        )
    return Limit(metric, quantile, seconds(value, f"--slo {name}"), "s")


def _quantile(text: str, name: str) -> float:
    found = _QUANTILE.fullmatch(text.lower())
    if found is None or not 0 < float(found[1]) < 100:  # noqa: PLR2004 - per cent
        raise BadInput(
            f"--slo: {name!r} ends in no percentile",
            hint=f"write p50, p95, p99 or p99.9, as in {EXAMPLE}",
        )
    return float(f"{found[1]}e-2")


def _share(text: str) -> float:
    found = _SHARE.fullmatch(text)
    if found is None or float(found[1]) > 100:  # noqa: PLR2004 - per cent
        raise BadInput(
            f"--slo errors: {text!r} is no share of the requests",
            hint="write errors=1% or errors=0%",
        )
    return float(f"{found[1]}e-2")
