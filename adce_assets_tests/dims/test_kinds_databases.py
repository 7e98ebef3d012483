"""One value of a database, an AWS account or a folder beside the lake, and nothing written anywhere for it."""

import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from filelock import FileLock
from pydantic import ValidationError

from adce_assets.dims import asking_file
from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets.errors import AdceError
from adce_assets_tests.dims.measuring import why_not, with_secrets
from adce_assets_tests.dims.small_lake import ADAPTER, measured

PASSWORD = "s3cret"
ROWS = "CREATE TABLE games (id INTEGER, name VARCHAR(40), price NUMERIC(9, 2), day DATE)"
DELETES = "CREATE FUNCTION make_one() RETURNS integer LANGUAGE sql AS 'DELETE FROM games RETURNING 1'"
FILL = "INSERT INTO games VALUES (1, 'one', 1.50, '2025-01-15'), (2, 'two', 2.50, '2025-01-16')"


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, postgresql: Any) -> dict[str, str]:
    """Lend a database of each kind with the same table."""
    folder = tmp_path_factory.mktemp("databases")
    with closing(sqlite3.connect(folder / "a.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(ROWS)
        connection.execute(FILL)
        connection.commit()
    with closing(duckdb.connect(str(folder / "a.duckdb"))) as connection:
        connection.execute(ROWS)
        connection.execute(FILL)
    postgresql.psql("DROP DATABASE IF EXISTS adce_metrics_tests;")
    postgresql.psql("CREATE DATABASE adce_metrics_tests;")
    own = postgresql.get_uri("adce_metrics_tests")
    with closing(psycopg2.connect(own)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"{ROWS}; {FILL}; CREATE SEQUENCE numbers; {DELETES}")
    return {
        "sqlite": f"sqlite:///{folder}/a.sqlite",
        "duckdb": f"duckdb://{folder}/a.duckdb",
        "postgresql": own,
    }


@pytest.fixture
def ask(bare_world: World, urls: dict[str, str]) -> Callable[..., Value]:
    """Ask one of the databases."""
    return lambda form, query, **more: measured(
        with_secrets(bare_world, STATS_URL=urls[form]), "sql", database="STATS_URL", query=query, **more
    )


@pytest.fixture
def ask_here(ask: Callable[..., Value], urls: dict[str, str]) -> Callable[..., Value]:
    """Ask one of the databases, a file in this process: the new one that it is otherwise done in takes its time."""

    def asked(form: str, query: str) -> Value:
        if form == "postgresql":
            return ask(form, query)
        path = Path(urls[form][urls[form].index("://") + 3 :].replace("//", "/"))
        return asking_file.survey(path, {"form": form, "query": query, "seconds": 30})

    return asked


def refused(ask: Callable[..., Value], *given: Any, **more: Any) -> str:
    """Ask what is refused; return what is said of it."""
    with pytest.raises(AdceError) as error:
        ask(*given, **more)
    return str(error.value)


def contents(url: str) -> tuple[Any, ...]:
    """Read a database in the plain way: its tables, and the rows of one."""
    if url.startswith("postgresql"):
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            tables = cursor.fetchall()
            cursor.execute("SELECT * FROM games ORDER BY id")
            return tuple(tables), tuple(cursor.fetchall())
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return tuple(connection.iterdump())
    with closing(duckdb.connect(url.removeprefix("duckdb://"), read_only=True)) as connection:
        return tuple(connection.execute("SHOW TABLES").fetchall()), tuple(connection.execute("FROM games").fetchall())


# SQL

EVERYWHERE = pytest.mark.parametrize("form", ["sqlite", "duckdb", "postgresql"])


@EVERYWHERE
def test_the_value_of_a_query_keeps_its_type(ask: Callable[..., Value], ask_here: Callable[..., Value], form: str):
    for asked, query, value in (
        (ask, "SELECT count(*) FROM games; -- of all", 2),
        (ask_here, "WITH a AS (SELECT max(id) AS i FROM games) SELECT i * 1.5 + '0' FROM a", 3.0),
        (ask_here, "SELECT name || ' 100% ?' FROM games WHERE id = 2", "two 100% ?"),
    ):
        found = asked(form, query)
        assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("form", "query", "value"),
    [
        ("postgresql", "SELECT sum(id) FROM games", 3),
        ("duckdb", "SELECT sum(id) FROM games", 3),
        ("postgresql", "SELECT sum(price) FROM games", 4.0),
        ("postgresql", "SELECT max(day) FROM games", "2025-01-16"),
        ("duckdb", "SELECT max(day)::timestamp FROM games", "2025-01-16T00:00:00"),
        ("postgresql", "SELECT timestamptz '2025-01-16 01:00+02'", "2025-01-15T23:00:00+00:00"),
    ],
)
def test_what_python_has_other_types_for_is_a_value_too(
    ask_here: Callable[..., Value], form: str, query: str, value: Value
):
    found = ask_here(form, query)
    assert (type(found), found) == (type(value), value)


@EVERYWHERE
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT id FROM games", "several rows of 1 columns"),
        ("SELECT id FROM games WHERE id > 2", "no row"),
        ("SELECT id, name FROM games WHERE id = 1", "one row of 2 columns"),
        ("SELECT max(id) FROM games WHERE id > 2", "nothing was found"),
        ("SELECT 'a' || replace('          ', ' ', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')", "a text of 301 letters"),
        ("SELECT no_such_column FROM games", "no_such_column"),
        ("SELEC 1", "refuses"),
    ],
)
def test_what_is_no_one_value_is_refused(ask_here: Callable[..., Value], form: str, query: str, said: str):
    assert said in refused(ask_here, form, query)


