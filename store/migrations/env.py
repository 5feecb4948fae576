"""Alembic's entry: runs the migrations on the connection it is handed."""

from alembic import context

from store.schema import metadata

conn = context.config.attributes["connection"]
context.configure(connection=conn, target_metadata=metadata, transaction_per_migration=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
