"""The store of finished runs: whole records in, equal records out.

A record goes in within one transaction or not at all; adding it again changes nothing. It is loaded
from the files of a campaign and can be rebuilt from them (`store.care`). Not aware of metrics:
what a run means is computed elsewhere, from the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast, final

import sqlalchemy as sa

from steelyard.domain.campaign import Sweep
from steelyard.domain.codec import from_plain
from steelyard.domain.errors import BadInput, StoreError, UnknownName
from steelyard.domain.ids import plain
from steelyard.domain.run import RunRecord
from steelyard.domain.subject import Artifact, Variant
from steelyard.store import schema
from steelyard.store.connect import damaged, open_engine, reading, writing
from steelyard.store.query import RunQuery, RunRow, select_runs
from steelyard.store.rows import Row, RunRows, SectionRows, from_rows, to_rows

# Belongs to the database and not to the record.
_NOT_CONTENT = ("campaign_id", "content_sha256")


@final
class Store:
    """One open database. Use as a context manager, or call `close`."""

    __slots__ = ("_engine", "path")

    def __init__(self, path: Path) -> None:
        """Open the database at `path`; make it, or bring it up to date, where needed."""
        self.path = path
        self._engine = open_engine(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def add(self, record: RunRecord, *, campaign_id: str | None = None) -> None:
        """Keep one record whole; the same record again is no error and changes nothing.

        `campaign_id` ties it to a campaign that `add_campaign` stored. Raises `StoreError` when
        the id is taken by a record of other content.
        """
        rows = to_rows(record)
        digest = rows.digest
        with writing(self._engine, self.path) as connection:
            _require_campaign(connection, campaign_id)
            known = connection.execute(
                sa.select(schema.RUN.c.content_sha256).where(schema.RUN.c.id == record.id)
            ).scalar()
            if known is None:
                _insert(connection, record, rows, digest, campaign_id)
            elif known != digest:
                raise StoreError(
                    f"run {record.id} is stored already with other content",
                    hint="a run that was made again needs an id of its own",
                )
            elif campaign_id is not None:
                tie = schema.RUN.update().where(
                    schema.RUN.c.id == record.id, schema.RUN.c.campaign_id.is_(None)
                )
                connection.execute(tie.values(campaign_id=campaign_id))

    def add_campaign(self, sweep: Sweep) -> str:
        """Keep a campaign's spec and variants; return its id. Again is no error."""
        with writing(self._engine, self.path) as connection:
            known = sa.select(schema.CAMPAIGN.c.id).where(schema.CAMPAIGN.c.id == sweep.id)
            if connection.execute(known).scalar() is None:
                _insert_campaign(connection, sweep)
        return sweep.id

    def get(self, run_id: str) -> RunRecord:
        """Return a whole record; raise `UnknownName`, or `DamagedStore`."""
        with reading(self._engine, self.path) as connection:
            rows, digest = _load(connection, run_id)
        if rows.digest != digest:
            raise damaged(self.path, f"run {run_id} is not what was stored")
        return from_rows(rows)

    def campaign(self, campaign_id: str) -> Sweep:
        """Return a stored campaign's spec; raise `UnknownName`."""
        table = schema.CAMPAIGN
        with reading(self._engine, self.path) as connection:
            query = sa.select(table.c.spec).where(table.c.id == campaign_id)
            found = connection.execute(query).scalar()
            if found is None:
                known = connection.execute(sa.select(table.c.id)).scalars()
                raise UnknownName.among("campaign", campaign_id, known)
        return from_plain(Sweep, found, source=f"campaign {campaign_id}")

    def variants(self, campaign_id: str) -> tuple[Variant, ...]:
        """Return a stored campaign's variants in their order; empty when there is none."""
        table, artifact = schema.VARIANT, schema.ARTIFACT
        query = (
            sa.select(table, artifact.c.name, artifact.c.format, artifact.c.size_bytes)
            .join(artifact, artifact.c.sha256 == table.c.artifact_sha256)
            .where(table.c.campaign_id == campaign_id)
            .order_by(table.c.position)
        )
        with reading(self._engine, self.path) as connection:
            found = connection.execute(query).mappings().all()
        return tuple(
            from_plain(
                Variant,
                {
                    "label": row["label"],
                    "reference": row["reference"],
                    "facts": row["facts"],
                    "artifact": _artifact_raw(row),
                },
                source=f"campaign {campaign_id}",
            )
            for row in found
        )

    def runs(self, query: RunQuery = RunQuery()) -> tuple[RunRow, ...]:  # noqa: B008 - frozen
        """Return the runs that `query` asks for, the newest first."""
        with reading(self._engine, self.path) as connection:
            return select_runs(connection, query)

    def find(self, prefix: str) -> str:
        """Return the one run id that begins with `prefix`; raise `UnknownName` or `BadInput`."""
        column = schema.RUN.c.id
        with reading(self._engine, self.path) as connection:
            starts = sa.select(column).where(column.startswith(prefix, autoescape=True))
            found = list(connection.execute(starts.order_by(column).limit(5)).scalars())
            if prefix in found:
                return prefix
            if len(found) == 1:
                return str(found[0])
            if found:
                raise BadInput(
                    f"{prefix!r} begins more than one run id", hint=f"one of {', '.join(found)} …"
                )
            newest = sa.select(column).order_by(schema.RUN.c.started_at.desc()).limit(10)
            raise UnknownName.among("run", prefix, connection.execute(newest).scalars())

    def check(self) -> list[str]:
        """Return every problem found: pages, links between tables, and each run's digest."""
        problems: list[str] = []
        with reading(self._engine, self.path) as connection:
            pages = connection.exec_driver_sql("PRAGMA integrity_check").scalars()
            problems += [f"pages: {line}" for line in pages if line != "ok"]
            for table, rowid, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                problems.append(f"row {rowid} of {table} points to no {parent}")
            ids = list(connection.execute(sa.select(schema.RUN.c.id)).scalars())
        return problems + [line for run_id in ids if (line := self._problem_of(run_id))]

    def _problem_of(self, run_id: str) -> str | None:
        try:
            self.get(run_id)
        except (StoreError, UnknownName) as error:
            return f"run {run_id}: {error}"
        return None


