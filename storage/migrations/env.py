"""Run by Alembic: applies the migrations on the connection that storage.database hands over."""

from alembic import context

from storage.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
