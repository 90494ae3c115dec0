"""Run the schema steps in `migrations/` from the program: no command line, no ini file.

Imported only when a database is not up to date, since Alembic is slow to load.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from steelyard import __version__
from steelyard.store.schema import META


def upgrade(connection: sa.Connection) -> None:
    """Bring the database of an open transaction to the newest step, and note who did it."""
    command.upgrade(_config(connection), "head")
    for key, value in (
        ("written_by", __version__),
        ("upgraded_at", datetime.now(UTC).isoformat(timespec="seconds")),
    ):
        connection.execute(META.delete().where(META.c.key == key))
        connection.execute(META.insert().values(key=key, value=value))


def newest() -> str | None:
    """Return the newest step on disk; `schema.HEAD` must name it."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # Alembic splits this option at separators unless told that there is one path only.
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
