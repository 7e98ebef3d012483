"""One report's manifest as AWS wrote it in, a `ReportManifest` that can be believed out, or a refusal.

Here stand what a manifest must say and its checksum. Which of several reports is in force is decided in `report`, what
its data files hold is checked in `report_csv` and `report_columns`. The document is that of the S3 User Guide
(docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adce_assets.errors import ObjectNotFoundError, ReportError
from adce_assets.lake.store import LakeStore, key_prefix

MANIFEST_VERSION = "2016-11-30"
FORMATS = ("CSV", "ORC", "Parquet")
FOLDER_TOLERANCE = timedelta(hours=12)
"""How far a report's own time may be from its folder's name; AWS writes the same minute into both."""


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
    """CSV: the names of the columns, in the order of the files. Else empty, for such files say it themselves, and what
    the manifest says of their types is not what they have."""
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


def load(store: LakeStore, top: str, folder: str, named: datetime) -> ReportManifest | None:
    """Read and check one manifest.

    Args:
        store: The lake that AWS writes the reports into.
        top: ``<prefix>/<bucket>/<config>/`` of the report.
        folder: The report's own folder below it, ending in ``/``.
        named: The time in the folder's name.

    Returns:
        The manifest, or None where its checksum is not there: the report is still being written.

    Raises:
        ReportError: The manifest is missing, is not what its checksum says, or cannot be understood.
    """
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
    checksum = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if promised.strip().lower() != checksum.encode():
        raise ReportError(
            f"the manifest's MD5 is {checksum}, but manifest.checksum says {promised[:40]!r}",
            where=where,
            hint="if AWS has just delivered it again, the next try will see both; else ask for a new report",
        )
    document = _parsed(body, where)
    *_, bucket, config_id, _ = top.split("/")
    if document.source_bucket != bucket:
        raise ReportError(f"the manifest is of `{document.source_bucket}`, its folder of `{bucket}`", where=where)
    return ReportManifest(
        source_bucket=bucket,
        config_id=config_id,
        created_at=_created_at(document, named, where),
        prefix=top + folder,
        file_format=document.file_format,
        columns=_columns(document, where),
        files=_files(document, key_prefix(store.url), where),
        checksum=checksum,
    )


def _parsed(body: bytes, where: str) -> _Manifest:
    try:
        manifest = _Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ReportError(f"the manifest's `{field}`: {first['msg']}", where=where) from error
    if manifest.version != MANIFEST_VERSION:
        raise ReportError(f"the manifest's version is `{manifest.version}`", where=where, valid=MANIFEST_VERSION)
    if manifest.file_format not in FORMATS:
        raise ReportError(
            f"reports in {manifest.file_format} cannot be read",
            where=where,
            valid=", ".join(FORMATS),
            hint="set the format of the bucket's inventory configuration to one of these",
        )
    return manifest


def _created_at(document: _Manifest, named: datetime, where: str) -> datetime:
    created = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(document.created_ms))
    if abs(created - named) > FOLDER_TOLERANCE:
        raise ReportError(
            f"the manifest says the report began at {created.isoformat()}, its folder says {named.isoformat()}",
            where=where,
        )
    return created


def _columns(document: _Manifest, where: str) -> tuple[str, ...]:
    if document.file_format != "CSV":
        return ()
    columns = tuple(name.strip() for name in document.file_schema.split(","))
    if len(set(columns)) != len(columns) or "" in columns:
        raise ReportError(f"fileSchema names a column twice or not at all: {document.file_schema}", where=where)
    return columns


def _files(document: _Manifest, root: str, where: str) -> tuple[ReportFile, ...]:
    keys = [file.key for file in document.files]
    if not keys:
        raise ReportError(
            "the manifest names no data file, so it cannot be told from an unfinished one",
            where=where,
            hint="list the bucket instead: if it is as good as empty, that is one request",
        )
    if len(set(keys)) != len(keys):
        raise ReportError("the manifest names a data file twice", where=where)
    if outside := next((key for key in keys if not key.startswith(root)), None):
        raise ReportError(
            f"the data file `{outside}` lies outside the lake's prefix `{root}`",
            where=where,
            hint="let AWS deliver the reports below the lake's prefix, or take the whole bucket as the lake",
        )
    return tuple(ReportFile(file.key.removeprefix(root), file.size, file.md5.lower()) for file in document.files)
