"""The reports of AWS Inventory in, the newest complete one as a table of the bucket's objects out, or a refusal.

Here stand finding a report, believing it (checksum of the manifest, size and MD5 of each data file) and putting its
parts together. How the rows of one format are read stands in `report_rows`. A report is taken whole or not at all:
whatever is missing or wrong is a `ReportError` that names it. Layout and manifest are those of the S3 User Guide
(docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adce_assets.errors import ObjectNotFoundError, ReportError
from adce_assets.lake.listing import NOT_DATA
from adce_assets.lake.report_rows import DECODERS
from adce_assets.lake.store import OBJECT_SCHEMA, LakeStore, key_prefix

pc: Any = pyarrow.compute  # its functions are made at import, where no type checker sees them

MANIFEST_VERSION = "2016-11-30"
FOLDER_TOLERANCE = timedelta(hours=12)
"""How far a report's own time may be from its folder's name. AWS writes a report a day at most, so that within this the
newest folder holds the newest report."""

_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z/")


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One data file: its key in the store, its bytes as stored, and their MD5 in hexadecimal."""

    key: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class ReportManifest:
    """A complete report: what it is of, when AWS began to look (UTC), and where its rows are."""

    source_bucket: str
    config_id: str
    created_at: datetime
    prefix: str
    """The folder of this one report, ending in ``/``; its last part is the time."""
    file_format: str
    columns: tuple[str, ...]
    """The names of the columns, in the order of the files, as AWS spells them."""
    files: tuple[ReportFile, ...]
    checksum: str
    """The MD5 of the manifest: AWS may deliver a report again under the same name, and this tells them apart."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str = Field(min_length=1)
    size: int = Field(ge=0)
    md5: str = Field(alias="MD5checksum", pattern=r"^[0-9a-fA-F]{32}$")


class _Manifest(BaseModel):
    """The document as AWS writes it, which AWS may extend."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source_bucket: str = Field(alias="sourceBucket")
    version: str
    created_ms: str = Field(alias="creationTimestamp", pattern=r"^[0-9]{1,14}$")
    file_format: str = Field(alias="fileFormat")
    file_schema: str = Field(alias="fileSchema")
    files: tuple[_File, ...]


def newest(
    store: LakeStore,
    *,
    prefix: str,
    source_bucket: str | None = None,
    config_id: str | None = None,
) -> ReportManifest | None:
    """Find the newest report that AWS has finished writing, and check its manifest.

    Args:
        store: The lake that AWS writes the reports into.
        prefix: The configuration's destination prefix; slashes at its ends do not matter.
        source_bucket: The bucket that the report is of; needed where reports of several lie under the prefix.
        config_id: The id of the inventory configuration; needed where several lie there. They are never mixed, for one
            may be of a part of the bucket only.

    Returns:
        The newest complete report, or None where there is none yet.

    Raises:
        ReportError: The newest complete report is damaged, or several configurations are there to choose from.
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
    for top, folders in found.items():
        for folder in sorted(folders, reverse=True):
            if (manifest := _load(store, top, folder)) is not None:
                return manifest
    return None


def read(
    store: LakeStore,
    manifest: ReportManifest,
    *,
    exclude: Sequence[str] = NOT_DATA,
    on_progress: Callable[[int], None] | None = None,
) -> pa.Table:
    """Read every row of a report.

    A report names objects by their key in the bucket. Where the store's URL has a prefix, it is cut off, and what lies
    outside it is no part of this lake and left out. So are versions that are not the latest, and deleted objects.

    Args:
        store: The lake that the report is of and lies in.
        manifest: What `newest` found.
        exclude: Key prefixes to leave out, such as the one the reports lie under.
        on_progress: Called with the count of rows taken so far.

    Returns:
        One row per object as in `OBJECT_SCHEMA`, sorted by key, just as `listing.take` gives it.

    Raises:
        ReportError: A data file is missing, is not what the manifest says, or cannot be understood.
        LakeError: The store could not be read.
    """
    tables, taken = [OBJECT_SCHEMA.empty_table()], 0
    for file in manifest.files:
        body, where = _verified_body(store, file), f"{store.url}/{file.key}"
        for rows in DECODERS[manifest.file_format](body, manifest.columns, manifest.source_bucket, where):
            tables.append(_of_lake(rows, key_prefix(store.url), exclude))
            taken += tables[-1].num_rows
            if on_progress is not None:
                on_progress(taken)
    return _sorted(pa.concat_tables(tables), f"{store.url}/{manifest.prefix}")


def _configurations(
    store: LakeStore, base: str, source_bucket: str | None, config_id: str | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield each ``<prefix>/<bucket>/<config>/`` that holds reports, with the names of their folders."""
    buckets = [f"{base}{source_bucket}/"] if source_bucket else store.list_prefixes(base)
    for bucket in buckets:
        configurations = [f"{bucket}{config_id}/"] if config_id else store.list_prefixes(bucket)
        for top in configurations:
            names = (name.removeprefix(top) for name in store.list_prefixes(top))
            if folders := [name for name in names if _FOLDER.fullmatch(name)]:
                yield top, folders