WRITES = [
    "DELETE FROM games",
    "DELETE FROM games RETURNING 1",
    "SELECT 1; DELETE FROM games",
    "INSERT INTO games (id) VALUES (3)",
    "UPDATE games SET id = 4",
    "DROP TABLE games",
    "CREATE TABLE other (id INTEGER)",
    "COMMIT",
    "SELECT 1; COMMIT; DELETE FROM games",
    " ",
    "-- nothing",
]
OWN_WRITES = {
    "sqlite": [
        "ATTACH '{folder}/new.db' AS other",
        "VACUUM INTO '{folder}/new.db'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = OFF",
        "SELECT load_extension('{folder}/new')",
        "SELECT * FROM pragma_journal_mode('delete')",
    ],
    "duckdb": [
        "ATTACH '{folder}/new.db' AS other",
        "COPY (SELECT 1) TO '{folder}/new.db'",
        "EXPORT DATABASE '{folder}/new.db'",
        "SELECT count(*) FROM read_text('{folder}/a.sqlite')",
        "SELECT count(*) FROM glob('{folder}/*')",
        "FROM '{folder}/a.csv'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "CALL pragma_version()",
        "CREATE TEMPORARY TABLE other (id INTEGER)",
    ],
    "postgresql": [
        "WITH gone AS (DELETE FROM games RETURNING id) SELECT count(*) FROM gone",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval('numbers')",
        "COPY games TO PROGRAM 'touch {folder}/new.db'",
        "COPY games TO '{folder}/new.db'",
        "DO $$ BEGIN DELETE FROM games; END $$",
        "SELECT count(*) FROM games FOR UPDATE",
        "$adce$; DELETE FROM games; $adce$",
        "CREATE TEMPORARY TABLE other (id INTEGER)",
        "SELECT make_one()",
    ],
}


@pytest.mark.parametrize(
    ("form", "query"),
    [(form, query) for form in ("sqlite", "postgresql") for query in (*WRITES, *OWN_WRITES[form])]
    + [("duckdb", query) for query in (*WRITES[:3], *WRITES[-2:], *OWN_WRITES["duckdb"])],
)
def test_no_query_writes(ask_here: Callable[..., Value], urls: dict[str, str], form: str, query: str):
    folder = Path(urls["sqlite"].removeprefix("sqlite:///")).parent
    before = contents(urls[form])
    assert refused(ask_here, form, query.format(folder=folder))
    assert contents(urls[form]) == before
    assert not (folder / "new.db").exists()


