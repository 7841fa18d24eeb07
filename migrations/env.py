"""Run the migrations on the connection that `searchengine.catalog.database` hands over.

That connection is inside one transaction that holds the write lock, so an upgrade happens as a
whole or not at all; there is no offline mode.
"""

from __future__ import annotations

from alembic import context

from searchengine.catalog.tables import Schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Schema.metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=True,
    on_version_apply=context.config.attributes.get("applied"),
)
with context.begin_transaction():
    context.run_migrations()
