"""Run by Alembic: takes the connection that `upgrade.py` hands over, and leaves its transaction to it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
