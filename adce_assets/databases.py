"""A URL in, a SQL database out: a SQLite file of one machine, or PostgreSQL for many. What they do differently is here.

One process writes at a time and readers see one moment, in both. What tables there are, and what rows say, is the
business of who keeps something there.
"""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psycopg2
import sqlalchemy as sa
from filelock import FileLock
from filelock import Timeout as LockTimeout

from adce_assets import postgres
from adce_assets.errors import AdceError

PATIENCE_S = 60
"""How long a process waits for another's writing, which takes milliseconds; then something is wrong."""
VALID = f"sqlite:///path, or {postgres.VALID}"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a database is for.

    Attributes:
        name: What it keeps, as a person calls it: ``the ledger``.
        program: By what name PostgreSQL knows who is connected; who makes its tables holds the lock of this name.
        error: What is raised when it cannot be used.
        pragmas: Settings of SQLite beside those that all have.
        patience_s: How long, in seconds, it waits for another's writing, for a server that does not let it in, and for
            one that does not take what it is sent; twice as long for one that was at work and is gone. Less than
            `PATIENCE_S` bounds what a server may work on one statement as well.
    """

    name: str
    program: str
    error: type[AdceError]
    pragmas: tuple[str, ...] = ()
    patience_s: int = PATIENCE_S


class SqlDatabase:
    """Where something is kept; nothing is touched before it is first used.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host:port/database``.
        purpose: What it is for.

    Raises:
        AdceError: of the purpose's kind, for a URL of something else, or one that is not written as it should be.
    """

    def __init__(self, url: str, purpose: Purpose) -> None:
        self._is_made = False
        self._purpose, self._parts = purpose, postgres.read(url)
        self._file = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) and url != _SQLITE else None
        if self._file is not None:
            self.url, self._engine = url, _sqlite(self._file, purpose)
            self._reading = self._engine
            return
        if self._parts is None:
            what = f"the URL of the database of {purpose.name} cannot be read"
            raise purpose.error(what, where="ADCE_DATABASE_URL", valid=VALID, hint=postgres.HINT)
        self.url, self._engine = self._parts.shown, _postgresql(self._parts.url, purpose)
        # One moment for all that a reader sees, however long it reads: as SQLite does it anyway.
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ")

    def dispose(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Generator[sa.Connection]:
        """Lend a connection that sees the database as it is now until the block ends."""
        with self._told():
            self._make_once()
            with self._reading.connect() as connection:
                yield connection

    @contextmanager
    def _writable(self) -> Generator[sa.Connection]:
        """Lend a connection as `_writing` does, to tables that are there."""
        with self._told():
            self._make_once()
            with self._writing() as connection:
                yield connection

    def _make_once(self) -> None:
        if self._is_made:
            return
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        self._make()
        self._is_made = True

    def _make(self) -> None:
        """Make the tables unless they are there; processes that start together wait for each other."""
        raise NotImplementedError

    @contextmanager
    def _writing(self) -> Generator[sa.Connection]:
        """Lend a connection whose transaction is all that is done in the block, or nothing; SQLite has one writer."""
        with self._engine.connect().execution_options(adce_writes=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _making(self) -> Generator[sa.Connection]:
        """Lend a connection to who makes the tables; those who start together wait for each other."""
        # SQLite does not wait for a change of the mode.
        with FileLock(f"{self._file}.lock", timeout=self._purpose.patience_s) if self._file else nullcontext():
            if self._file is not None:
                with self._engine.connect() as connection:
                    connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
            with self._writing() as connection:
                self._lock(connection)
                yield connection

    def _lock(self, connection: sa.Connection) -> None:
        """Wait until nobody else holds the lock of this purpose, which ends with the transaction; SQLite needs none."""
        if self._file is None:
            locked = sa.func.pg_advisory_xact_lock(sa.func.hashtext(self._purpose.program))
            connection.execute(sa.select(locked))

    @contextmanager
    def _told(self) -> Generator[None]:
        """Say in ADCE's words what went wrong, without a word that is secret."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, psycopg2.Error, OSError, LockTimeout) as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> NoReturn:
        plain = str(getattr(error, "orig", None) or error).strip()
        text = self._parts.without_secrets(plain) if self._parts else plain
        hint = "check that the database can be reached" if self._file is None else "check its folder and its disk"
        refused = self._purpose.error(f"{self._purpose.name} cannot be used: {text}", where=self.url, hint=hint)
        raise refused from (error if text == plain else None)


def _sqlite(file: Path, purpose: Purpose) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(file)),
        connect_args={"timeout": purpose.patience_s, "isolation_level": None},
        max_overflow=-1,  # who writes may look something up on the side, however many are waiting
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # A loss of power may take the last of what was written, never a part of one transaction.
        for pragma in ("synchronous = NORMAL", *purpose.pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("adce_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _patience(seconds: int) -> dict[str, Any]:
    """Bound what is waited for: a server to answer, another's writing, and one that is gone without a word.

    A server that takes what it is sent and says nothing is bounded by none of these. Where little patience is asked
    for, what is asked is little too, so that the server itself gives it up.
    """
    brief = f" -c statement_timeout={seconds}s" if seconds < PATIENCE_S else ""
    return {
        "connect_timeout": seconds,
        "tcp_user_timeout": 1_000 * seconds,
        "keepalives_idle": seconds,
        "keepalives_interval": max(1, seconds // 3),
        "keepalives_count": 3,
        "options": f"-c lock_timeout={seconds}s{brief}",
    }


def _postgresql(url: str, purpose: Purpose) -> sa.Engine:
    return sa.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(
            url,
            application_name=purpose.program,
            client_encoding="utf8",  # what is copied is not encoded again, whatever the database or its user say
            **_patience(purpose.patience_s),
        ),
        pool_pre_ping=True,
        max_overflow=-1,
        hide_parameters=True,
    )
