"""A URL in, a database out in which a history can be kept.

How the tables are made and brought up to date is here; what the rows say is not. One process writes at a time: what a
writer has read is so until it is done.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from adce_assets.databases import Purpose, SqlDatabase
from adce_assets.errors import HistoryError

VERSION_TABLE = "dims_alembic_version"
REVISIONS = ("0001", "0002", "0003")
"""The migrations, oldest first: the last one is what `history_tables` describes."""
PURPOSE = Purpose("the metrics' history", "adce dims", HistoryError)

_MIGRATIONS = Path(__file__).parent / "migrations"
_ONE_OF_THIS_PROCESS = threading.Lock()
"""Alembic keeps the migration under way in a variable of its module."""


class Database(SqlDatabase):
    """Where a history is kept; nothing is touched before it is first used. HistoryError says what is wrong with it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, PURPOSE)

    @contextmanager
    def read(self) -> Generator[sa.Connection]:
        """Lend a connection that sees one moment; what is no row of a history is told as that."""
        with super().read() as connection, self.legible():
            yield connection

    @contextmanager
    def write(self) -> Generator[sa.Connection]:
        """Lend a connection that alone may write: all that is done in the block, or nothing."""
        with self._writable() as connection:
            self._lock(connection)
            yield connection

    @contextmanager
    def legible(self) -> Generator[None]:
        """Say that rows are not what a history writes, where they cannot be read."""
        try:
            yield
        except (ValueError, TypeError, RecursionError) as error:
            hint = "restore the database, or take out the row that somebody has changed"
            raise HistoryError(f"what is kept cannot be read: {error}", where=self.url, hint=hint) from error

    def _make(self) -> None:
        """Make the tables, or bring them up to date, unless they are; those who start together wait for each other."""
        with self._engine.connect() as connection:
            is_due = self._is_due(connection)
        if is_due:
            with self._making() as writing:
                if self._is_due(writing):  # as another may have done it meanwhile
                    upgrade(writing)

    def _is_due(self, connection: sa.Connection) -> bool:
        """Tell whether tables are missing or old; HistoryError if they are of a form that is not known here."""
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return True
        found = list(connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars())  # noqa: S608 - ours
        if unknown := set(found).difference(REVISIONS):
            what = f"the metrics' history was written in form `{min(unknown)}`, which this ADCE does not know"
            raise HistoryError(what, where=self.url, valid=f"up to `{REVISIONS[-1]}`", hint="update ADCE")
        return found != [REVISIONS[-1]]


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Bring the tables up to a revision, in the transaction of the connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _ONE_OF_THIS_PROCESS:
        command.upgrade(config, revision)