@pytest.mark.parametrize("query", ["CALL pragma_version()", "CREATE TEMP TABLE a (b INT)", " ", "SELECT 1; SELECT 2"])
def test_duckdb_is_asked_one_select(ask_here: Callable[..., Value], query: str):
    assert "is not one SELECT" in refused(ask_here, "duckdb", query)


@pytest.mark.parametrize(
    ("form", "query"),
    [
        ("sqlite", "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a FROM r) SELECT count(*) FROM r"),
        ("duckdb", "SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range % 7 = b.range % 3"),
        ("postgresql", "SELECT count(*) FROM generate_series(1, 100000000000)"),
        ("postgresql", "SELECT pg_sleep(100)"),
        ("postgresql", "SELECT pg_sleep(100) FROM set_config('statement_timeout', '0', false)"),
    ],
)
def test_a_query_that_never_ends_is_ended(ask: Callable[..., Value], form: str, query: str):
    began = time.perf_counter()
    told = refused(ask, form, query, seconds=0.3)
    assert told.isprintable()
    assert "in its time" in told or "in time" in told or "statement timeout" in told
    assert time.perf_counter() - began < 30


@pytest.mark.parametrize(
    ("form", "query", "said"),
    [
        ("sqlite", "SELECT length(hex(zeroblob(900000000)))", "too big"),
        ("postgresql", "SELECT repeat('x', 10000000)", "more than 4000 bytes"),
        ("postgresql", "SELECT repeat('x', n * 10000000) FROM generate_series(0, 1) n", "more than 4000 bytes"),
    ],
)
def test_an_answer_without_measure_is_not_fetched(ask: Callable[..., Value], form: str, query: str, said: str):
    assert said in refused(ask, form, query)


def test_a_query_of_duckdb_that_takes_all_memory_harms_nobody(
    ask: Callable[..., Value], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adce_assets.dims.asking_file.MEMORY", 1 << 30)
    assert refused(ask, "duckdb", "SELECT length(repeat('x', 3000000000))", seconds=5)
    assert ask("duckdb", "SELECT 1") == 1


def test_a_server_that_never_answers_is_given_up(bare_world: World):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/db"
        world = with_secrets(bare_world, STATS_URL=url)
        told = why_not(world, "sql", database="STATS_URL", query="SELECT 1", seconds=0.2)
    assert "has not answered in time" in told
    assert PASSWORD not in told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "STATS_URL: is not set"),
        ("mysql://me:s3cret@host/db", "STATS_URL: is no URL of a database"),
        ("s3cret", "STATS_URL: is no URL of a database"),
        ("sqlite:///", "STATS_URL: is no URL of a database"),
        ("sqlite:////nowhere/s3.db", "/nowhere/s3.db: cannot be read: No such file"),
        ("duckdb:///nowhere/s3.db", "/nowhere/s3.db: cannot be read: No such file"),
        ("duckdb:///etc/passwd", "/etc/passwd: is no duckdb database"),
        ("sqlite:////etc/passwd", "/etc/passwd: is no sqlite database"),
        ("sqlite:////etc", "/etc: cannot be read: Is a directory"),
        ("postgresql://me:s3cret@127.0.0.1:1/db", "the database refuses: Connection refused"),
    ],
)
@pytest.mark.parametrize("kind", ["sql", "database_size"])
def test_a_database_that_cannot_be_used_is_no_value(bare_world: World, kind: str, url: str | None, said: str):
    world = with_secrets(bare_world, **({"STATS_URL": url} if url else {}))
    more = {"query": "SELECT 1"} if kind == "sql" else {}
    told = why_not(world, kind, database="STATS_URL", **more)
    assert said in told
    assert PASSWORD not in told


@pytest.mark.parametrize("form", ["sqlite", "duckdb"])
def test_a_damaged_file_is_no_value(bare_world: World, urls: dict[str, str], form: str, tmp_path: Path):
    url = urls[form]
    source = Path(url[url.index(":///") + 3 :].replace("//", "/"))
    body = bytearray(source.read_bytes())
    body[20:8000] = b"\xff" * 7980
    damaged = tmp_path / source.name
    damaged.write_bytes(body)
    world = with_secrets(
        bare_world, STATS_URL=url[: url.index(":///") + 3] + ("/" if form == "sqlite" else "") + str(damaged)
    )
    assert why_not(world, "sql", database="STATS_URL", query="SELECT count(*) FROM games")


