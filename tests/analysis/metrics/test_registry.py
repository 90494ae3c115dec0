"""The registry: every metric says what it is, and the reference page says it for all."""

import re
from pathlib import Path

import pytest

from steelyard.analysis.metrics.reference import markdown
from steelyard.analysis.metrics.registry import (
    METRICS,
    OF_ATTEMPT,
    OF_RUN,
    OF_SECTION,
    metric_named,
)
from steelyard.domain.errors import UnknownName


def test_no_two_metrics_share_a_name() -> None:
    assert len(METRICS) == len(OF_ATTEMPT) + len(OF_SECTION) + len(OF_RUN)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_states_name_unit_and_definition(name: str) -> None:
    metric = METRICS[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]+", name)
    assert metric.unit
    assert metric.title[0].isupper()
    assert metric.definition.endswith(".")
    if metric.bands is not None:
        assert list(metric.bands) == sorted(metric.bands, reverse=metric.better == "higher")


@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("output_tps", (30, 20, 10, 5)),
        ("ttft_s", (2, 5, 10, 30)),
        ("context_load_s", (5, 15, 30, 60)),
        ("documents_per_hour", (120, 60, 30, 10)),
        ("latency_cv", (0.10, 0.20, 0.30, 0.50)),
        ("slowdown_share", (0.05, 0.10, 0.20, 0.40)),
    ],
)
def test_the_bands_are_those_of_the_catalogue(name: str, bands: tuple[float, ...]) -> None:
    assert METRICS[name].bands == bands


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    assert metric_named("ttft_s").unit == "s"
    with pytest.raises(UnknownName, match="'ttft'") as caught:
        metric_named("ttft")
    assert "did you mean" in caught.value.hint


def test_the_page_holds_every_metric_and_is_the_same_every_time() -> None:
    page = markdown()
    assert page == markdown()
    for metric in METRICS.values():
        assert f"### {metric.title} (`{metric.name}`)" in page
        assert metric.definition in page
    assert "Bands: 30 / 20 / 10 / 5 tok/s." in page
    assert "small boards: 70 / 80 / 85 / 90 °C" in page


def test_the_committed_page_is_the_registrys() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
    assert page.read_text() == markdown(), "write it again from analysis.metrics.reference"
