"""A place in words in, a relation out: Parquet and CSV files, tables of DuckDB files and of PostgreSQL, for comparing.

Nothing is held in memory: files are read where they lie, a PostgreSQL table is copied, in one snapshot, to a CSV file
of a folder that the caller lends. Nothing is converted on the way either: what a CSV file or PostgreSQL says stays the
text that it is, and the encoding reads it, so that no number passes through another type. Types that the encoding has
no way for (UUID, JSON, lists, ...) are compared as their text.
"""

import csv
import glob
import gzip
import hashlib
import io
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

from adce_assets import postgres
from adce_assets.errors import ConfigurationError, VerifyError, printable
from adce_assets.sql_text import literal, quoted
from adce_assets.verify.encoding import ColumnType
from adce_assets.verify.encoding_sql import family, kind_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PACKED = (".gz", ".zst")
MOST_NAMED = 20
MOST_HEADING = 1_000_000
"""Characters in which the heading of a CSV file has to end: a hostile file may have no end of a line."""
MOST_LINE = 16 * 1024**2
"""Bytes of a row of a CSV file, and so of PostgreSQL. Memory for two is taken, by each thread."""
MOST_TOLD = 300
"""Characters of a line of an error that are told: some hold the row they are about."""
CONNECT_SECONDS = 10
NOTHING: Mapping[str, ColumnType] = {}
PLACES = "FILE.parquet, FILE.csv, FILE.tsv (or .csv.gz, .csv.zst), FILE.duckdb#TABLE, postgresql://HOST/DATABASE#TABLE"
NESTED = ("STRUCT", "MAP", "UNION")


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows that can be read as often as wanted.

    Attributes:
        name: What people call it, without a password.
        sql: What stands after FROM.
        columns: Its columns in their order, each with the type that DuckDB reads it as.
        meant: What the columns were before they came as text, where that is known to be something else.
    """

    name: str
    sql: str
    columns: Mapping[str, str]
    meant: Mapping[str, str]

    def means(self, column: str) -> str:
        """Return the type of DuckDB that holds what the column holds, whatever it comes as."""
        return self.meant.get(column, self.columns[column])


def open_relation(connection: "DuckDBPyConnection", place: str, *, folder: Path) -> Relation:
    """Open what a person names: a file, or a table of a database.

    Args:
        connection: Where it is to be read.
        place: As `PLACES` says.
        folder: Where a copy may lie as long as the relation is used.

    Raises:
        ConfigurationError: The place is not written as one.
        VerifyError: There is nothing, or it cannot be read.
    """
    where, table = place.rsplit("#", 1) if "#" in place else (place, "")
    if place.partition("://")[0] in postgres.SCHEMES:
        return of_postgresql(connection, where, table, folder=folder)
    if table and not Path(place).exists():
        return of_duckdb(connection, Path(where.removeprefix("duckdb://")), table)
    path = Path(place)
    kind = next((suffix for suffix in reversed(path.suffixes) if suffix not in PACKED), "")
    if kind in SEPARATORS:
        return of_csv(connection, path)
    if kind == ".parquet":
        return of_parquet(connection, path)
    raise ConfigurationError(f"`{printable(place)}` names no table", where="place", valid=PLACES)


def of_view(connection: "DuckDBPyConnection", view: str, *, name: str = "") -> Relation:
    """Take a table or a view of the connection itself."""
    return _relation(connection, quoted(view), name or view, {})


def of_parquet(connection: "DuckDBPyConnection", path: Path, *, name: str = "") -> Relation:
    """Take a Parquet file, or all that a pattern such as ``final/*.parquet`` finds, as one table."""
    return _relation(connection, f"read_parquet({_existing(path)}, hive_partitioning=false)", name or str(path), {})


def of_csv(
    connection: "DuckDBPyConnection", path: Path, *, name: str = "", meant: Mapping[str, str] | None = None
) -> Relation:
    """Take a CSV file with a heading, as RFC 4180 writes it: every value is a text, nothing between separators is NULL.

    A quoted nothing (``""``) is the empty text. Nothing is guessed of the file: a row with too many or too few values
    is an error when it is met.
    """
    separator = next(SEPARATORS[suffix] for suffix in reversed(path.suffixes) if suffix in SEPARATORS)
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in _heading(path, separator))
    source = (
        f"read_csv({_existing(path)}, delim={literal(separator)}, quote='\"', escape='\"', header=true, nullstr='', "
        f"allow_quoted_nulls=false, auto_detect=false, columns={{{columns}}}, "
        f"max_line_size={MOST_LINE}, buffer_size={2 * MOST_LINE})"
    )
    return _relation(connection, source, name or str(path), meant or {})


def of_duckdb(connection: "DuckDBPyConnection", file: Path, table: str, *, name: str = "") -> Relation:
    """Take a table of a DuckDB file, which is opened for reading alone; ``table`` may name its schema, too."""
    import duckdb

    if not file.is_file():
        raise VerifyError("there is no such file", where=str(file), valid=PLACES)
    alias = f"place_{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:12]}"
    try:
        connection.execute(f"ATTACH IF NOT EXISTS {literal(str(file))} AS {alias} (READ_ONLY)")
    except duckdb.Error as error:
        raise VerifyError(f"it cannot be opened as a DuckDB file: {_first_line(error)}", where=str(file)) from error
    known = connection.execute(
        "SELECT schema_name, table_name FROM (SELECT database_name, schema_name, table_name FROM duckdb_tables() "
        "UNION ALL SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal) "
        "WHERE database_name = ? ORDER BY ALL",
        [alias],
    ).fetchall()
    schema, _, last = table.rpartition(".")
    if (schema or "main", last) not in known:
        valid = ", ".join(".".join(found) for found in known[:MOST_NAMED])
        raise VerifyError(
            f"there is no table `{printable(table)}`", where=str(file), valid=valid or "the file is empty"
        )
    source = ".".join((alias, quoted(schema or "main"), quoted(last)))
    return _relation(connection, source, name or f"{file}#{table}", {})


def of_postgresql(connection: "DuckDBPyConnection", url: str, table: str, *, folder: Path, name: str = "") -> Relation:
    """Copy a table of PostgreSQL, as it is at one moment, to a CSV file in ``folder``, and take that.

    Raises:
        ConfigurationError: The URL cannot be read, or no table is named.
        VerifyError: PostgreSQL does not answer, or has no such table.
    """
    import psycopg2

    parts = postgres.read(url)
    if parts is None or not table or "@" in table:  # which is the rest of a URL whose password holds a `#`
        what = "it names no table" if parts and not table else "the URL cannot be read"
        where = parts.shown if parts and not table else "a place in PostgreSQL"
        raise ConfigurationError(what, where=where, valid=PLACES, hint=postgres.HINT)
    shown, file = f"{parts.shown}#{printable(table)}", Path(tempfile.mkdtemp(dir=folder)) / "table.csv"
    try:
        with (
            closing(psycopg2.connect(parts.url, connect_timeout=CONNECT_SECONDS)) as server,
            server,
            server.cursor() as cursor,
        ):
            meant = _copy(cursor, table.split("."), file)
    except psycopg2.Error as error:
        raise VerifyError(f"PostgreSQL says: {parts.without_secrets(_first_line(error))}", where=shown) from None
    return of_csv(connection, file, name=name or shown, meant=meant)


def inferred(
    left: Relation,
    right: Relation,
    *,
    without: Collection[str] = (),
    given: Mapping[str, ColumnType] = NOTHING,
) -> dict[str, ColumnType]:
    """Say how the columns of two relations are to be compared: as ``given``, or from what they are kept as.

    Raises:
        ConfigurationError: A column is on one side alone, of types that cannot be compared, or not there.
    """
    for column in (*without, *given):
        if column not in left.columns and column not in right.columns:
            valid = ", ".join(map(printable, left.columns))
            raise ConfigurationError(f"there is no column `{printable(column)}`", where=left.name, valid=valid)
    for relation, other in ((left, right), (right, left)):
        if columns := sorted(relation.columns.keys() - other.columns.keys() - set(without)):
            listed = ", ".join(f"`{printable(column)}`" for column in columns[:MOST_NAMED])
            raise ConfigurationError(
                f"only this side has {listed}", where=relation.name, hint="leave columns out by `--without`"
            )
    return {
        column: given.get(column) or _joined(column, left.means(column), right.means(column))
        for column in left.columns
        if column not in without
    }


def _joined(column: str, left: str, right: str) -> ColumnType:
    kind = kind_of(left, right)
    if kind is None:
        raise ConfigurationError(
            f"`{printable(column)}` is {left} on the left and {right} on the right, which cannot be compared",
            where="types",
            hint=f"say what it is, as in `--type {column}=text`, or leave it out by `--without {column}`",
        )
    return ColumnType(kind)


def _relation(connection: "DuckDBPyConnection", source: str, name: str, meant: Mapping[str, str]) -> Relation:
    """Look at the columns of what stands after FROM; what the encoding has no way for becomes text there."""
    import duckdb

    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    except duckdb.Error as error:
        raise VerifyError(f"it cannot be read: {_first_line(error)}", where=name) from error
    taken = ", ".join(_taken(quoted(column), physical) for column, physical, *_ in described)
    columns = {column: physical if family(physical) else "VARCHAR" for column, physical, *_ in described}
    return Relation(name, f"(SELECT {taken} FROM {source})", columns, meant)


def _taken(column: str, physical: str) -> str:
    """Select a column as it is, or as text; within lists and the like JSON tells NULL from what is called so."""
    if family(physical):
        return column
    nested = physical.endswith("]") or physical.startswith(NESTED)
    return f"{f'to_json({column})' if nested else column}::VARCHAR AS {column}"


def _heading(path: Path, separator: str) -> list[str]:
    """Read the names of a CSV file's columns."""
    _existing(path)
    opened: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".zst": _open_zstandard}
    try:
        with opened.get(path.suffix, open)(path, "rt", encoding="utf-8-sig", newline="") as lines:
            heading = io.StringIO(lines.read(MOST_HEADING), newline="")
            names = next(csv.reader(heading, delimiter=separator, strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error, zstandard.ZstdError) as error:
        raise VerifyError(f"its heading cannot be read: {_first_line(error)}", where=str(path)) from error
    if not names:
        raise VerifyError("there is no heading", where=str(path))
    _check_names(names, str(path))
    return names


def _check_names(names: Sequence[str], where: str) -> None:
    """Refuse what DuckDB takes for one column: it does not tell small letters from capital ones."""
    met: dict[bytes, str] = {}
    for name in names:
        other = met.setdefault(name.encode().lower(), name)  # of bytes, `lower` knows the letters of ASCII alone
        if other != name:
            what = f"`{printable(other)}` and `{printable(name)}` differ in case alone"
            raise VerifyError(what, where=where, hint="give one of them another name")
    if len(met) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise VerifyError(f"two columns are called `{printable(twice)}`", where=where)


def _open_zstandard(path: Path, mode: str, **options: Any) -> Any:
    return zstandard.open(path, mode, **options)


def _existing(path: Path) -> str:
    """Write the path of a file, or a pattern that finds some, for SQL."""
    if path.is_file():
        return literal(glob.escape(str(path)))
    if not glob.glob(str(path)):  # noqa: PTH207 - the pattern may begin anywhere
        raise VerifyError("there is no such file", where=str(path), valid=PLACES)
    return literal(str(path))


def _copy(cursor: Any, table: Sequence[str], file: Path) -> dict[str, str]:
    """Copy a table of PostgreSQL to a file; return what its columns are. A `real` goes as the double that it equals."""
    from psycopg2 import sql

    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    cursor.execute("SET TIME ZONE 'UTC'; SET DateStyle TO 'ISO'; SET extra_float_digits TO 1")
    source = sql.Identifier(*table)
    cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(source))
    described = [(column.name, column.type_code) for column in cursor.description]
    taken = (sql.Identifier(name) + sql.SQL("::float8" if oid == postgres.REAL else "") for name, oid in described)
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(of, sql.Identifier(name)) for of, (name, _) in zip(taken, described, strict=True)
    )
    copy = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv, HEADER)").format(columns, source)
    with file.open("wb") as lines:
        cursor.copy_expert(copy, lines)
    return {name: postgres.TYPES[oid] for name, oid in described if oid in postgres.TYPES}


def _first_line(error: Exception) -> str:
    return told(error, 1)


def told(error: Exception, lines: int) -> str:
    """Tell the first lines of an error, each as far as it is worth telling."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable("; ".join(line[:MOST_TOLD] for line in said[:lines]))