def test_a_duckdb_file_that_another_process_has_is_waited_for_and_no_longer(
    ask: Callable[..., Value], urls: dict[str, str]
):
    with FileLock(f"{urls['duckdb'].removeprefix('duckdb://')}.lock"):
        assert "another process has the file for 0.2 s" in refused(ask, "duckdb", "SELECT 1", seconds=0.2)
    assert ask("duckdb", "SELECT 1") == 1
    Path(f"{urls['duckdb'].removeprefix('duckdb://')}.lock").unlink()


def test_nothing_is_put_beside_a_database_of_others(ask: Callable[..., Value], urls: dict[str, str]):
    folder = Path(urls["duckdb"].removeprefix("duckdb://")).parent
    before = sorted(file.name for file in folder.glob("a.duckdb*"))
    assert ask("duckdb", "SELECT 1") == 1
    assert sorted(file.name for file in folder.glob("a.duckdb*")) == before == ["a.duckdb"]


def test_the_installations_own_databases_are_known_by_name(bare_world: World):
    own = bare_world.project.settings.work_folder
    own.mkdir(parents=True, exist_ok=True)
    for name in ("ledger", "metrics"):
        with closing(sqlite3.connect(own / f"{name}.sqlite")) as connection:
            connection.execute(f"CREATE TABLE told AS SELECT '{name}' AS of")
            connection.commit()
        assert measured(bare_world, "sql", database=name, query="SELECT of FROM told") == name
    with closing(duckdb.connect(str(own / "warehouse.duckdb"))) as connection:
        connection.execute("CREATE TABLE told AS SELECT 7 AS n")
    assert measured(bare_world, "sql", query="SELECT n FROM told") == 7


@pytest.mark.parametrize(
    "entry",
    [
        {"database": "path", "query": "SELECT 1"},
        {"database": "postgresql://me:s3cret@host/db", "query": "SELECT 1"},
        {"database": "WAREHOUSE\n", "query": "SELECT 1"},
        {"query": ""},
        {"query": "SELECT 1", "seconds": 0},
        {"query": "SELECT 1", "seconds": float("nan")},
        {"query": "SELECT 1", "seconds": 1e9},
        {"query": "SELECT '\0'"},
    ],
)
def test_what_asks_no_database_is_refused_when_it_is_read(entry: dict[str, Any]):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({"kind": "sql", **entry})


# Sizes


@pytest.mark.parametrize("form", ["sqlite", "duckdb"])
def test_the_size_of_a_file_database_is_that_of_its_files(bare_world: World, tmp_path: Path, form: str):
    path = tmp_path / "big.db"
    connection: Any = sqlite3.connect(path) if form == "sqlite" else duckdb.connect(str(path))
    with closing(connection):
        if form == "sqlite":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a VARCHAR)")
        connection.execute(f"INSERT INTO t VALUES ('{'x' * 50_000}')")
        connection.commit()
        parts = [file.stat().st_size for file in tmp_path.glob("big.db*") if not file.name.endswith("-shm")]
        assert len(parts) == 2
        url = f"sqlite:///{path}" if form == "sqlite" else f"duckdb://{path}"
        world = with_secrets(bare_world, STATS_URL=url)
        assert measured(world, "database_size", database="STATS_URL") == sum(parts)
        in_kib = measured(world, "database_size", database="STATS_URL", scale="KiB", digits=3)
        assert in_kib == round(sum(parts) / 1024, 3)


def test_the_size_of_postgresql_is_what_psql_says(bare_world: World, urls: dict[str, str], postgresql: Any):
    said = postgresql.psql("SELECT pg_database_size('adce_metrics_tests');")
    found = measured(with_secrets(bare_world, STATS_URL=urls["postgresql"]), "database_size", database="STATS_URL")
    assert isinstance(found, int)
    assert found == pytest.approx(int(said.split()[2]), rel=0.05)
