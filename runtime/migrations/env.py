"""Run by alembic: apply the migrations over the connection that `runtime.database.migrate` has opened and locked."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
