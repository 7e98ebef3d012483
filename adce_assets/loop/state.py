"""The files that the loop writes and others read, each whole or not there at all.

They lie under ``ADCE_STATE`` (``inventory/`` by default), on the file system or in a bucket. A name is listed once
here; what a file holds is declared beside the function that makes it. A file is not written again while it says the
same. One that is damaged or of another form is refused with the command that makes it anew, or, where it only saves
work, forgotten.
"""

import json
import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.lake.file_store import SCRATCH
from adce_assets.lake.store import LakeStore

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

logger = logging.getLogger(__name__)

INVENTORY = "cache/current_inventory"
NEWER = "cache/newer_objects"
RECEIPTS = "cache/receipts"
KEY_HINTS = "cache/key_hints"
MATCHED = "cache/matched_keys"
ACCEPTED = "cache/accepted_objects"
SAMPLE = "cache/inventory_sample"
ESTIMATES = "cache/estimated_events"
UNMATCHED = "cache/unmatched_objects"
TOMBSTONES = "cache/tombstones"
HELD_KEYS = "cache/held_keys"
COVERAGE = "cache/coverage_analysis"
OTHER_OBJECTS = "cache/other_objects"
SCHEDULE = "cache/schedule"
SCHEDULE_DOCUMENTS = "cache/schedule_documents"
SCHEDULE_IDS = "cache/schedule_ids"
VERDICTS = "cache/verdicts"
GAPS = "cache/detected_gaps"
GAP_KEYS = "cache/gap_keys"
BOOKED = "cache/bookkeeping"
LEDGER_HEAD = "cache/ledger_head"
TASK_KEYS = "cache/task_keys"
QUEUE = "gaps"
CANARY = "cache/canary"
FORECASTS = "cache/forecasts"

SCHEMA = 1
"""The form of the JSON files; a file of another form is not read."""
WHEN = ("generated_at", "as_of")
"""The members of a summary that say when it was made and of when its data are: they alone are no reason to write it."""
PIECE = 1 << 24
"""Bytes of a table that are held in memory at once."""
ATTEMPTS = 3
"""How often a table is read again that was replaced while it was read."""
HINT = "run `adce reconcile`"
ONE = "let only one installation reconcile into this state"


