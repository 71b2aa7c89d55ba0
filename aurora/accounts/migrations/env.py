"""Runs migrations on the connection that `Accounts.migrate` hands over."""

from alembic import context

from aurora.accounts.models import Model

context.configure(connection=context.config.attributes["connection"], target_metadata=Model.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
