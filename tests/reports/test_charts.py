"""Charts and the heat map show what was measured, or say why there is nothing to show."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from tests.reports import example_summary as example

from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import VariantRow
from steelyard.reports import charts, drawing, forest
from steelyard.reports.columns import by_key
from steelyard.reports.heat import heat_map
from steelyard.reports.overall import columns
from steelyard.reports.overtime import over_time


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own drawing


def drawn() -> dict[str, str]:
    made = charts.against_bpw(example.summary(), example.metrics())
    return {
        chart.key: svg.value
        for chart in (*made, *over_time(example.series()))
        if isinstance(svg := drawing.draw(chart), Measured)
    }


def test_every_chart_of_the_report_is_drawn() -> None:
    wanted = {"output_tps", "memory_bytes", "right_share", "kl_divergence", "cpu", "temperature"}
    assert drawn().keys() == wanted


def test_every_measured_variant_is_a_point_with_its_number_in_words() -> None:
    root = parsed(drawn()["memory_bytes"])
    titles = [node.text or "" for node in root.iter("title")]
    assert len(titles) == 7
    assert "Q4_K_M: 41.4 MB" in titles


def test_no_two_drawings_share_an_id_and_none_needs_inline_style() -> None:
    ids = [n.get("id") for svg in drawn().values() for n in parsed(svg).iter() if n.get("id")]
    assert len(ids) == len(set(ids))
    assert not any("style=" in svg for svg in drawn().values())


def test_markup_in_a_label_is_text_in_the_drawing() -> None:
    for svg in drawn().values():
        assert "script" not in {node.tag for node in parsed(svg).iter()}


def test_the_same_sweep_is_drawn_the_same() -> None:
    assert drawn() == drawn()


def test_a_chart_without_numbers_gives_the_reason() -> None:
    no_sensor = Missing("no_sensor", "no thermal zone is readable")
    cold = {
        name: replace(
            vitals,
            samples=tuple(replace(s, cpu_temperature_c=no_sensor) for s in vitals.samples),
        )
        for name, vitals in example.series().items()
    }
    assert over_time(cold)[1].spec == no_sensor
    assert isinstance(over_time({})[0].spec, Missing)


def test_a_long_series_is_thinned_and_says_so() -> None:
    name, vitals = next(iter(example.series().items()))
    start = vitals.samples[0]
    many = tuple(replace(start, at_ns=start.at_ns + second * 10**9) for second in range(3000))
    chart = over_time({name: replace(vitals, samples=many)})[0]
    assert isinstance(chart.spec, Measured)
    assert len(chart.spec.value["layer"][0]["data"]["values"]) == 600
    assert "mean of 5 samples" in chart.caption


def test_labels_that_would_cover_each_other_are_moved_or_dropped() -> None:
    column = by_key(columns(example.summary(), example.metrics()), "memory_bytes")
    assert column is not None
    close = [replace_bpw(row, 4 + n / 1000) for n, row in enumerate(example.summary().per_quant)]
    points = charts.plotted(column, close, log=False)
    assert [point["side"] for point in points[:3]] == ["above", "below", ""]


def replace_bpw(row: VariantRow, bpw: float) -> VariantRow:
    facts = replace(row.variant.require_file(), file_bpw=bpw)
    return replace(row, variant=replace(row.variant, facts=facts))


def test_rated_cells_wear_their_rating_and_others_their_rank() -> None:
    summary = example.summary()
    heat = heat_map(summary.per_quant, columns(summary, example.metrics()))
    keys = [column.key for column in heat.columns]
    by_label = {row.variant.label: cells for row, cells in heat.rows}
    speed, memory = keys.index("output_tps.p16.d0.c1"), keys.index("memory_bytes")
    assert by_label["Q4_K_M"][speed].style == "band-excellent"
    assert by_label["Q2_K"][memory].style == "shade-5"
    assert by_label["F16"][memory].style == "shade-1"
    assert by_label["IQ2_M"][memory].style == "absent"
    assert "139" in by_label["IQ2_M"][memory].meaning


def test_loss_marks_share_one_axis() -> None:
    marks = [mark for mark in forest.marks(example.summary().per_quant) if mark]
    assert len({(mark.zero, mark.margin) for mark in marks}) == 1
    assert all(mark.low <= mark.loss <= mark.high <= forest.WIDTH for mark in marks)


def test_an_unknown_floor_is_not_drawn() -> None:
    marks = [mark for mark in forest.marks(example.unsure().per_quant) if mark]
    assert marks
    assert all(mark.floor == mark.zero < mark.margin for mark in marks)
