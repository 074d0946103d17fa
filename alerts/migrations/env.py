"""Run by Alembic: migrate on the connection that `open_store` holds, in its transaction."""

from alembic import context

from alerts.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the caller's transaction is the only one
)
context.run_migrations()
