"""A connection that somebody has begun a transaction on in, the migrations run on it: Alembic asks for this module."""

from alembic import context

from adce_assets.dims.history_database import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
