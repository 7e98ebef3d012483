"""The files that the loop writes and others read, each whole or not there at all.

They lie under ``ADCE_STATE`` (``inventory/`` by default), on the file system or in a bucket. A name is listed once
here; what a file holds is declared beside the function that makes it. A file that is damaged or of another form is
refused with the command that makes it anew, or, where it only saves work, forgotten.
"""

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake.store import LakeStore

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

logger = logging.getLogger(__name__)

INVENTORY = "cache/current_inventory"
COVERAGE = "cache/coverage_analysis"
OTHER_OBJECTS = "cache/other_objects"
SCHEDULE = "cache/schedule"
SCHEDULE_DOCUMENTS = "cache/schedule_documents"
VERDICTS = "cache/verdicts"
GAPS = "cache/detected_gaps"
GAP_KEYS = "cache/gap_keys"
TASK_KEYS = "cache/task_keys"
QUEUE = "gaps"

SCHEMA = 1
"""The form of the JSON files; a file of another form is not read."""
HINT = "run `adce reconcile`"


class State:
    """The loop's files over one store."""

    def __init__(self, store: LakeStore) -> None:
        """Keep the files in ``store``."""
        self.store = store

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Write ``name.json``, keys in the order given after the number of its form."""
        text = json.dumps({"schema": SCHEMA, **data}, indent=1, ensure_ascii=False, allow_nan=False)
        self.store.put(f"{name}.json", text.encode() + b"\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read ``name.json``; LakeError, with the command that makes it, when it is not there or of another form."""
        key = f"{name}.json"
        where = f"{self.store.url}/{key}"
        try:
            data = json.loads(self.store.get(key))
        except ObjectNotFoundError as error:
            raise _not_made(where) from error
        except ValueError as error:
            raise LakeError("is not JSON", where=where, hint=HINT) from error
        if not isinstance(data, dict):
            raise LakeError("is not a JSON object", where=where, hint=HINT)
        if data.get("schema") != SCHEMA:
            raise LakeError("is of another form", where=where, valid=f'`"schema": {SCHEMA}`', hint=HINT)
        return data

    def write_table(self, name: str, table: "pa.Table") -> None:
        """Write ``name.parquet`` from a table in memory."""
        import pyarrow.parquet as pq

        with _scratch() as path:
            pq.write_table(table, path, compression="zstd")
            self.store.put(f"{name}.parquet", path)

    def write_relation(self, name: str, backend: "Backend", relation: "ir.Table") -> None:
        """Write ``name.parquet`` from a relation, in the relation's order, without holding it in memory."""
        from adce_assets.tables import write_parquet

        with _scratch() as path:
            write_parquet(backend, relation, path)
            self.store.put(f"{name}.parquet", path)

    def read_table(self, name: str) -> "pa.Table":
        """Read ``name.parquet`` into memory; LakeError when it is not there or damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        body = self._table(name)
        try:
            return pq.read_table(pa.BufferReader(body))
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name) from error

    def recall(self, name: str, columns: Sequence[str]) -> "pa.Table | None":
        """Read columns of ``name.parquet``, a file that only saves work: what it held can be found again without it.

        Returns:
            None where it has not been written yet, and, with a warning, where it is damaged or lacks a column.

        Raises:
            LakeError: the state itself cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            body = self.store.get(f"{name}.parquet")
        except ObjectNotFoundError:
            return None
        try:
            table = pq.read_table(pa.BufferReader(body))
            return table.select(list(columns))
        except (pa.ArrowException, OSError, KeyError) as error:
            logger.warning("forgotten, and made anew: %s/%s.parquet: %s", self.store.url, name, error)
            return None

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Lend ``name.parquet`` as a file of this machine for the length of the block.

        Raises:
            LakeError: it is not there, or its footer cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        body = self._table(name)
        try:
            pq.read_metadata(pa.BufferReader(body))
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name) from error
        with _scratch() as path:
            path.write_bytes(body)
            del body  # the block may be long
            yield path

    def _table(self, name: str) -> bytes:
        key = f"{name}.parquet"
        try:
            return self.store.get(key)
        except ObjectNotFoundError as error:
            raise _not_made(f"{self.store.url}/{key}") from error

    def _damaged(self, name: str) -> LakeError:
        return LakeError("is no readable Parquet file", where=f"{self.store.url}/{name}.parquet", hint=HINT)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="adce-state-") as folder:
        yield Path(folder) / "table.parquet"


def _not_made(where: str) -> LakeError:
    return LakeError("has not been made yet", where=where, hint=HINT)
