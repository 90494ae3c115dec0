"""`sweep_summary.json`: the summary whole, one text for one summary, and the way back.

Unlike the canonical form that identities are hashed from, nothing is left out here: a reader
finds every field of the schema. A reading is `{"value", "source"}` or `{"missing", "detail"}`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Final

from steelyard.domain.ids import Json
from steelyard.domain.reading import Measured, Missing
from steelyard.domain.summary import SUMMARY_VERSION, SweepSummary

_MISSING_KEYS: Final = {"missing", "detail"}


def write(summary: SweepSummary) -> str:
    """Return the file's text: sorted keys, two spaces, a line feed at the end."""
    text = json.dumps(full(summary), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    # A file name that is not UTF-8 reaches labels as lone surrogates, which no file can hold.
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def stopped(reason: str, advice: Sequence[str]) -> str:
    """Return the text for a sweep that ended before there was anything to sum up."""
    raw = {"schema_version": SUMMARY_VERSION, "stopped": {"reason": reason, "advice": list(advice)}}
    return json.dumps(raw, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read(text: str | bytes, *, source: str) -> SweepSummary:
    """Read a file that `write` made; raise `BadInput` naming `source` and the offending key."""
    from steelyard.domain.codec import from_plain
    from steelyard.domain.errors import BadInput

    try:
        raw = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{source} is not JSON: {error}", hint="export the summary again") from None
    return from_plain(SweepSummary, inward(raw), source=source)


def full(value: object) -> Json:
    """Turn nested domain values into JSON values, every field kept."""
    if isinstance(value, Missing):
        return {"missing": value.code, "detail": value.detail}
    if isinstance(value, Measured):
        return {"value": full(value.value), "source": value.source}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: full(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): full(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [full(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a summary")


def inward(raw: Json) -> Json:
    """Turn what a file has back into what the codec reads."""
    if isinstance(raw, dict):
        if raw.keys() == _MISSING_KEYS and isinstance(raw["missing"], str):
            return {"code": raw["missing"], "detail": raw["detail"]}
        return {key: inward(item) for key, item in raw.items()}
    if isinstance(raw, list):
        return [inward(item) for item in raw]
    return raw