def _require_campaign(connection: sa.Connection, campaign_id: str | None) -> None:
    known = sa.select(schema.CAMPAIGN.c.id).where(schema.CAMPAIGN.c.id == campaign_id)
    if campaign_id is not None and connection.execute(known).scalar() is None:
        raise StoreError(
            f"campaign {campaign_id} is not stored", hint="store the campaign before its runs"
        )


def _insert_campaign(connection: sa.Connection, sweep: Sweep) -> None:
    connection.execute(
        schema.CAMPAIGN.insert().values(
            id=sweep.id, model=sweep.model, suite=sweep.suite, spec=plain(sweep)
        )
    )
    for position, variant in enumerate(sweep.variants):
        _keep_artifact(connection, variant.artifact)
        connection.execute(
            schema.VARIANT.insert().values(
                campaign_id=sweep.id,
                position=position,
                artifact_sha256=variant.artifact.sha256,
                label=variant.label,
                reference=variant.reference,
                facts=plain(variant.facts),
            )
        )


def _insert(
    connection: sa.Connection,
    record: RunRecord,
    rows: RunRows,
    digest: str,
    campaign_id: str | None,
) -> None:
    subject = record.spec.subject
    _keep_artifact(connection, subject.artifact)
    _keep(
        connection,
        schema.SUBJECT,
        {
            "id": subject.id,
            "artifact_sha256": subject.artifact.sha256,
            "engine": subject.engine,
            "runtime": subject.runtime,
            "profile": plain(subject.profile),
        },
    )
    device = {"id": record.device.id, "system": record.device.system, "cpu": record.device.cpu}
    _keep(connection, schema.DEVICE, device | {"body": rows.device})
    environment = {"id": record.environment.id, "body": rows.environment}
    _keep(connection, schema.ENVIRONMENT, environment)
    own = {"campaign_id": campaign_id, "content_sha256": digest}
    connection.execute(schema.RUN.insert().values(**rows.run, **own))
    _insert_all(connection, schema.CAUTION, rows.cautions, {"run_id": record.id})
    for section in rows.sections:
        made = connection.execute(
            schema.SECTION.insert().values(run_id=record.id, **section.section)
        )
        key = {"section_id": cast("Sequence[Any]", made.inserted_primary_key)[0]}
        _insert_all(connection, schema.ATTEMPT, section.attempts, key)
        _insert_all(connection, schema.EVENT_BLOCK, section.blocks, key)
        _insert_all(connection, schema.ITEM_MARK, section.marks, key)


def _keep_artifact(connection: sa.Connection, artifact: Artifact) -> None:
    columns = ("sha256", "name", "format", "size_bytes")
    _keep(connection, schema.ARTIFACT, {name: getattr(artifact, name) for name in columns})


def _keep(connection: sa.Connection, table: sa.Table, row: Row) -> None:
    """Insert a row unless its primary key is there: such rows are keyed by their content."""
    key = next(iter(table.primary_key.columns))
    if connection.execute(sa.select(key).where(key == row[key.name])).first() is None:
        connection.execute(table.insert().values(**row))


def _insert_all(connection: sa.Connection, table: sa.Table, rows: Iterable[Row], key: Row) -> None:
    if values := [{**key, **row} for row in rows]:
        connection.execute(table.insert(), values)


def _load(connection: sa.Connection, run_id: str) -> tuple[RunRows, str]:
    run = next(iter(_select(connection, schema.RUN, schema.RUN.c.id == run_id)), None)
    if run is None:
        raise UnknownName(f"there is no run {run_id!r}", hint="see `steelyard results list`")
    rows = RunRows(
        run={key: value for key, value in run.items() if key not in _NOT_CONTENT},
        device=_body(connection, schema.DEVICE, run["device_id"]),
        environment=_body(connection, schema.ENVIRONMENT, run["environment_id"]),
        cautions=tuple(
            _select(connection, schema.CAUTION, schema.CAUTION.c.run_id == run_id, "run_id")
        ),
        sections=tuple(
            _load_section(connection, row)
            for row in _select(
                connection, schema.SECTION, schema.SECTION.c.run_id == run_id, "run_id"
            )
        ),
    )
    return rows, str(run["content_sha256"])


def _load_section(connection: sa.Connection, row: Row) -> SectionRows:
    key = row.pop("id")
    attempts, blocks, marks = (
        tuple(_select(connection, table, table.c.section_id == key, "section_id"))
        for table in (schema.ATTEMPT, schema.EVENT_BLOCK, schema.ITEM_MARK)
    )
    return SectionRows(row, attempts, blocks, marks)


def _select(
    connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool], without: str = ""
) -> list[Row]:
    order = table.c.get("position", table.c.get("part", table.c.get("id")))
    found = connection.execute(sa.select(table).where(where).order_by(order)).mappings()
    return [{key: row[key] for key in row if key != without} for row in found]


def _body(connection: sa.Connection, table: sa.Table, key: str) -> Row:
    return cast(
        "Row", connection.execute(sa.select(table.c.body).where(table.c.id == key)).scalar()
    )


def _artifact_raw(row: sa.RowMapping) -> Row:
    columns = ("name", "format", "size_bytes")
    return {"sha256": row["artifact_sha256"]} | {column: row[column] for column in columns}
