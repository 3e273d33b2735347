"""What Alembic runs: migrate the connection that `ledger.schema` (or a developer's command) hands in."""

from alembic import context

from ledger.whole_schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
