"""One SQLite file: opened, brought up to date, its errors turned into words.

Writers take the write lock at once (BEGIN IMMEDIATE), so two processes queue up instead of failing
half-way. Not aware of what the tables mean. Sources: sqlite.org on WAL and on BEGIN IMMEDIATE;
SQLAlchemy's documentation on transactions with sqlite3.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from steelyard.domain.errors import BadInput, DamagedStore, StoreError, TooLittleRoom
from steelyard.store.schema import HEAD

BUSY_S: Final = 30.0
_RETRY_S: Final = 0.05


def open_engine(path: Path) -> sa.Engine:
    """Open the database at `path`, make or update its tables; raise `StoreError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cannot make the folder of {path}: {error.strerror}",
            hint="choose another place with STEELYARD_HOME",
        ) from None
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),
        json_serializer=_json,
        connect_args={"timeout": BUSY_S},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    try:
        with in_words(path):
            _use_wal(engine)
            _bring_up_to_date(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: sa.Engine, path: Path) -> Iterator[sa.Connection]:
    """Open one consistent view of the database."""
    with in_words(path), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine, path: Path) -> Iterator[sa.Connection]:
    """Open one transaction that holds the write lock: all of it happens, or nothing."""
    with in_words(path), engine.connect() as plain:
        connection = plain.execution_options(steelyard_writes=True)
        with connection.begin():
            yield connection


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn what the database library raises into a `StoreError` that names the way out."""
    try:
        yield
    except DBAPIError as error:
        raise _worded(path, str(error.orig)) from None
    except (SQLAlchemyError, sqlite3.Error, ValueError) as error:
        # A row whose bytes are damaged surfaces as broken JSON or text.
        raise _worded(path, str(error)) from None


def _worded(path: Path, cause: str) -> StoreError | TooLittleRoom:
    if "locked" in cause:
        return StoreError(
            f"{path} is held by another process (waited {BUSY_S:.0f} s)",
            hint="wait for it to end, then try again",
        )
    if "disk is full" in cause:
        return TooLittleRoom(f"no room left to write {path}", hint="free some space, try again")
    if "readonly" in cause or "unable to open" in cause:
        return StoreError(
            f"cannot write {path}: {cause}", hint="choose another place with STEELYARD_HOME"
        )
    return damaged(path, cause)


def damaged(path: Path, cause: str) -> DamagedStore:
    """Return the error for a database whose content cannot be trusted."""
    return DamagedStore(
        f"{path} is damaged: {cause}",
        hint="rebuild it from the campaign folders: `steelyard results rebuild FOLDER …`",
    )


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    # Without this, sqlite3 itself decides when a transaction begins.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")


def _on_begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("steelyard_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_wal(engine: sa.Engine) -> None:
    """Switch to write-ahead logging once; SQLite does not queue for this lock by itself."""
    deadline = time.monotonic() + BUSY_S
    while True:
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        finally:
            raw.close()
        time.sleep(_RETRY_S)


def _bring_up_to_date(engine: sa.Engine, path: Path) -> None:
    with reading(engine, path) as connection:
        found = _version(connection, path)
    if found == HEAD:
        return
    with writing(engine, path) as connection:
        found = _version(connection, path)  # another process may have been faster
        if found is None or found < HEAD:
            from steelyard.store.migrate import upgrade

            upgrade(connection)


def _version(connection: sa.Connection, path: Path) -> str | None:
    """Return the schema step the file is at, None for a new file; refuse what is not ours."""
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreError(
            f"{path} is a database of something else (tables: {', '.join(sorted(tables)[:4])})",
            hint="move it away, or choose another place with STEELYARD_HOME",
        )
    version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if version is not None and str(version) > HEAD:
        raise StoreError(
            f"{path} was written by a newer Steelyard (schema {version}, this one knows {HEAD})",
            hint="update Steelyard, or choose another place with STEELYARD_HOME",
        )
    return None if version is None else str(version)


def _json(value: object) -> str:
    # ASCII only: a model may write half of a surrogate pair, which UTF-8 cannot hold.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
