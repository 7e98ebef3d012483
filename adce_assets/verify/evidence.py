"""A season on its way in, what checks are made of out: counts from the warehouse, and rows of every place it passed.

Rows lie in a DuckDB of their own, as views of Parquet files: `published_<entity>` (the final rows before the merge),
`source_<entity>` (the documents, read again and apart from the load), `staged_<entity>`, `merged_<entity>` (the final
rows that the run answers for), `final_<entity>` for every entity that a rule names, and `checked_<entity>`, the same
with the moment at which their document was written. So the checks are the same over both databases, see
what a transaction has not yet committed, and hold nothing that anybody waits for.
"""

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import VerifyError, printable
from adce_assets.lake.store import LakeStore
from adce_assets.sql_text import literal
from adce_assets.verify.balance import NUMBERS, REPEATED, UNREAD, Counted, Tally
from adce_assets.verify.encoding_sql import shown_sql
from adce_assets.verify.rereading import SERVICE, read_again, typed
from adce_assets.warehouse import tables
from adce_assets.warehouse.database import Connection, quoted
from adce_assets.warehouse.entities import Entity

if TYPE_CHECKING:
    import duckdb

MOMENT = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True, slots=True)
class Season:
    """What is looked at: an entity, one of its seasons, the run that staged it, and all entities by name."""

    entity: Entity
    season: str
    run: str
    entities: Mapping[str, Entity]

    @property
    def key(self) -> tuple[str, ...]:
        """What tells a row from all others of the season."""
        return ("SOURCE", *self.entity.key)

    @property
    def referred(self) -> list[str]:
        """Name the entities whose final rows are looked at, its own first."""
        return [self.entity.name, *sorted(self.entity.checks.referred - {self.entity.name})]