class State:
    """The loop's files over one store."""

    def __init__(self, store: LakeStore) -> None:
        """Keep the files in ``store``."""
        self.store = store

    def write_json(
        self,
        name: str,
        data: Mapping[str, Any],
        *,
        volatile: Collection[str] = WHEN,
        keep_for: timedelta | None = None,
    ) -> bool:
        """Write ``name.json``, keys in the order given after the number of its form, unless it says the same already.

        Args:
            name: the file's name.
            data: what it shall say.
            volatile: members of the top level in which a difference is none.
            keep_for: how old, by its ``generated_at``, a file that says the same may become; None for any age. An
                older one is written anew, so that its readers see that somebody looks.

        Returns:
            Whether it was written. A file that says the same stays as it is, its volatile members too.
        """
        document = {"schema": SCHEMA, **data}
        before = self._last(name)
        same = before is not None and _told(before, volatile) == _told(document, volatile)
        if same and (keep_for is None or _is_within(keep_for, before, document)):
            return False
        self.store.put(f"{name}.json", _text(document).encode())
        return True

    def _last(self, name: str) -> dict[str, Any] | None:
        """Read what is to be replaced; what cannot be read is, and a state that cannot be reached says so then."""
        try:
            before = json.loads(self.store.get(f"{name}.json"))
        except (LakeError, ValueError):
            return None
        return before if isinstance(before, dict) else None

    def read_json(self, name: str, *, hint: str = HINT) -> dict[str, Any]:
        """Read ``name.json``; LakeError, with what makes it anew, when it is not there or of another form."""
        key = f"{name}.json"
        where = f"{self.store.url}/{key}"
        try:
            data = json.loads(self.store.get(key))
        except ObjectNotFoundError as error:
            raise _not_made(where) from error
        except ValueError as error:
            raise LakeError("is not JSON", where=where, hint=hint) from error
        if not isinstance(data, dict):
            raise LakeError("is not a JSON object", where=where, hint=hint)
        if data.get("schema") != SCHEMA:
            raise LakeError("is of another form", where=where, valid=f'`"schema": {SCHEMA}`', hint=hint)
        return data

    def write_table(self, name: str, table: "pa.Table") -> bool:
        """Write ``name.parquet`` from a table in memory, as `write_file` does."""
        import pyarrow.parquet as pq

        with _scratch() as path:
            pq.write_table(table, path, compression="zstd")
            return self.write_file(name, path)

    def write_relation(self, name: str, backend: "Backend", relation: "ir.Table") -> bool:
        """Write ``name.parquet`` from a relation, in the relation's order, as `write_file` does.

        Without an order the same rows hardly ever give the same bytes, and the file is written each time.
        """
        from adce_assets.tables import write_parquet

        with _scratch() as path:
            write_parquet(backend, relation, path)
            return self.write_file(name, path)

    def write_file(self, name: str, path: Path) -> bool:
        """Write ``name.parquet`` from a file of this machine, unless it has the same bytes already; say whether."""
        if self._holds(f"{name}.parquet", path):
            return False
        self.store.put(f"{name}.parquet", path)
        return True

    def _holds(self, key: str, path: Path) -> bool:
        """Tell whether the file in place has the same bytes, a piece of both at a time."""
        try:
            found = self.store.head(key)
            if found is None or found.size != path.stat().st_size:
                return False
            with path.open("rb") as file:
                starts = range(0, found.size, PIECE)
                return all(self.store.get(key, start=start, length=PIECE) == file.read(PIECE) for start in starts)
        except LakeError:
            return False

    def read_table(self, name: str) -> "pa.Table":
        """Read ``name.parquet`` into memory; LakeError when it is not there or damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._lent(f"{name}.parquet") as path:
            try:
                return pq.read_table(path, partitioning=None)
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

        if self.store.head(f"{name}.parquet") is None:
            return None
        with self._lent(f"{name}.parquet") as path:
            try:
                with pq.ParquetFile(path) as file:
                    return file.read(columns=list(columns)).select(list(columns))
            except (pa.ArrowException, OSError, KeyError) as error:
                self._forgotten(name, error)
                return None

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Lend ``name.parquet`` as a file of this machine: one version, for the length of the block.

        Raises:
            LakeError: it is not there, or its footer cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._lent(f"{name}.parquet") as path:
            try:
                pq.read_metadata(path)
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(name) from error
            yield path

    @contextmanager
    def local_memory(self, name: str, columns: Sequence[str]) -> Iterator[Path | None]:
        """Lend a file that only saves work, in which ``columns`` can be read to their end; None where `recall` is."""
        if self.store.head(f"{name}.parquet") is None:
            yield None
            return
        with self._lent(f"{name}.parquet") as path:
            yield path if self._is_whole(name, path, list(columns)) else None

    def _is_whole(self, name: str, path: Path, columns: list[str]) -> bool:
        """Tell whether every value of the columns can be read; a piece of the file is held at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                file.schema_arrow.empty_table().select(columns)
                for _ in file.iter_batches(columns=columns):
                    pass
        except (pa.ArrowException, OSError, KeyError) as error:
            self._forgotten(name, error)
            return False
        return True

    def _forgotten(self, name: str, error: Exception) -> None:
        logger.warning("forgotten, and made anew: %s/%s.parquet: %s", self.store.url, name, error)

    @contextmanager
    def _lent(self, key: str) -> Iterator[Path]:
        """Lend an object as a file of this machine, as it is now."""
        with ExitStack() as scratch:
            yield self._linked(key, scratch) or self._copied(key, scratch)

    def _linked(self, key: str, scratch: ExitStack) -> Path | None:
        """Give a file a second name; writers put another file in its place, and this one stays as it is.

        None where this cannot be done: in a bucket, in a folder in which this user may only read, without a file.
        """
        if not self.store.url.startswith("file://") or self.store.head(key) is None:
            return None
        root = Path(unquote(self.store.url.removeprefix("file://")))
        try:
            path = scratch.enter_context(_scratch(root / SCRATCH))
            path.hardlink_to(root / key)
        except OSError:
            return None
        return path

    def _copied(self, key: str, scratch: ExitStack) -> Path:
        """Copy an object piece by piece, again if it was replaced meanwhile."""
        path = scratch.enter_context(_scratch())
        for _ in range(ATTEMPTS):
            found = self.store.head(key)
            if found is None:
                raise _not_made(f"{self.store.url}/{key}")
            with path.open("wb") as file:
                for start in range(0, found.size, PIECE):
                    file.write(self.store.get(key, start=start, length=PIECE))
            if self.store.head(key) == found:
                return path
        raise LakeError("is replaced again and again while it is read", where=f"{self.store.url}/{key}", hint=ONE)

    def _damaged(self, name: str) -> LakeError:
        return LakeError("is no readable Parquet file", where=f"{self.store.url}/{name}.parquet", hint=HINT)


@contextmanager
def _scratch(folder: Path | None = None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="adce-state-", dir=folder) as made:
        yield Path(made) / "table.parquet"


def _text(document: Mapping[str, Any]) -> str:
    """Write a document for machines and people: a member a line, and each entry of a list of entries on its own."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    members = []
    for name, value in document.items():
        entries = isinstance(value, list) and value and isinstance(value[0], dict)
        text = "[\n  " + ",\n  ".join(map(encode, value)) + "\n ]" if entries else encode(value)
        members.append(f" {encode(name)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def _told(document: Mapping[str, Any], volatile: Collection[str]) -> str:
    """Write down what a summary says; what a tuple and a list look like is the same."""
    return json.dumps({name: value for name, value in document.items() if name not in volatile})


def _is_within(keep_for: timedelta, before: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Tell whether the summary in place is young enough; one that is of the future is not."""
    try:
        made, now = (datetime.fromisoformat(told["generated_at"]) for told in (before, document))
        return timedelta(0) <= now - made <= keep_for
    except (KeyError, TypeError, ValueError):
        return False


def _not_made(where: str) -> LakeError:
    return LakeError("has not been made yet", where=where, hint=HINT)
