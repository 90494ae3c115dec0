"""Stored runs as rows and records for other tools. Not aware of the store or of files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, assert_never, cast

from steelyard.analysis.metrics.registry import OF_RUN
from steelyard.domain.private import shareable
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.run import RunRecord
from steelyard.reports.csv import inert
from steelyard.store.query import RunRow

Format: TypeAlias = Literal["csv", "json", "jsonl"]

_COLUMNS: Final = (
    "id",
    "started_at",
    "label",
    "artifact",
    "sha256",
    "engine",
    "runtime",
    "repeat",
    "replica",
    "outcome",
    "reason",
    "quality",
    "campaign_id",
    "spec_id",
    "device_id",
    "simulated",
)


def export(form: Format, runs: Iterable[tuple[RunRow, RunRecord]]) -> str:
    """Return runs as text: one CSV row each, one JSON array, or one JSON record a line."""
    match form:
        case "csv":
            return _csv(runs)
        case "json":
            return json.dumps([_whole(record) for _, record in runs], indent=1) + "\n"
        case "jsonl":
            return "".join(json.dumps(_whole(record)) + "\n" for _, record in runs)
        case _:
            assert_never(form)


def whole_json(record: RunRecord) -> str:
    """Return one whole record as JSON that says its version."""
    return json.dumps(_whole(record), indent=1, sort_keys=True, ensure_ascii=False)


def row_values(row: RunRow) -> Mapping[str, object]:
    """Return a row's values by name, for JSON."""
    return {name: getattr(row, name) for name in (*_COLUMNS, "quality_reasons", "sections")}


def _whole(record: RunRecord) -> dict[str, Any]:
    # Defaults are left out of JSON, but what leaves the house says its version.
    return {
        **cast("dict[str, Any]", shareable(record)),
        "schema_version": record.schema_version,
    }


def _csv(runs: Iterable[tuple[RunRow, RunRecord]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metrics = [
        f"{metric.name} [{metric.unit}]" if metric.unit else metric.name for metric in OF_RUN
    ]
    writer.writerow([*_COLUMNS, "quality_reasons", *metrics, "missing", "schema_version"])
    for row, record in runs:
        values, missing = [], []
        for metric in OF_RUN:
            match metric.formula(record):
                case Measured(value=value):
                    values.append(repr(value))
                case Missing(code=code):
                    values.append("")
                    missing.append(f"{metric.name}: {code}")
        own = [_cell(getattr(row, name)) for name in _COLUMNS]
        reasons = " ".join(row.quality_reasons)
        writer.writerow([*own, reasons, *values, "; ".join(missing), record.schema_version])
    return text.getvalue()


def _cell(value: object) -> str:
    return inert("" if value is None else str(value))
