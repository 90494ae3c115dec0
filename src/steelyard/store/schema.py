"""The tables, in portable SQLAlchemy types: SQLite today, PostgreSQL with the same text later.

One row of `run`, `section`, `attempt` and `item_mark` holds the columns that queries go by and,
in `rest`, the other fields of the domain type at their non-default values: a new field of the
domain needs no new column. `campaign`, `subject`, `artifact`, `device` and `environment` are keyed
by content hash. Not aware of how rows become domain values: that is `store.rows`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# The newest step in migrations/versions; names are zero-padded so that text order is history.
HEAD: Final = "0001"

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

META: Final = Table(
    "meta", METADATA, Column("key", Text, primary_key=True), Column("value", Text, nullable=False)
)

ARTIFACT: Final = Table(
    "artifact",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)

CAMPAIGN: Final = Table(
    "campaign",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("model", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("spec", JSON, nullable=False),
)

VARIANT: Final = Table(
    "variant",
    METADATA,
    Column("campaign_id", String(64), ForeignKey("campaign.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("artifact_sha256", String(64), ForeignKey("artifact.sha256"), nullable=False),
    Column("label", Text, nullable=False),
    Column("reference", Text),
    Column("facts", JSON, nullable=False),
    Index(None, "artifact_sha256"),
)

SUBJECT: Final = Table(
    "subject",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("artifact_sha256", String(64), ForeignKey("artifact.sha256"), nullable=False),
    Column("engine", Text, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("profile", JSON, nullable=False),
    Index(None, "artifact_sha256"),
)

DEVICE: Final = Table(
    "device",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("system", Text, nullable=False),
    Column("cpu", Text, nullable=False),
    Column("body", JSON, nullable=False),
)

ENVIRONMENT: Final = Table(
    "environment",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("body", JSON, nullable=False),
)

RUN: Final = Table(
    "run",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("spec_id", String(64), nullable=False),
    Column("campaign_id", String(64), ForeignKey("campaign.id")),
    Column("subject_id", String(64), ForeignKey("subject.id"), nullable=False),
    Column("device_id", String(64), ForeignKey("device.id"), nullable=False),
    Column("environment_id", String(64), ForeignKey("environment.id"), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("replica", Integer, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("rest", JSON, nullable=False),
    Column("vitals", LargeBinary, nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Index(None, "simulated", "started_at"),
    Index(None, "campaign_id"),
    Index(None, "spec_id"),
    Index(None, "subject_id"),
    Index(None, "device_id"),
)

CAUTION: Final = Table(
    "caution",
    METADATA,
    Column("run_id", String(64), ForeignKey("run.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("code", Text, nullable=False),
    Column("rest", JSON, nullable=False),
    Index(None, "code"),
)

SECTION: Final = Table(
    "section",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(64), ForeignKey("run.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=False),
    Column("streams", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rest", JSON, nullable=False),
    UniqueConstraint("run_id", "position"),
    Index(None, "name"),
)

ATTEMPT: Final = Table(
    "attempt",
    METADATA,
    Column("section_id", Integer, ForeignKey("section.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sample", Text, nullable=False),
    Column("ask", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("intended_ns", BigInteger, nullable=False),
    Column("sent_ns", BigInteger, nullable=False),
    Column("done_ns", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("events", Integer, nullable=False),
    Column("rest", JSON, nullable=False),
    Index(None, "sample"),
)

# The arrivals of a section's attempts, one after the other; `attempt.events` cuts them apart.
EVENT_BLOCK: Final = Table(
    "event_block",
    METADATA,
    Column("section_id", Integer, ForeignKey("section.id"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("events", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

ITEM_MARK: Final = Table(
    "item_mark",
    METADATA,
    Column("section_id", Integer, ForeignKey("section.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item", Text, nullable=False),
    Column("cluster", Text),
    Column("outcome", Text),
    Column("mark", JSON(none_as_null=True)),
    Index(None, "item"),
)
