"""The documents of a season in, their rows out: read once more, apart from the load's reader, workers and writers.

How a document is read is the same as in the load, so that the rows can be compared; who reads is not. As there it
happens in a process of its own, which a hostile document may kill: such a document has no rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import ObjectNotFoundError
from adce_assets.lake.store import LakeStore
from adce_assets.ledger.database import keepable
from adce_assets.warehouse.entities import Column, Entity
from adce_assets.warehouse.parser import Parser, ParserDiedError
from adce_assets.warehouse.paths import MAX_BYTES
from adce_assets.warehouse.tables import kind_of

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000
"""Rows that are held at a time."""
SERVICE = ("SOURCE", "OBJECT_KEY", "RECORD_NUMBER")


def read_again(lake: LakeStore, entity: Entity, keys: Mapping[str, Sequence[str]], file: Path) -> None:
    """Write the rows of all documents to a Parquet file, decimals and times as text.

    Args:
        lake: Where the documents are.
        entity: What a record is.
        keys: The objects, by source.
        file: The columns are those of `SERVICE` and the entity's.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(entity.columns)
    with parquet.ParquetWriter(file, schema) as writer:
        batch: list[Sequence[Any]] = []
        for row in _rows(lake, entity, keys):
            batch.append(row)
            if len(batch) >= BATCH:
                writer.write_batch(_batch(pa, batch, schema))
                batch = []
        writer.write_batch(_batch(pa, batch, schema))


def typed(columns: Mapping[str, Column]) -> str:
    """List the columns of the file with their own types, for a SELECT."""
    from adce_assets.warehouse.database_duckdb import type_of

    kinds = {name: type_of(kind_of(column))[0] for name, column in columns.items()}
    casts = [f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in kinds.items()]
    return ", ".join([*SERVICE, *casts])


def _rows(lake: LakeStore, entity: Entity, keys: Mapping[str, Sequence[str]]) -> Iterator[Sequence[Any]]:
    """Walk the rows that a database can keep; those that it cannot the load has set aside, too."""
    parser = Parser(entity)
    try:
        for source, key in ((source, key) for source, of_source in keys.items() for key in dict.fromkeys(of_source)):
            try:
                body = lake.get(key, length=MAX_BYTES + 1)
                found = parser.parse(source, body).rows if len(body) <= MAX_BYTES else ()
            except ObjectNotFoundError:
                continue
            except ParserDiedError:
                parser = Parser(entity)
                continue
            yield from ((source, key, *row) for row in found if _can_be_kept(row))
    finally:
        parser.end()


def _can_be_kept(row: Iterable[Any]) -> bool:
    return all(keepable(value) for value in row if isinstance(value, str))


def _batch(pa: Any, rows: Sequence[Sequence[Any]], schema: "pa.Schema") -> "pa.RecordBatch":
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(list(column), kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _schema(columns: Mapping[str, Column]) -> "pa.Schema":
    import pyarrow as pa

    plain = {"integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_()}
    service = zip(SERVICE, (pa.string(), pa.string(), pa.int64()), strict=True)
    return pa.schema([*service, *((name, plain.get(column.type, pa.string())) for name, column in columns.items())])
