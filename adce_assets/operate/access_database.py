"""A URL in, a database out in which it is kept who may do what, and who has done what.

The tables and how they are made are here; what the rows say is the business of `tokens` and `actions`. It is the
ledger's PostgreSQL where there is one, so that all machines know the same, and else a file of this machine that nobody
but its owner may read.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from adce_assets.databases import PATIENCE_S, Purpose, SqlDatabase
from adce_assets.errors import AccessError
from adce_assets.ledger.chain import GENESIS
from adce_assets.settings import Settings

FORM = 1
"""The form of the tables; another one is refused."""
PURPOSE = Purpose("who may do what and who did it", "adce access", AccessError)
OWNER_ALONE = 0o600

metadata = sa.MetaData()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    *_texts("role", "hash", "issued_at", "issued_by"),
    sa.Column("rotated_at", sa.Text),
    sa.Column("revoked_at", sa.Text),
)
actions = sa.Table(
    "access_actions",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    *_texts("at", "actor", "role", "action", "subject", "outcome", "detail", "hash"),
)
head = sa.Table(
    "access_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("form", sa.Integer, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    *_texts("hash", "at"),
)


class AccessDatabase(SqlDatabase):
    """Where it is kept; nothing is touched before it is first used. AccessError says what is wrong with it.

    Args:
        url: A SQLite file or a PostgreSQL.
        patience_s: How patient it is, as `Purpose` has it.
    """

    def __init__(self, url: str, patience_s: int = PATIENCE_S) -> None:
        super().__init__(url, replace(PURPOSE, patience_s=patience_s))

    @contextmanager
    def write(self) -> Generator[tuple[sa.Connection, sa.Row[Any]]]:
        """Lend a connection that alone may write, and the last action: all that is done in the block, or nothing."""
        with self._writable() as connection:
            found = connection.execute(sa.select(head).with_for_update()).one_or_none()
            if found is None:
                what, hint = "nobody knows any more which action is the last", "restore the database"
                raise AccessError(what, where=self.url, hint=hint)
            yield connection, found

    def _make(self) -> None:
        if self._file is not None:
            self._file.touch(OWNER_ALONE)
        with self._engine.connect() as connection:
            form = _form(connection)
        if form is None:
            form = self._make_tables()
        if form != FORM:
            what = f"it was written in form {form}"
            raise AccessError(what, where=self.url, valid=f"form {FORM}", hint="update ADCE")

    def _make_tables(self) -> int:
        with self._making() as connection:
            metadata.create_all(connection)
            form = _form(connection)
            if form is None and connection.execute(sa.select(actions.c.seq).limit(1)).first() is None:
                connection.execute(sa.insert(head).values(id=1, form=FORM, seq=0, hash=GENESIS, at=""))
        return form or FORM


def _form(connection: sa.Connection) -> int | None:
    """Return the form of the tables; None if they are not there. The head is written last."""
    there = sa.inspect(connection).has_table(head.name)
    return connection.execute(sa.select(head.c.form)).scalar() if there else None


@contextmanager
def opened(settings: Settings, patience_s: int = PATIENCE_S) -> Generator[AccessDatabase]:
    """Lend the database of an installation for the length of the block."""
    database = AccessDatabase(settings.access_url, patience_s)
    try:
        yield database
    finally:
        database.dispose()
