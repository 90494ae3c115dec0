"""Ratings in plain language: soft bands per metric, which the user may move (row E11).

A rating is never a gate. Latency bands hold at the prompt length that stands beside the number.
Temperature is rated on small boards only: elsewhere throttling decides, not degrees. Not aware of
files: the limits come from `platform.settings`, and whether they name a metric is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeAlias

from steelyard.analysis.metrics.registry import METRICS, AnyMetric, metric_named
from steelyard.domain.errors import BadInput
from steelyard.domain.run import Device

Bands: TypeAlias = tuple[float, float, float, float]

BOARD_BANDS: Final[Mapping[str, Bands]] = MappingProxyType(
    {"cpu_temperature_max_c": (70.0, 80.0, 85.0, 90.0)}
)
_BOARD_ARCHITECTURES: Final = frozenset({"aarch64", "armv7l", "armv6l", "riscv64"})
_BOARD_MEMORY_BYTES: Final = 16 << 30
_BOARD_CORES: Final = 8


def is_board(device: Device) -> bool:
    """Guess whether a device is a small board: ARM or RISC-V, at most 8 cores and 16 GiB."""
    return (
        device.architecture in _BOARD_ARCHITECTURES
        and device.cores <= _BOARD_CORES
        and device.memory_bytes <= _BOARD_MEMORY_BYTES
    )


def rated_metrics(
    device: Device, overrides: Mapping[str, Bands] | None = None
) -> Mapping[str, AnyMetric]:
    """Return the registry with the bands that hold on this device and for this user.

    Raises:
        UnknownName: an override names no metric.
        BadInput: its limits run against the metric's direction.
    """
    bands: dict[str, Bands] = dict(BOARD_BANDS) if is_board(device) else {}
    for name, limits in (overrides or {}).items():
        _check(metric_named(name), limits)
        bands[name] = limits
    return {name: _with_bands(metric, bands.get(name)) for name, metric in METRICS.items()}


def _with_bands(metric: AnyMetric, limits: Bands | None) -> AnyMetric:
    return metric if limits is None else replace(metric, bands=limits)


def _check(metric: AnyMetric, limits: Bands) -> None:
    if metric.better == "neither":
        raise BadInput(
            f"{metric.name} cannot be rated: neither way is better",
            hint="remove it from [ratings] in settings.toml",
        )
    if list(limits) != sorted(limits, reverse=metric.better == "higher"):
        raise BadInput(
            f"the limits of {metric.name} run the wrong way: {limits}",
            hint=f"{metric.better} is better: begin with the limit of excellent",
        )