def _load(store: LakeStore, top: str, folder: str) -> ReportManifest | None:
    """Read and check one manifest; without its checksum the report is still being written."""
    key = f"{top}{folder}manifest.json"
    where = f"{store.url}/{key}"
    try:
        promised = store.get(f"{top}{folder}manifest.checksum")
    except ObjectNotFoundError:
        return None
    try:
        body = store.get(key)
    except ObjectNotFoundError as error:
        raise ReportError("the manifest is missing, though its checksum is there", where=where) from error
    checksum = _md5(body)
    if promised.strip().lower() != checksum.encode():
        raise ReportError(
            f"the manifest's MD5 is {checksum}, but manifest.checksum says {promised[:40]!r}",
            where=where,
            hint="if AWS has just delivered it again, the next try will see both; else ask for a new report",
        )
    return _checked(_parsed(body, where), top, folder, checksum, store)


def _parsed(body: bytes, where: str) -> _Manifest:
    try:
        manifest = _Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ReportError(f"the manifest's `{field}`: {first['msg']}", where=where) from error
    if manifest.version != MANIFEST_VERSION:
        raise ReportError(f"the manifest's version is `{manifest.version}`", where=where, valid=MANIFEST_VERSION)
    return manifest


def _checked(document: _Manifest, top: str, folder: str, checksum: str, store: LakeStore) -> ReportManifest:
    where = f"{store.url}/{top}{folder}manifest.json"
    *_, bucket, config_id, _ = top.split("/")
    if document.source_bucket != bucket:
        raise ReportError(f"the manifest is of `{document.source_bucket}`, its folder of `{bucket}`", where=where)
    return ReportManifest(
        source_bucket=bucket,
        config_id=config_id,
        created_at=_created_at(document, folder, where),
        prefix=top + folder,
        file_format=_known_format(document, where),
        columns=_columns(document, where),
        files=_files(document, key_prefix(store.url), where),
        checksum=checksum,
    )


def _created_at(document: _Manifest, folder: str, where: str) -> datetime:
    created = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(document.created_ms))
    try:
        named = datetime.strptime(folder, "%Y-%m-%dT%H-%MZ/").replace(tzinfo=UTC)
    except ValueError as error:
        raise ReportError(f"the report's folder `{folder}` is no time", where=where) from error
    if abs(created - named) > FOLDER_TOLERANCE:
        raise ReportError(
            f"the manifest says the report began at {created.isoformat()}, its folder `{folder}` says otherwise",
            where=where,
        )
    return created


def _known_format(document: _Manifest, where: str) -> str:
    if document.file_format not in DECODERS:
        raise ReportError(
            f"reports in {document.file_format} cannot be read",
            where=where,
            valid=", ".join(DECODERS),
            hint="set the format of the bucket's inventory configuration to one of these",
        )
    return document.file_format


def _columns(document: _Manifest, where: str) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in document.file_schema.split(","))
    if len(set(columns)) != len(columns) or "" in columns:
        raise ReportError(f"fileSchema names a column twice or not at all: {document.file_schema}", where=where)
    return columns


def _files(document: _Manifest, root: str, where: str) -> tuple[ReportFile, ...]:
    if not document.files:
        raise ReportError(
            "the manifest names no data file, so it cannot be told from an unfinished one",
            where=where,
            hint="list the bucket instead: if it is as good as empty, that is one request",
        )
    if outside := next((file.key for file in document.files if not file.key.startswith(root)), None):
        raise ReportError(
            f"the data file `{outside}` lies outside the lake's prefix `{root}`",
            where=where,
            hint="let AWS deliver the reports below the lake's prefix, or take the whole bucket as the lake",
        )
    return tuple(ReportFile(file.key.removeprefix(root), file.size, file.md5.lower()) for file in document.files)


def _verified_body(store: LakeStore, file: ReportFile) -> bytes:
    where = f"{store.url}/{file.key}"
    try:
        body = store.get(file.key)
    except ObjectNotFoundError as error:
        raise ReportError(
            "a data file that the manifest names is missing",
            where=where,
            hint="a lifecycle rule may remove data before manifests; let it keep both for longer than a report is used",
        ) from error
    if len(body) != file.size:
        raise ReportError(f"a data file has {len(body)} bytes, the manifest says {file.size}", where=where)
    if (md5 := _md5(body)) != file.md5:
        raise ReportError(f"a data file's MD5 is {md5}, the manifest says {file.md5}", where=where)
    return body


def _of_lake(rows: pa.Table, root: str, exclude: Sequence[str]) -> pa.Table:
    if root:
        rows = rows.filter(pc.and_(pc.starts_with(rows["key"], root), pc.not_equal(rows["key"], root)))
        rows = rows.set_column(0, OBJECT_SCHEMA.field("key"), pc.utf8_slice_codeunits(rows["key"], len(root)))
    for prefix in exclude:
        rows = rows.filter(pc.invert(pc.starts_with(rows["key"], prefix)))
    return rows


def _sorted(table: pa.Table, where: str) -> pa.Table:
    table = table.sort_by("key").combine_chunks()
    keys = table["key"]
    twice = pc.index(pc.equal(keys.slice(1), keys.slice(0, max(len(keys) - 1, 0))), True).as_py()
    if twice >= 0:
        raise ReportError(f"the report has `{keys[twice]}` as a current object twice", where=where)
    return table


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
