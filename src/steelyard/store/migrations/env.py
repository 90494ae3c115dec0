"""What Alembic executes: run the steps on the connection that `store.migrate` hands over.

Not aware of where the database lies, and never opens one itself.
"""

from __future__ import annotations

from alembic import context

from steelyard.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter a column in place; Alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
