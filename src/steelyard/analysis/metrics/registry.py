"""All metrics by name. Reports, exports and the reference page are generated from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from steelyard.analysis.metrics.latency import ATTEMPT_METRICS, INTENDED_METRICS
from steelyard.analysis.metrics.load import SECTION_METRICS
from steelyard.analysis.metrics.machine import RUN_METRICS
from steelyard.analysis.metrics.worth import WORTH_RUN_METRICS, WORTH_SECTION_METRICS
from steelyard.domain.errors import UnknownName
from steelyard.domain.metric import Metric
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt

AnyMetric: TypeAlias = Metric[Attempt] | Metric[Section] | Metric[RunRecord]

OF_ATTEMPT: Final = (*ATTEMPT_METRICS, *INTENDED_METRICS)
OF_SECTION: Final = (*SECTION_METRICS, *WORTH_SECTION_METRICS)
OF_RUN: Final = (*RUN_METRICS, *WORTH_RUN_METRICS)

_ALL: Final[tuple[AnyMetric, ...]] = (*OF_ATTEMPT, *OF_SECTION, *OF_RUN)
METRICS: Final[Mapping[str, AnyMetric]] = MappingProxyType({each.name: each for each in _ALL})


def metric_named(name: str) -> AnyMetric:
    """Return a metric, or raise `UnknownName` with the nearest one."""
    if name not in METRICS:
        raise UnknownName.among("metric", name, METRICS)
    return METRICS[name]
