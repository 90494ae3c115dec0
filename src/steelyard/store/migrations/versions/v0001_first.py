"""Schema step 0001: every table of the first release.

Frozen: a later change of `store.schema` gets a step of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _artifact()
    _campaign()
    _device()
    _environment()
    _meta()
    _subject()
    _variant()
    _run()
    _caution()
    _section()
    _attempt()
    _event_block()
    _item_mark()


def _artifact() -> None:
    op.create_table(
        "artifact",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_artifact"),
    )


def _campaign() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
    )


def _device() -> None:
    op.create_table(
        "device",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("cpu", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
    )


def _environment() -> None:
    op.create_table(
        "environment",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_environment"),
    )


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )


def _subject() -> None:
    op.create_table(
        "subject",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_sha256"], ["artifact.sha256"], name="fk_subject_artifact_sha256"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subject"),
    )
    op.create_index("ix_subject_artifact_sha256", "subject", ["artifact_sha256"], unique=False)


def _variant() -> None:
    op.create_table(
        "variant",
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_sha256"], ["artifact.sha256"], name="fk_variant_artifact_sha256"
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_variant_campaign_id"),
        sa.PrimaryKeyConstraint("campaign_id", "position", name="pk_variant"),
    )
    op.create_index("ix_variant_artifact_sha256", "variant", ["artifact_sha256"], unique=False)


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("spec_id", sa.String(length=64), nullable=False),
        sa.Column("campaign_id", sa.String(length=64), nullable=True),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("environment_id", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("replica", sa.Integer(), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("rest", sa.JSON(), nullable=False),
        sa.Column("vitals", sa.LargeBinary(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_run_campaign_id"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_run_device_id"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environment.id"], name="fk_run_environment_id"
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subject.id"], name="fk_run_subject_id"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_campaign_id", "run", ["campaign_id"], unique=False)
    op.create_index("ix_run_device_id", "run", ["device_id"], unique=False)
    op.create_index("ix_run_simulated_started_at", "run", ["simulated", "started_at"], unique=False)
    op.create_index("ix_run_spec_id", "run", ["spec_id"], unique=False)
    op.create_index("ix_run_subject_id", "run", ["subject_id"], unique=False)


def _caution() -> None:
    op.create_table(
        "caution",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("rest", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_caution_run_id"),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_caution"),
    )
    op.create_index("ix_caution_code", "caution", ["code"], unique=False)


def _section() -> None:
    op.create_table(
        "section",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        sa.Column("streams", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rest", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_section_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_section"),
        sa.UniqueConstraint("run_id", "position", name="uq_section_run_id_position"),
    )
    op.create_index("ix_section_name", "section", ["name"], unique=False)


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("section_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("ask", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("intended_ns", sa.BigInteger(), nullable=False),
        sa.Column("sent_ns", sa.BigInteger(), nullable=False),
        sa.Column("done_ns", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("rest", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["section_id"], ["section.id"], name="fk_attempt_section_id"),
        sa.PrimaryKeyConstraint("section_id", "position", name="pk_attempt"),
    )
    op.create_index("ix_attempt_sample", "attempt", ["sample"], unique=False)


def _event_block() -> None:
    op.create_table(
        "event_block",
        sa.Column("section_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["section_id"], ["section.id"], name="fk_event_block_section_id"),
        sa.PrimaryKeyConstraint("section_id", "part", name="pk_event_block"),
    )


def _item_mark() -> None:
    op.create_table(
        "item_mark",
        sa.Column("section_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("mark", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["section_id"], ["section.id"], name="fk_item_mark_section_id"),
        sa.PrimaryKeyConstraint("section_id", "position", name="pk_item_mark"),
    )
    op.create_index("ix_item_mark_item", "item_mark", ["item"], unique=False)
