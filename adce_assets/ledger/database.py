"""A URL in, a database out in which a ledger can be kept: a SQLite file of one machine, or PostgreSQL for many.

The tables, how they are made, and what the two databases do differently are here; what the rows say is not.
"""

import io
import json
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from adce_assets import postgres
from adce_assets.databases import Purpose, SqlDatabase
from adce_assets.errors import LedgerError
from adce_assets.ledger.chain import GENESIS

FORM = 1
"""The form of the tables; another one is refused."""
PURPOSE = Purpose(
    "the ledger",
    "adce ledger",
    LedgerError,
    # kibibytes: the two indexes of a million entries; pages: not after each batch
    pragmas=("cache_size = -65536", "wal_autocheckpoint = 10000"),
)
PAGE = 10_000
"""Rows that are read or written together."""

# PostgreSQL sorts and compares text as bytes only where it is told so; SQLite always does.
_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_Seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _Text, nullable=False) for name in names]


entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("seq", _Seq, primary_key=True, autoincrement=False),
    *_texts("at", "key", "event", "source", "data_type", "season", "run", "task", "detail", "hash"),
    sa.Index("ledger_entries_of_a_key", "key", "seq"),
    sa.Index("ledger_entries_by_event", "event", "at"),
)
_HELD = "ledger_keys_held"
_BY_STATE = "ledger_keys_by_state"
"""An index that ledgers had before `_HELD`; kept up at each change of state, it costs more than it gives."""
_IS_HELD = sa.text("lease_until IS NOT NULL")
keys = sa.Table(
    "ledger_keys",
    metadata,
    sa.Column("key", _Text, primary_key=True),
    *_texts("source", "data_type", "season", "state"),
    sa.Column("seq", _Seq, nullable=False),
    *_texts("hash", "since", "run", "task"),
    sa.Column("lease_until", _Text),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("probes", sa.Integer, nullable=False),
    *(sa.Column(name, _Text) for name in ("probed_at", "next_at", "detected_at", "closed_at")),
    sa.Column("detail", _Text, nullable=False),
    # None that a change of state has to touch, but for the beginning and the end of a lease: PostgreSQL then puts the
    # new row beside the old one, which halves what a transition costs it.
    sa.Index(_HELD, "lease_until", postgresql_where=_IS_HELD, sqlite_where=_IS_HELD),
    sa.Index("ledger_keys_by_cell", "source", "data_type", "season"),
    sqlite_with_rowid=False,
)
_ROOM = "ALTER TABLE ledger_keys SET (fillfactor = 70)"
head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("form", sa.Integer, nullable=False),
    sa.Column("seq", _Seq, nullable=False),
    *_texts("hash", "at"),
)

_before = entries.alias()
WRITTEN = sa.select(
    entries.c.seq,
    # The first entry names a hash of its own, and an entry whose neighbour is gone names none.
    sa.case((entries.c.seq == 1, GENESIS), else_=sa.func.coalesce(_before.c.hash, "")),
    *entries.c["at", "key", "event", "source", "data_type", "season", "run", "task", "detail", "hash"],
).select_from(entries.outerjoin(_before, _before.c.seq == entries.c.seq - 1))
"""An entry as `chain.Written` has it: with the hash of the entry before it, which is kept there alone."""

_NAMES = tuple(keys.c.keys())
# Compiled once, and handed rows as they are: SQLAlchemy would look at each value of each row.
_ADD = str(sa.insert(entries).compile(dialect=sqlite.dialect()))
_INTO = sqlite.insert(keys)
_REPLACE = str(
    _INTO.on_conflict_do_update(index_elements=["key"], set_={name: _INTO.excluded[name] for name in _NAMES}).compile(
        dialect=sqlite.dialect()
    )
)
_CHANGED = sa.Table("ledger_changed", sa.MetaData(), *(sa.Column(name) for name in _NAMES))
"""What PostgreSQL copies changed rows to first, a table of the connection."""
_MAKE_CHANGED = """
CREATE TEMPORARY TABLE IF NOT EXISTS ledger_changed (LIKE ledger_keys INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
"""
_MERGE = postgresql.insert(keys).from_select(_NAMES, sa.select(_CHANGED))
_MERGE = _MERGE.on_conflict_do_update(index_elements=["key"], set_={name: _MERGE.excluded[name] for name in _NAMES})


