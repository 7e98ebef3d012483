"""The name of a database and a query in, the one value out that the database answers, which cannot change by it.

Nothing of a query is trusted: the database itself sees to it that there is one statement and that it only reads, and
ends it when its time is over. How each database does so is in `asking_postgresql` and `asking_file`.
"""

from dataclasses import dataclass
from pathlib import Path

from adce_assets import postgres
from adce_assets.dims.metrics import Value
from adce_assets.dims.scalars import value_of
from adce_assets.errors import MetricError
from adce_assets.settings import Settings

SIZE_OF_POSTGRESQL = "SELECT pg_database_size(current_database())"
VALID = f"sqlite:///path, duckdb:///path, or {postgres.VALID}"


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of database that is a file.

    Attributes:
        begins: What the URL begins with that is no part of the path.
        mark: Bytes that every such file has, and where.
        beside: What the name of the file ends in that has what was written last.
    """

    begins: str
    mark: tuple[int, bytes]
    beside: str


FORMS = {
    "sqlite": Form("sqlite:///", (0, b"SQLite format 3\0"), "-wal"),
    "duckdb": Form("duckdb://", (8, b"DUCK"), ".wal"),
}


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """A database that is a file of this machine: its form, one of `FORMS`, and its path."""

    form: str
    path: Path


Database = DatabaseFile | postgres.PostgresUrl


def find(settings: Settings, name: str) -> Database:
    """Find a database of the installation, or the one whose URL the environment keeps as a secret.

    Raises:
        MetricError: nobody has said where it is, or not as it should be said. The URL itself is not told.
    """
    own = {"warehouse": settings.warehouse_url, "ledger": settings.database_url, "metrics": settings.metrics_url}
    url = own[name] if name in own else settings.secrets(name)
    if url is None:
        raise MetricError("is not set", where=name, valid=VALID, hint=f"set {name} to the URL of the database")
    for form, told in FORMS.items():
        path = url.removeprefix(told.begins)
        if url.startswith(f"{form}:///") and path.strip("/") and "\0" not in path:
            return DatabaseFile(form, Path(path))
    read = postgres.read(url)
    if read is None:
        raise MetricError("is no URL of a database", where=name, valid=VALID, hint=postgres.HINT)
    return read


def ask(database: Database, query: str, seconds: float) -> Value:
    """Ask for one value.

    Raises:
        MetricError: the database cannot be used or refuses the query, it takes longer than ``seconds``, or the answer
            is not one row with one column, a number or a short text.
    """
    if isinstance(database, DatabaseFile):
        from adce_assets.dims import asking_file

        _check(database)
        return asking_file.ask(database.form, database.path, query, seconds)
    from adce_assets.dims import asking_postgresql

    rows = asking_postgresql.rows(database, query, seconds)
    return only(rows, database.shown)


def size(database: Database, seconds: float) -> int:
    """Return how many bytes a database takes: its files, or what PostgreSQL says.

    Raises:
        MetricError: it cannot be used, or what lies there is no database.
    """
    if isinstance(database, DatabaseFile):
        return _check(database)
    return int(ask(database, SIZE_OF_POSTGRESQL, seconds))


def only(rows: list[tuple[object, ...]], where: str) -> Value:
    """Return the one value of an answer; MetricError where there are none or several."""
    if len(rows) != 1 or len(rows[0]) != 1:
        columns = f" of {len(rows[0])} columns" if rows else ""
        count = {0: "no row", 1: "one row"}.get(len(rows), "several rows")
        raise MetricError(f"the answer has {count}{columns}", where=where, valid="one row with one column")
    return value_of(rows[0][0], where)


def _check(database: DatabaseFile) -> int:
    """Refuse what is no database of this form; return its size in bytes."""
    path, form = database.path, FORMS[database.form]
    beside = path.with_name(path.name + form.beside)
    start, mark = form.mark
    try:
        with path.open("rb") as file:
            is_one = file.read(start + len(mark))[start:] == mark
        size = path.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
    except OSError as error:
        raise MetricError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if not is_one:
        raise MetricError(f"is no {database.form} database", where=str(path))
    return size
