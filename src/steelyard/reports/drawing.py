"""Draw a Vega-Lite spec as an SVG that stands inside a page: no script, no network, no ids shared.

vl-convert draws; what it made is then cleaned for a page with a strict content policy: style
attributes go, ids are numbered under the chart's own name, spoken labels become tooltips too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from steelyard.domain.reading import Measured, Missing, Reading
from steelyard.reports.charts import Chart

_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
_NO_RENDERER: Final = Missing(
    "no_renderer", "charts need the `report` extra: pip install 'steelyard[report]'"
)


def draw(chart: Chart) -> Reading[str]:
    """Return the chart as SVG text for a page, or why it cannot be drawn."""
    if isinstance(chart.spec, Missing):
        return chart.spec
    try:
        import vl_convert
    except ImportError:
        return _NO_RENDERER
    drawn = vl_convert.vegalite_to_svg(chart.spec.value)
    return Measured(cleaned(drawn, name=chart.key, title=chart.title), "derived")


def cleaned(svg: str, *, name: str, title: str) -> str:
    """Return the SVG fit for a page: scalable, named, with ids of its own."""
    root = ET.fromstring(svg)  # noqa: S314 - our own renderer's output
    ids: dict[str, str] = {}
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.attrib.pop("style", None)
        if (old := node.get("id")) is not None:
            node.set("id", ids.setdefault(old, f"{name}-{len(ids)}"))
    for node in list(root.iter()):
        _point_anew(node, ids)
        if node.get("role") == "graphics-symbol" and node.get("aria-roledescription") == "point":
            tip = ET.Element("title")
            tip.text = node.get("aria-label")
            node.insert(0, tip)
    for attribute in ("width", "height", "version", "class"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", "chart")
    return ET.tostring(root, encoding="unicode")


def _point_anew(node: ET.Element, ids: Mapping[str, str]) -> None:
    for attribute, value in node.items():
        if "url(#" in value:
            node.set(attribute, _REFERENCE.sub(lambda m: f"url(#{ids.get(m[1], m[1])})", value))
