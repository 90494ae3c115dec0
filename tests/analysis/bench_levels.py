"""Loads of planted benches, summarised, and their numbers taken out of the readings."""

import random
from typing import TypeVar

from tests.analysis.benched import (
    closed,
)

from steelyard.analysis import benchmark
from steelyard.domain.bench import Figure, Level, Statistic
from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.domain.run import RunRecord
from steelyard.domain.slo import slo
from steelyard.domain.stream import Attempt

T = TypeVar("T")


def value(reading: Reading[T]) -> T:
    assert isinstance(reading, Measured), reading
    return reading.value


def code(reading: Reading[T]) -> str:
    assert isinstance(reading, Missing), reading
    return reading.code


def level(run: RunRecord, objectives: str = "") -> Level:
    (found,) = benchmark.measurement(run, slo=slo(objectives) if objectives else None).levels
    return found


def figure(found: Level, metric: str, statistic: Statistic) -> Figure:
    held = found.figure(metric, statistic)
    assert held is not None, (metric, statistic)
    return held


def point(found: Level, metric: str, statistic: Statistic) -> float:
    return value(figure(found, metric, statistic).estimate.value)


def varied(requests: int, streams: int = 1, seed: int = 1) -> tuple[Attempt, ...]:
    source = random.Random(seed)
    waits = [source.uniform(50.0, 70.0) for _ in range(requests)]
    return closed(requests, streams, first=waits.__getitem__)
