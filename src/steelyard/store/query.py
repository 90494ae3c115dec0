"""Which runs to list, and one row for each: cheap, since no attempt or event is read.

Simulated and measured runs are never in one list. Not aware of doors or metrics.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import final

import sqlalchemy as sa

from steelyard.domain.caution import Caution, Quality, quality
from steelyard.domain.run import RunOutcome
from steelyard.store.schema import ARTIFACT, CAUTION, RUN, SECTION, SUBJECT, VARIANT


@final
@dataclass(frozen=True, slots=True)
class RunQuery:
    """What to list; None asks for everything.

    `model` is a part of the artifact's name, the variant's label or the start of the file's
    sha256. `simulated` chooses between the two kinds of run.
    """

    model: str | None = None
    engine: str | None = None
    campaign_id: str | None = None
    spec_id: str | None = None
    device_id: str | None = None
    outcome: RunOutcome | None = None
    quality: Quality | None = None
    section: str | None = None
    since: str | None = None
    limit: int | None = None
    simulated: bool = False


@final
@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in brief. `label` is the variant's in its campaign, else the file's name."""

    id: str
    campaign_id: str | None
    spec_id: str
    subject_id: str
    label: str
    artifact: str
    sha256: str
    engine: str
    runtime: str
    repeat: int
    replica: int
    sections: tuple[str, ...]
    outcome: RunOutcome
    reason: str
    quality: Quality
    quality_reasons: tuple[str, ...]
    started_at: str
    device_id: str
    simulated: bool


def select_runs(connection: sa.Connection, query: RunQuery) -> tuple[RunRow, ...]:
    """Return the rows of a query, the newest first."""
    statement = _statement(query)
    found = connection.execute(statement).mappings().all()
    ids = [row["id"] for row in found]
    cautions = _grouped(connection, CAUTION, CAUTION.c.code, ids)
    sections = _grouped(connection, SECTION, SECTION.c.name, ids)
    rows = []
    for row in found:
        codes = [Caution(code, "", "") for code in cautions[row["id"]]]
        state = quality(codes)
        if query.quality in (None, state):
            rows.append(
                RunRow(
                    **{**row, "label": row["label"] or row["artifact"]},
                    sections=tuple(sections[row["id"]]),
                    quality=state,
                    quality_reasons=tuple(dict.fromkeys(c.code for c in codes if c.pollutes)),
                )
            )
    return tuple(rows[: query.limit])


def _statement(query: RunQuery) -> sa.Select[tuple[object, ...]]:
    label = (
        sa.select(VARIANT.c.label)
        .where(
            VARIANT.c.campaign_id == RUN.c.campaign_id,
            VARIANT.c.artifact_sha256 == SUBJECT.c.artifact_sha256,
        )
        .order_by(VARIANT.c.position)
        .limit(1)
        .scalar_subquery()
    )
    names = ("id", "campaign_id", "spec_id", "subject_id", "repeat", "replica")
    more = ("outcome", "reason", "started_at", "device_id", "simulated")
    statement = (
        sa.select(
            *(RUN.c[name] for name in (*names, *more)),
            label.label("label"),
            ARTIFACT.c.name.label("artifact"),
            ARTIFACT.c.sha256,
            SUBJECT.c.engine,
            SUBJECT.c.runtime,
        )
        .join(SUBJECT, SUBJECT.c.id == RUN.c.subject_id)
        .join(ARTIFACT, ARTIFACT.c.sha256 == SUBJECT.c.artifact_sha256)
        .where(RUN.c.simulated == query.simulated)
        .order_by(RUN.c.started_at.desc(), RUN.c.id.desc())
    )
    for condition in _conditions(query, label):
        statement = statement.where(condition)
    # The quality is derived afterwards, so a limit may only be handed on where none is asked for.
    return statement if query.quality else statement.limit(query.limit)


def _conditions(query: RunQuery, label: sa.ScalarSelect[str]) -> list[sa.ColumnElement[bool]]:
    exact = {
        RUN.c.campaign_id: query.campaign_id,
        RUN.c.spec_id: query.spec_id,
        RUN.c.device_id: query.device_id,
        RUN.c.outcome: query.outcome,
        SUBJECT.c.engine: query.engine,
    }
    found: list[sa.ColumnElement[bool]] = [
        column == value for column, value in exact.items() if value is not None
    ]
    if query.model is not None:
        found.append(
            sa.or_(
                ARTIFACT.c.name.icontains(query.model, autoescape=True),
                label.icontains(query.model, autoescape=True),
                ARTIFACT.c.sha256.startswith(query.model.lower(), autoescape=True),
            )
        )
    if query.section is not None:
        names = sa.select(SECTION.c.run_id).where(SECTION.c.name == query.section)
        found.append(RUN.c.id.in_(names))
    if query.since is not None:
        found.append(RUN.c.started_at >= query.since)
    return found


def _grouped(
    connection: sa.Connection, table: sa.Table, column: sa.Column[str], run_ids: list[str]
) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    # A database binds only so many values at once.
    for start in range(0, len(run_ids), 500):
        wanted = table.c.run_id.in_(run_ids[start : start + 500])
        query = sa.select(table.c.run_id, column).where(wanted).order_by(table.c.position)
        for run_id, value in connection.execute(query):
            grouped[run_id].append(value)
    return grouped
