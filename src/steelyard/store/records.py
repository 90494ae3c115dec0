"""Files that are whole or absent, and the `record.json` of a run.

A file is written beside its place, flushed to the disk and then renamed, so that a crash leaves the
old one or the new one. Not aware of the database.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, StoreError, TooLittleRoom
from steelyard.domain.ids import plain
from steelyard.domain.run import SCHEMA_VERSION, RunRecord

RECORD_NAME: Final = "record.json"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically and durably; raise `BadInput` or `TooLittleRoom`."""
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError) -> BadInput:
    """Return the error for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TooLittleRoom(f"no room left to write {path}", hint="free some space, try again")
    return BadInput(
        f"cannot write {path}: {error.strerror}", hint="choose a folder that you may write to"
    )


def write_record(folder: Path, record: RunRecord) -> Path:
    """Write `record.json` into a run's folder, whole or not at all; return its path."""
    # Defaults are left out of JSON, but a file must always say which version it has.
    raw = {**cast("dict[str, Any]", plain(record)), "schema_version": record.schema_version}
    path = folder / RECORD_NAME
    write_whole(path, json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())
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
        hint="delete it and resume the campaign: the run is made again from its spool",
    )
