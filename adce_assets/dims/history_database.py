"""A URL in, a database out in which a history can be kept: a SQLite file of one machine, or PostgreSQL for many.

Here is what the two do differently, and how the tables are made and brought up to date; what the rows say is not. One
process writes at a time: what a writer has read is so until it is done.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa
from filelock import FileLock
from filelock import Timeout as LockTimeout

from adce_assets import postgres
from adce_assets.errors import HistoryError

VERSION_TABLE = "dims_alembic_version"
REVISIONS = ("0001", "0002")
"""The migrations, oldest first: the last one is what `history_tables` describes."""
PATIENCE_S = 60
"""How long a process waits for another's writing, which takes milliseconds; then something is wrong."""
VALID = f"sqlite:///path, or {postgres.VALID}"

_MIGRATIONS = Path(__file__).parent / "migrations"
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('adce_dims'))"
_ONE_OF_THIS_PROCESS = threading.Lock()
"""Alembic keeps the migration under way in a variable of its module."""


class Database:
    """Where a history is kept; nothing is touched before it is first used.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host:port/database``.

    Raises:
        HistoryError: a URL of something else, or one that is not written as it should be.
    """

    def __init__(self, url: str) -> None:
        self._is_ready = False
        self._parts: postgres.PostgresUrl | None = None
        if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
            self._file: Path | None = Path(url.removeprefix("sqlite:///"))
            self.url, self._engine = url, _sqlite(self._file)
            self._reading = self._engine
            return
        read = postgres.read(url)
        if read is None:
            what = "the URL of the metrics' database cannot be read"
            raise HistoryError(what, where="ADCE_DATABASE_URL", valid=VALID, hint=postgres.HINT)
        self._file, self.url, self._parts = None, read.shown, read
        self._engine = _postgresql(read.url)
        # One moment for all that a reader sees: as SQLite does it anyway.
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def read(self) -> Generator[sa.Connection]:
        """Lend a connection that sees one moment; what is no row of a history is told as that."""
        with self._told():
            self._make_ready()
            with self._reading.connect() as connection, self.legible():
                yield connection

    @contextmanager
    def write(self) -> Generator[sa.Connection]:
        """Lend a connection that alone may write: all that is done in the block, or nothing."""
        with self._told():
            self._make_ready()
            with self._alone() as connection:
                yield connection

    @contextmanager
    def legible(self) -> Generator[None]:
        """Say that rows are not what a history writes, where they cannot be read."""
        try:
            yield
        except (ValueError, TypeError, RecursionError) as error:
            hint = "restore the database, or take out the row that somebody has changed"
            raise HistoryError(f"what is kept cannot be read: {error}", where=self.url, hint=hint) from error

    def dispose(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _make_ready(self) -> None:
        """Make the tables, or bring them up to date, unless they are; those who start together wait for each other."""
        if self._is_ready:
            return
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._engine.connect() as connection:
            is_due = self._is_due(connection)
        if is_due:
            self._migrate()
        self._is_ready = True

    def _migrate(self) -> None:
        # SQLite does not wait for a change of the mode.
        with FileLock(f"{self._file}.lock", timeout=PATIENCE_S) if self._file else nullcontext():
            if self._file is not None:
                with self._engine.connect() as connection:
                    connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
            with self._alone() as connection:
                if self._is_due(connection):  # as another may have done it meanwhile
                    upgrade(connection)

    def _is_due(self, connection: sa.Connection) -> bool:
        """Tell whether tables are missing or old; HistoryError if they are of a form that is not known here."""
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return True
        found = list(connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars())  # noqa: S608 - ours
        if unknown := set(found).difference(REVISIONS):
            what = f"the metrics' history was written in form `{min(unknown)}`, which this ADCE does not know"
            raise HistoryError(what, where=self.url, valid=f"up to `{REVISIONS[-1]}`", hint="update ADCE")
        return found != [REVISIONS[-1]]

    @contextmanager
    def _alone(self) -> Generator[sa.Connection]:
        with self._engine.connect().execution_options(adce_writes=True) as connection, connection.begin():
            if self._file is None:
                connection.exec_driver_sql(_ALONE)
            yield connection

    @contextmanager
    def _told(self) -> Generator[None]:
        """Say in ADCE's words what went wrong, without a word that is secret."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, psycopg2.Error, OSError, LockTimeout) as error:
            plain = str(getattr(error, "orig", None) or error).strip()
            text = self._parts.without_secrets(plain) if self._parts else plain
            hint = "check that the database can be reached" if self._file is None else "check its folder and its disk"
            refused = HistoryError(f"the metrics' history cannot be used: {text}", where=self.url, hint=hint)
            raise refused from (error if text == plain else None)


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


def _sqlite(file: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(file)),
        connect_args={"timeout": PATIENCE_S, "isolation_level": None},
        max_overflow=-1,  # who writes may look something up on the side, however many are waiting
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # A loss of power may take the last run, never a part of it.
        connection.execute("PRAGMA synchronous = NORMAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("adce_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: str) -> sa.Engine:
    return sa.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(
            url,
            application_name="adce dims",
            client_encoding="utf8",
            connect_timeout=PATIENCE_S,
            options=f"-c lock_timeout={PATIENCE_S}s",
        ),
        pool_pre_ping=True,
        max_overflow=-1,  # who writes may look something up on the side, however many are waiting
        hide_parameters=True,
    )