@contextmanager
def engine(folder: Path, *, memory_limit: str = "1GB", threads: int = 2) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open an empty DuckDB that spills into a folder; VerifyError for what it cannot do."""
    import duckdb

    settings: dict[str, Any] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": str(folder / "spill"),
    }
    with duckdb.connect(":memory:", config=settings) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        try:
            yield opened
        except duckdb.Error as error:
            what = f"the rows cannot be held against each other: {printable(str(error)[:500])}"
            raise VerifyError(what, where="checks") from error


@contextmanager
def workplace(below: Path) -> Iterator[Path]:
    """Lend a folder for what is looked at, which is gone afterwards."""
    below.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=below) as folder:
        yield Path(folder)


def count(connection: Connection, of: Season, source: Mapping[str, Mapping[str, int]]) -> Counted:
    """Gather all that was counted of a run, of every place from another table."""
    name, cell = of.entity.name, (of.run, of.entity.name, of.season)
    where = "run_id = ? AND entity = ? AND season = ?"
    numbers, staging = ", ".join(NUMBERS), quoted(tables.staging(of.entity))
    tallies = connection.rows(f"SELECT worker_id, source, object_key, {numbers} FROM load_objects WHERE {where}", cell)
    staged = connection.rows(
        f"SELECT worker_id, object_key, count(*) FROM {staging} WHERE run_id = ? AND season = ? GROUP BY 1, 2",
        (of.run, of.season),
    )
    refused = connection.rows(
        "SELECT worker_id, object_key, kind, record_number = 0, count(*) FROM load_refused "
        f"WHERE {where} GROUP BY 1, 2, 3, 4",
        cell,
    )
    aside, kinds = Counter[tuple[str, str]](), Counter[tuple[str, str, str]]()
    for worker, key, kind, unread, many in refused:
        aside[key, UNREAD if unread else kind] += many
        kinds[worker, key, "rejected" if kind == REPEATED else kind] += many
    run = connection.rows(f"SELECT {numbers} FROM load_runs WHERE {where}", cell)
    final = connection.rows(f'SELECT source, count(*) FROM "{name}" WHERE season = ? GROUP BY 1', (of.season,))
    return Counted(
        source=source,
        tallies=sorted((Tally(*row) for row in tallies), key=lambda one: (one.object_key, one.worker)),
        staged={(worker, key): many for worker, key, many in staged},
        refused=kinds,
        run=dict(zip(NUMBERS, run[0], strict=True)) if run else {},
        final={name: many for name, many in final if name in source},
        aside=aside,
    )


def started(connection: Connection, of: Season) -> Mapping[str, int]:
    """Say how many processes each worker of a run has had: more than one where one was killed, or the run cut off."""
    sql = "SELECT worker_id, count(*) FROM load_workers WHERE run_id = ? AND entity = ? AND season = ? GROUP BY 1"
    return dict(connection.rows(sql, (of.run, of.entity.name, of.season)))


def take_source(
    opened: "duckdb.DuckDBPyConnection", lake: LakeStore, of: Season, keys: Mapping[str, Sequence[str]], folder: Path
) -> None:
    """Read all documents again, apart from the load, into `source_<entity>`.

    Of several rows with the same key that of the first object counts, as in the load.
    """
    raw, file = folder / "documents.parquet", folder / "source.parquet"
    read_again(lake, of.entity, keys, raw)
    names = ", ".join(map(quoted, of.key))
    opened.execute(f"""
        COPY (
            SELECT {typed(of.entity.columns)} FROM '{_path(raw)}'
            QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY OBJECT_KEY, RECORD_NUMBER) = 1
        ) TO '{_path(file)}' (FORMAT parquet)
    """)
    raw.unlink()
    _view(opened, "source", of.entity.name, file)


def take_published(opened: "duckdb.DuckDBPyConnection", connection: Connection, of: Season, folder: Path) -> None:
    """Copy what is published of the season before it is loaded again."""
    file = folder / "published.parquet"
    connection.export(_with_objects(of.entity), (of.season,), file)
    _view(opened, "published", of.entity.name, file)


def take_tables(
    opened: "duckdb.DuckDBPyConnection", connection: Connection, of: Season, keys: Iterable[str], folder: Path
) -> None:
    """Copy what the warehouse holds of the season: what the run staged, and the final rows that rules look at.

    The run answers for the final rows of its sources (``keys``), and for any that were not there before it.
    """
    name = of.entity.name
    staging = quoted(tables.staging(of.entity))
    staged = f"SELECT {_columns(of.entity, *SERVICE)} FROM {staging} WHERE run_id = ? AND season = ?"
    connection.export(staged, (of.run, of.season), folder / "staged.parquet")
    _view(opened, "staged", name, folder / "staged.parquet")
    own = f'SELECT {_columns(of.entity, "SOURCE")} FROM "{name}" WHERE season = ?'
    for other in of.referred:
        file = folder / f"final-{other}.parquet"
        connection.export(own if other == name else _with_objects(of.entities[other]), (of.season,), file)
        _view(opened, "final", other, file)
    sources = ", ".join(map(literal, keys))
    opened.execute(f"""
        CREATE OR REPLACE VIEW "merged_{name}" AS SELECT * FROM "final_{name}" AS f WHERE SOURCE IN ({sources})
        OR NOT EXISTS (SELECT 1 FROM "published_{name}" AS p WHERE {same_key("f", "p", of.key)})
    """)


def same_key(one: str, other: str, key: Iterable[str]) -> str:
    """Ask whether two rows, given by their aliases, are of the same thing."""
    return " AND ".join(f"{one}.{quoted(name)} = {other}.{quoted(name)}" for name in key)


def shown_key(of: Season) -> list[str]:
    """Write what tells a row from all others as people read it: so it names the row, whoever compares it."""
    moments = {name for name, column in of.entity.columns.items() if column.type == "timestamp"}
    return [shown_sql(name, MOMENT if name in moments else "VARCHAR") for name in of.key]


def _with_objects(entity: Entity) -> str:
    """Ask for the final rows of a season, with the object that each came from where that is still staged."""
    columns = ", ".join(['f.source AS "SOURCE"', *(f"f.{quoted(name)}" for name in entity.columns)])
    return f"""
        SELECT {columns}, s.object_key AS "OBJECT_KEY"
        FROM {quoted(entity.name)} f LEFT JOIN {quoted(tables.staging(entity))} s
        ON s.run_id = f.last_run_id AND s.season = f.season AND {same_key("s", "f", ("source", *entity.key))}
        WHERE f.season = ?
    """


def date_rows(opened: "duckdb.DuckDBPyConnection", of: Season, written_at: Mapping[str, datetime]) -> None:
    """Say of the final rows when the objects were written that they come from, as far as that is known."""
    import pyarrow as pa

    moments = pa.array(list(written_at.values()), pa.timestamp("us", "UTC"))
    opened.register("moments", pa.table({"OBJECT_KEY": pa.array(list(written_at), pa.string()), "WRITTEN_AT": moments}))
    opened.execute("CREATE OR REPLACE TABLE objects AS SELECT * FROM moments")
    opened.unregister("moments")
    name, key = of.entity.name, ", ".join(map(quoted, of.key))
    known = f"""
        SELECT {key}, max(objects.WRITTEN_AT) AS WRITTEN_AT
        FROM "staged_{name}" LEFT JOIN objects USING (OBJECT_KEY) GROUP BY ALL
    """
    opened.execute(f"""
        CREATE OR REPLACE VIEW "checked_{name}" AS SELECT * FROM "final_{name}" LEFT JOIN ({known}) USING ({key})
    """)
    for other in of.referred[1:]:
        dated = f'SELECT * FROM "final_{other}" LEFT JOIN objects USING (OBJECT_KEY)'
        opened.execute(f'CREATE OR REPLACE VIEW "checked_{other}" AS {dated}')


def dated_keys(
    opened: "duckdb.DuckDBPyConnection", of: Season, keys: Collection[tuple[str, ...]]
) -> dict[tuple[str, ...], datetime]:
    """Tell of some keys when the newest object of each was written, as far as that is known."""
    import pyarrow as pa

    if not keys:
        return {}
    names = [f"k{place}" for place in range(len(of.key))]
    columns = [pa.array(column, pa.string()) for column in zip(*keys, strict=True)]
    opened.register("keys_asked", pa.table(columns, names=names))
    key = ", ".join(f"{text} AS {name}" for name, text in zip(names, shown_key(of), strict=True))
    places = [place for place in ("source", "staged") if _has(opened, f"{place}_{of.entity.name}")]
    every = " UNION ALL ".join(
        f'SELECT {key}, WRITTEN_AT FROM "{place}_{of.entity.name}" JOIN objects USING (OBJECT_KEY)' for place in places
    )
    grouped = f"SELECT * FROM ({every}) JOIN keys_asked USING ({', '.join(names)})"
    found = opened.execute(f"SELECT {', '.join(names)}, max(WRITTEN_AT) FROM ({grouped}) GROUP BY ALL").fetchall()
    opened.unregister("keys_asked")
    return {tuple(key): at for *key, at in found}


def _has(opened: "duckdb.DuckDBPyConnection", view: str) -> bool:
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_name = ?"
    return bool(opened.execute(sql, (view,)).fetchall()[0][0])


def _columns(entity: Entity, *service: str) -> str:
    """List columns as the views are to have them; what every table has is called by its name in capitals."""
    return ", ".join([*(f'{name.lower()} AS "{name}"' for name in service), *map(quoted, entity.columns)])


def _view(opened: "duckdb.DuckDBPyConnection", place: str, name: str, file: Path) -> None:
    opened.execute(f"""CREATE OR REPLACE VIEW "{place}_{name}" AS SELECT * FROM '{_path(file)}'""")


def _path(file: Path) -> str:
    return str(file).replace("'", "''")


def object_times(
    opened: "duckdb.DuckDBPyConnection", lake: LakeStore, of: Season, keys: Iterable[str], now: datetime
) -> dict[str, datetime]:
    """Ask when objects were written: those of a run, and those that the rows of other entities come from.

    One of the run's that is gone has gone since it was listed: it is as young as can be. Another that is gone is left
    out.
    """
    own = set(keys)
    asked = "SELECT DISTINCT OBJECT_KEY FROM {} WHERE OBJECT_KEY IS NOT NULL"
    others = (opened.execute(asked.format(f'"final_{other}"')).fetchall() for other in of.referred[1:])
    found = ((key, lake.head(key)) for key in sorted(own.union(key for rows in others for (key,) in rows)))
    return {key: there.last_modified if there else now for key, there in found if there or key in own}


def totals_of(tallies: Sequence[Tally]) -> dict[str, dict[str, int]]:
    """Add up what the workers say, by worker."""
    sums: dict[str, Counter[str]] = {}
    for tally in tallies:
        sums.setdefault(tally.worker, Counter()).update(
            {"objects": 1, **{name: getattr(tally, name) for name in NUMBERS}}
        )
    return {worker: dict(sums[worker]) for worker in sorted(sums)}