class Database(SqlDatabase):
    """Where a ledger is kept; nothing is touched before it is first used. LedgerError says what is wrong with it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, PURPOSE)

    @contextmanager
    def write(self) -> Generator[tuple[sa.Connection, sa.Row[Any]]]:
        """Lend a connection that alone may append, and the head: all that is done in the block, or nothing."""
        with self._writable() as connection:
            yield connection, connection.execute(sa.select(head).with_for_update()).one()

    def among(self, column: sa.Column[Any], values: Collection[Any]) -> sa.ColumnElement[bool]:
        """Ask for a column's values among many, in one parameter; what cannot be kept is not there."""
        values = [value for value in values if not isinstance(value, str) or keepable(value)]
        if self._file is None:
            kind = sa.ARRAY(sa.BigInteger) if column is entries.c.seq else sa.ARRAY(sa.Text)
            return column == sa.any_(sa.literal(values, kind))
        listed = sa.func.json_each(json.dumps(values)).table_valued("value")
        return column.in_(sa.select(listed.c.value))

    def put(
        self, connection: sa.Connection, new: Sequence[tuple[Any, ...]], changed: Sequence[tuple[Any, ...]]
    ) -> None:
        """Add rows to the entries, and put rows in the place of those of the same keys."""
        if self._file is None:
            _put_postgresql(connection, new, changed)
            return
        for statement, rows in ((_ADD, new), (_REPLACE, changed)):
            if rows:
                connection.exec_driver_sql(statement, list(rows))

    def _make(self) -> None:
        with self._engine.connect() as connection:
            form = _form(connection)
            is_whole = form is not None and sa.inspect(connection).has_index(keys.name, _HELD)
        if form in {None, FORM} and not is_whole:
            form = self._make_tables()
        if form != FORM:
            what = f"the ledger was written in form {form}"
            raise LedgerError(what, where=self.url, valid=f"form {FORM}", hint="update ADCE")

    def _make_tables(self) -> int:
        with self._making() as connection:
            metadata.create_all(connection)
            _put_in_order(connection)
            form = _form(connection)
            if form is None:
                if connection.execute(sa.select(entries.c.seq).limit(1)).first() is not None:
                    what, hint = "nobody knows any more which entry is the last", "restore the database"
                    raise LedgerError(what, where=self.url, hint=hint)
                connection.execute(sa.insert(head).values(id=1, form=FORM, seq=0, hash=GENESIS, at=""))
        return form or FORM


def _form(connection: sa.Connection) -> int | None:
    """Return the form of the tables; None if they are not there. The head is written last."""
    there = sa.inspect(connection).has_table(head.name)
    return connection.execute(sa.select(head.c.form)).scalar() if there else None


def _put_in_order(connection: sa.Connection) -> None:
    """Give the table of keys, which may have been there before, the indexes and the room that it is to have."""
    for index in keys.indexes:
        index.create(connection, checkfirst=True)
    connection.exec_driver_sql(f"DROP INDEX IF EXISTS {_BY_STATE}")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_ROOM)


def keepable(text: str) -> bool:
    """Tell whether both databases can keep a text: PostgreSQL has no NUL, and neither keeps half a letter."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def paged(connection: sa.Connection, asked: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
    """Fetch rows as they are asked for, a page at a time, so that no number of them fills the memory."""
    yield from connection.execute(asked, execution_options={"stream_results": True, "yield_per": PAGE})


def _put_postgresql(
    connection: sa.Connection, new: Sequence[tuple[Any, ...]], changed: Sequence[tuple[Any, ...]]
) -> None:
    """Copy rows in: several times faster than statements, whose values have to be quoted one by one."""
    connection.exec_driver_sql(_MAKE_CHANGED)
    with connection.connection.cursor() as cursor:
        _copy(cursor, entries.name, new)
        _copy(cursor, _CHANGED.name, changed)
    connection.execute(_MERGE)
    connection.exec_driver_sql("TRUNCATE ledger_changed")


def _copy(cursor: Any, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
    text = "\n".join(map(_line, rows)).encode()
    cursor.copy_expert(f"COPY {name} FROM STDIN", io.BytesIO(text), size=len(text) + 1)


def _line(row: tuple[Any, ...]) -> str:
    """Write a row as it is copied: nearly none has a text that must be escaped, which costs more than all the rest."""
    line = "\t".join([postgres.COPY_NULL if one is None else str(one) for one in row])
    is_plain = line.count("\\") == row.count(None) and line.count("\t") == len(row) - 1
    if is_plain and "\n" not in line and "\r" not in line:
        return line
    return "\t".join([postgres.COPY_NULL if one is None else str(one).translate(postgres.COPY_ESCAPES) for one in row])
