"""The `record.json` of a run: written whole or not at all. Not aware of the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, cast

from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.ids import plain
from steelyard.domain.run import SCHEMA_VERSION, RunRecord
from steelyard.platform import atomic

RECORD_NAME: Final = "record.json"


def write_record(folder: Path, record: RunRecord) -> Path:
    """Write `record.json` into a run's folder, whole or not at all; return its path."""
    # Defaults are left out of JSON, but a file must always say which version it has.
    raw = {**cast("dict[str, Any]", plain(record)), "schema_version": record.schema_version}
    path = folder / RECORD_NAME
    atomic.write(path, json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())
    return path


def read_record(path: Path) -> RunRecord:
    """Read a record file (or the one in a folder); raise `StoreError` with the way out."""
    if path.is_dir():
        path /= RECORD_NAME
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"there is no {path}", hint="the run did not end; resume it") from None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(version, int):
        raise _damaged(path, "it has no schema_version")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {version}; this Steelyard reads up to {SCHEMA_VERSION}",
            hint="update Steelyard",
        )
    try:
        return from_plain(RunRecord, raw, source=str(path))
    except BadInput as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, cause: str) -> StoreError:
    return StoreError(
        f"{path} is not a whole run record: {cause}",
        hint="delete it and give its command once more (an `eval` with the same --out, a sweep "
        "with --resume): it is made again from the answers in the spool",
    )
