"""The reports of AWS Inventory in, the newest complete one as a relation of the bucket's objects out, or a refusal.

Here stands which report is in force, and the relation of its rows. What a manifest says stands in `report_manifest`,
how its data files come here and are believed in `report_files`. A report is taken whole or not at all: whatever is
missing or wrong is a `ReportError` that names it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adce_assets.errors import ReportError
from adce_assets.lake import report_columns, report_files
from adce_assets.lake.report_manifest import FOLDER_TOLERANCE, ReportManifest, load
from adce_assets.lake.slices import Block, Rows, blocks_of
from adce_assets.lake.store import LakeStore
from adce_assets.tables import read_orc

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

LAST_CHARACTER = "\U0010ffff"
_FOLDER = "%Y-%m-%dT%H-%MZ/"


def newest(
    store: LakeStore,
    *,
    prefix: str,
    source_bucket: str | None = None,
    config_id: str | None = None,
) -> ReportManifest | None:
    """Find the newest report that AWS has finished writing, by its own time, and check its manifest.

    It takes one LIST request with the source bucket and the configuration given, else one for the prefix, one for each
    bucket and one for each configuration there.

    Args:
        store: The lake that AWS writes the reports into.
        prefix: The configuration's destination prefix; slashes at its ends do not matter.
        source_bucket: The bucket that the report is of; needed where reports of several lie under the prefix.
        config_id: The id of the inventory configuration; needed where several lie there. They are never mixed, for one
            may be of a part of the bucket only.

    Returns:
        The newest complete report, or None where there is none yet.

    Raises:
        ReportError: A report that may be the newest is damaged, or several configurations are there to choose from.
        LakeError: The store could not be read.
    """
    base = f"{prefix.strip('/')}/".lstrip("/")
    found = dict(_configurations(store, base, source_bucket, config_id))
    if len(found) > 1:
        raise ReportError(
            "reports of several inventory configurations lie here",
            where=f"{store.url}/{base}",
            valid=", ".join(sorted(found)),
            hint="name the source bucket and the configuration to use",
        )
    return next((_newest(store, top, folders) for top, folders in found.items()), None)


def fetch(
    store: LakeStore,
    manifest: ReportManifest,
    folder: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Path, ...]:
    """Keep checked copies of a report's data files in a folder of this machine.

    ORC and Parquet are kept as they are, CSV as Parquet. What is there already is not fetched again; copies of other
    reports are removed once all of this one are there. One process at a time may use the folder.

    Args:
        store: The lake that the report lies in.
        manifest: What `newest` found.
        folder: Where the copies are kept; made if it is not there. Only what is named like a copy is ever removed.
        on_progress: Called with the count of rows brought so far.

    Returns:
        The copies, in the order of the manifest.

    Raises:
        ReportError: A data file is missing, is not what the manifest says, or has a row that cannot be believed. What
            was in the folder before is still there.
        LakeError: The store could not be read, or the folder not written.
    """
    paths = report_files.bring(store, manifest, folder, on_progress)
    if manifest.file_format != "CSV":
        _check_alike(store, manifest, paths)
    report_files.tidy(folder, paths)
    return paths


def rows(
    backend: "Backend",
    manifest: ReportManifest,
    files: Sequence[Path | str],
    *,
    root: str,
    exclude: Sequence[str],
) -> Rows:
    """Make what makes the relation of the objects that a report names. Nothing is read or computed yet.

    A report names objects by their key in the bucket. Where the lake is a part of the bucket, the rest is left out. So
    are versions that are not the latest, and deleted objects. A key stands there twice if the report has it twice.

    Args:
        backend: The engine that will compute it.
        manifest: The report.
        files: What `fetch` gave, or the URLs of the same files for an engine that reads them where they lie.
        root: What the lake's keys begin with in the bucket: empty, or ending in ``/``.
        exclude: Prefixes of keys below the root to leave out, such as the one the reports lie under.

    Returns:
        Relations with the columns of `OBJECT_SCHEMA`, unsorted; the ETag is empty where the report does not say it.
    """
    if manifest.file_format == "CSV":
        table = backend.read_parquet(list(map(str, files)))
    else:
        table = _own_columns(backend, manifest, files)
    return Rows(table, root, exclude)


def blocks(manifest: ReportManifest, files: Sequence[Path], *, root: str) -> list[Block]:
    """Say where the keys of a lake lie in the copies of a report; empty where the files do not say it."""
    if manifest.file_format == "ORC":
        return []
    found = blocks_of(files)
    inside = (block for block in found if block.greatest >= root and block.least[: len(root)] <= root)
    return [
        replace(block, least=_behind(root, block.least), greatest=_behind(root, block.greatest)) for block in inside
    ]


def _behind(root: str, key: str) -> str:
    """Return what stands behind the root in a key, or a text that is as good for one that lies elsewhere."""
    if key.startswith(root):
        return key[len(root) :]
    return "" if key < root else LAST_CHARACTER


def _configurations(
    store: LakeStore, base: str, source_bucket: str | None, config_id: str | None
) -> Iterator[tuple[str, dict[datetime, str]]]:
    """Yield each ``<prefix>/<bucket>/<config>/`` that holds reports, with their folders by the time in the name."""
    buckets = [f"{base}{source_bucket}/"] if source_bucket else store.list_prefixes(base)
    for bucket in buckets:
        configurations = [f"{bucket}{config_id}/"] if config_id else store.list_prefixes(bucket)
        for top in configurations:
            names = (name.removeprefix(top) for name in store.list_prefixes(top))
            if folders := {named: name for name in names if (named := _named(name))}:
                yield top, folders


def _named(folder: str) -> datetime | None:
    """Read the time in a folder's name; `data/`, `hive/` and what AWS did not put there have none."""
    try:
        named = datetime.strptime(folder, _FOLDER).replace(tzinfo=UTC)
    except ValueError:
        return None
    return named if named.strftime(_FOLDER) == folder else None


