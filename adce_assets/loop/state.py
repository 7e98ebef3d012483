"""The files that the loop writes and others read, each whole or not there at all.

They lie under ``ADCE_STATE`` (``inventory/`` by default), on the file system or in a bucket. A name is listed once
here; what a file holds is declared beside the function that makes it.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake.store import LakeStore

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

INVENTORY = "cache/current_inventory"
COVERAGE = "cache/coverage_analysis"
SCHEDULE = "cache/schedule"
SCHEDULE_DOCUMENTS = "cache/schedule_documents"
VERDICTS = "cache/verdicts"
GAPS = "cache/detected_gaps"
GAP_KEYS = "cache/gap_keys"
TASK_KEYS = "cache/task_keys"
QUEUE = "gaps"


class State:
    """The loop's files over one store."""

    def __init__(self, store: LakeStore) -> None:
        """Keep the files in ``store``."""
        self.store = store

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Write ``name.json``, keys in the order given."""
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
        self.store.put(f"{name}.json", text.encode() + b"\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read ``name.json``; LakeError, with the command that makes it, when it is not there or not JSON."""
        key = f"{name}.json"
        try:
            data = json.loads(self.store.get(key))
        except ObjectNotFoundError as error:
            raise _not_made(self.store, key) from error
        except ValueError as error:
            raise LakeError("is not JSON", where=f"{self.store.url}/{key}", hint="run `adce reconcile`") from error
        if not isinstance(data, dict):
            raise LakeError("is not a JSON object", where=f"{self.store.url}/{key}", hint="run `adce reconcile`")
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
        """Read ``name.parquet`` into memory; LakeError when it is not there."""
        import pyarrow.parquet as pq

        with self.local(name) as path:
            return pq.read_table(path)

    def has(self, name: str) -> bool:
        """Tell whether ``name.parquet`` is there."""
        return self.store.head(f"{name}.parquet") is not None

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Lend ``name.parquet`` as a file of this machine for the length of the block."""
        key = f"{name}.parquet"
        with _scratch() as path:
            try:
                path.write_bytes(self.store.get(key))
            except ObjectNotFoundError as error:
                raise _not_made(self.store, key) from error
            yield path


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="adce-state-") as folder:
        yield Path(folder) / "table.parquet"


def _not_made(store: LakeStore, key: str) -> LakeError:
    return LakeError("has not been made yet", where=f"{store.url}/{key}", hint="run `adce reconcile`")
