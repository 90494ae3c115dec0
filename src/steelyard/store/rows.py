"""Run records as table rows and back, and the digest of a run's rows.

Fields that have a column of their own go there; the rest goes into `rest` as canonical JSON, which
leaves defaults out. The digest covers every stored value of a run, so a changed byte shows. Not
aware of connections.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, cast, final

from steelyard.domain.arrivals import Arrival, pack, unpack
from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, StoreError
from steelyard.domain.ids import plain
from steelyard.domain.reading import Missing
from steelyard.domain.run import RunRecord, Section
from steelyard.domain.stream import Attempt

Row: TypeAlias = dict[str, Any]  # the wire edge: whatever a database column holds

_RUN: Final = ("id", "outcome", "reason", "started_at", "simulated", "schema_version")
_RUN_APART: Final = frozenset({"spec", "device", "environment", "sections", "vitals", "cautions"})
_SECTION: Final = ("name", "kind", "outcome", "started_ns", "ended_ns", "streams", "reason")
_SECTION_APART: Final = frozenset({"attempts", "marks", "clusters"})
_ATTEMPT: Final = ("sample", "ask", "tries", "intended_ns", "sent_ns", "done_ns")
_ELSEWHERE: Final = Missing("stored_apart")
_BLOCK_EVENTS: Final = 65_536


@final
@dataclass(frozen=True, slots=True)
class SectionRows:
    """One section's own row and those that hang on it, without database ids."""

    section: Row
    attempts: tuple[Row, ...]
    blocks: tuple[Row, ...]
    marks: tuple[Row, ...]


@final
@dataclass(frozen=True, slots=True)
class RunRows:
    """All that is stored of one run; `device` and `environment` are shared between runs."""

    run: Row
    device: Row
    environment: Row
    cautions: tuple[Row, ...]
    sections: tuple[SectionRows, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over every value, in a fixed order; database ids and links are left out."""
        sha = hashlib.sha256()
        heads = (self.run, self.device, self.environment, *self.cautions)
        _feed(sha.update, heads)
        for section in self.sections:
            _feed(sha.update, (section.section,))
            _feed(sha.update, section.attempts)
            _feed(sha.update, section.blocks)
            _feed(sha.update, section.marks)
        return sha.hexdigest()


def to_rows(record: RunRecord) -> RunRows:
    """Take a record apart."""
    light = replace(record, sections=(), cautions=(), vitals=_ELSEWHERE)
    vitals = json.dumps(plain(record.vitals), sort_keys=True, separators=(",", ":"))
    run = _split(light, _RUN, _RUN_APART) | {
        "spec_id": record.spec.id,
        "subject_id": record.spec.subject.id,
        "device_id": record.device.id,
        "environment_id": record.environment.id,
        "repeat": record.spec.repeat,
        "replica": record.spec.replica,
        "spec": plain(record.spec),
        "vitals": zlib.compress(vitals.encode()),
    }
    cautions = (
        {"position": position, **_split(caution, ("code",))}
        for position, caution in enumerate(record.cautions)
    )
    return RunRows(
        run=run,
        device=cast("Row", plain(record.device)),
        environment=cast("Row", plain(record.environment)),
        cautions=tuple(cautions),
        sections=tuple(
            _section_rows(position, section) for position, section in enumerate(record.sections)
        ),
    )


def from_rows(rows: RunRows) -> RunRecord:
    """Put a record together again; raise `StoreError` when a value makes no sense."""
    run = rows.run
    try:
        raw = _joined(run, _RUN) | {
            "spec": run["spec"],
            "device": rows.device,
            "environment": rows.environment,
            "vitals": json.loads(zlib.decompress(run["vitals"])),
            "cautions": [_joined(row, ("code",)) for row in rows.cautions],
            "sections": [_section_raw(section) for section in rows.sections],
        }
        return from_plain(RunRecord, raw, source=f"run {run['id']}")
    except BadInput as error:
        raise StoreError(f"the stored {error}", hint=error.hint) from None
    except (ValueError, zlib.error) as error:
        raise StoreError(f"the stored run {run['id']} is damaged: {error}") from None


def _section_rows(position: int, section: Section) -> SectionRows:
    light = replace(section, attempts=(), marks={}, clusters={})
    return SectionRows(
        section={"position": position, **_split(light, _SECTION, _SECTION_APART)},
        attempts=tuple(_attempt_row(n, attempt) for n, attempt in enumerate(section.attempts)),
        blocks=tuple(_block_rows([a for t in section.attempts for a in t.arrivals])),
        marks=tuple(_mark_rows(section)),
    )


def _section_raw(rows: SectionRows) -> Row:
    arrivals = [arrival for block in rows.blocks for arrival in unpack(block["body"])]
    if len(arrivals) != sum(row["events"] for row in rows.attempts):
        raise StoreError(
            f"section {rows.section['name']!r} holds {len(arrivals)} events and its attempts "
            f"{sum(row['events'] for row in rows.attempts)}"
        )
    attempts = []
    start = 0
    for row in rows.attempts:
        end = start + row["events"]
        # Arrivals are passed as values already: there are too many to check as JSON one by one.
        attempts.append(_joined(row, _ATTEMPT) | {"arrivals": tuple(arrivals[start:end])})
        start = end
    return _joined(rows.section, _SECTION) | {
        "attempts": attempts,
        "marks": {row["item"]: row["mark"] for row in rows.marks if row["mark"] is not None},
        "clusters": {
            row["item"]: row["cluster"] for row in rows.marks if row["cluster"] is not None
        },
    }


def _attempt_row(position: int, attempt: Attempt) -> Row:
    light = replace(attempt, arrivals=())
    return {
        "position": position,
        **_split(light, _ATTEMPT, frozenset({"arrivals"})),
        "outcome": attempt.outcome.kind,
        "events": len(attempt.arrivals),
    }


def _block_rows(arrivals: Sequence[Arrival]) -> Iterable[Row]:
    for part, start in enumerate(range(0, len(arrivals), _BLOCK_EVENTS)):
        chunk = arrivals[start : start + _BLOCK_EVENTS]
        yield {"part": part, "events": len(chunk), "body": pack(chunk)}


def _mark_rows(section: Section) -> Iterable[Row]:
    unmarked = (item for item in section.clusters if item not in section.marks)
    for position, item in enumerate((*section.marks, *unmarked)):
        mark = section.marks.get(item)
        yield {
            "position": position,
            "item": item,
            "cluster": section.clusters.get(item),
            "outcome": None if mark is None else mark.outcome.kind,
            "mark": None if mark is None else plain(mark),
        }


def _split(value: object, columns: Sequence[str], apart: frozenset[str] = frozenset()) -> Row:
    fields = cast("dict[str, Any]", plain(value))
    rest = {key: item for key, item in fields.items() if key not in columns and key not in apart}
    return {column: getattr(value, column) for column in columns} | {"rest": rest}


def _joined(row: Mapping[str, Any], columns: Sequence[str]) -> Row:
    return {**row["rest"], **{column: row[column] for column in columns}}


def _feed(update: Any, rows: Iterable[Row]) -> None:
    for row in rows:
        update(json.dumps(row, sort_keys=True, default=_hexed).encode())
        update(b"\n")


def _hexed(value: object) -> str:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    raise TypeError(f"{type(value).__name__} is not stored")
