"""`bench_summary.json`: the summary whole, the way back, and its JSON Schema.

The form is that of the sweep's file: a reading is `{"value", "source"}` or `{"missing", "detail"}`,
every field is written. The schema is generated from the dataclasses and shipped as a file.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Final

from steelyard.domain.bench import BENCH_VERSION, BenchSummary
from steelyard.reports.contract import Schema, schema_of
from steelyard.reports.json import full, inward

FILE_NAME: Final = f"bench_summary.v{BENCH_VERSION}.json"


def write(summary: BenchSummary) -> str:
    """Return the file's text: sorted keys, two spaces, a line feed at the end."""
    text = json.dumps(full(summary), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    # An address or a name from outside may hold lone surrogates, which no file can.
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def read(text: str | bytes, *, source: str) -> BenchSummary:
    """Read a file that `write` made; raise `BadInput` naming `source` and the offending key."""
    from steelyard.domain.codec import from_plain
    from steelyard.domain.errors import BadInput

    try:
        raw = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{source} is not JSON: {error}", hint="export the summary again") from None
    return from_plain(BenchSummary, inward(raw), source=source)


def shipped() -> Schema:
    """Return the schema that is part of the package."""
    text = files("steelyard.reports").joinpath("schema", FILE_NAME).read_text(encoding="utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def generate() -> Schema:
    """Return the schema of what `write` writes today."""
    return schema_of(BenchSummary, "bench-summary", BENCH_VERSION)