def _newest(store: LakeStore, top: str, folders: dict[datetime, str]) -> ReportManifest | None:
    """Read manifests, the newest folder first, until no other can hold a newer report."""
    best = None
    for named in sorted(folders, reverse=True):
        if best is not None and named + FOLDER_TOLERANCE <= best.created_at:
            break
        manifest = load(store, top, folders[named], named)
        if manifest is not None and (best is None or manifest.created_at > best.created_at):
            best = manifest
    return best


def _check_alike(store: LakeStore, manifest: ReportManifest, paths: Sequence[Path]) -> None:
    """Refuse a report whose files have not the same columns: the engine takes the first for all."""
    kinds = {}
    for file, path in zip(manifest.files, paths, strict=True):
        where = f"{store.url}/{file.key}"
        kinds.setdefault(report_columns.contents(path, manifest.file_format, where).columns, where)
    if len(kinds) > 1:
        first, other = list(kinds)[:2]
        differing = sorted({name for name, _ in set(first) ^ set(other)})
        raise ReportError(
            f"the data files of one report differ in the column {', '.join(differing)}", where=kinds[other]
        )


def _own_columns(backend: "Backend", manifest: ReportManifest, files: Sequence[Path | str]) -> "ir.Table":
    """Take the current objects of files that have their own schema."""
    import ibis

    table = read_orc(backend, files) if manifest.file_format == "ORC" else backend.read_parquet(list(map(str, files)))
    kept: list[Any] = [table.is_latest] if "is_latest" in table.columns else []
    if "is_delete_marker" in table.columns:
        kept.append(~table.is_delete_marker)
    if kept:
        table = table.filter(kept)
    etag = table.e_tag.fill_null("") if "e_tag" in table.columns else ibis.literal("")
    return table.select(
        key=table.key,
        size=table["size"],
        last_modified=table.last_modified_date.cast("timestamp('UTC', 6)"),
        etag=etag,
    )
