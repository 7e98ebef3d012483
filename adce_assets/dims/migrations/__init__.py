"""How the tables of the history came to be what they are, one step after another; Alembic takes them."""
