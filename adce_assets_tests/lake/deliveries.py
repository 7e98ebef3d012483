"""Reports of AWS about to be delivered, made without the product's own writer."""

import gzip
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adce_assets.lake.store import LakeStore

CURRENT_COLUMNS = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass"
NIGHT = "2025-11-05T01-00Z"
TOP = "inventory-reports/nba-lake/everything"


@dataclass
class Delivery:
    """One report about to be delivered, made without the product's own writer; its fields may be spoilt first.

    Rows of CSV are packed unless they are, or are nothing at all; other bodies are taken as they are.
    """

    rows: list[bytes] = field(default_factory=lambda: [b"\n"])
    columns: str = CURRENT_COLUMNS
    folder: str = NIGHT
    top: str = TOP
    document: dict[str, Any] = field(default_factory=dict)
    checksum: bytes | None = None
    file_format: str = "CSV"

    def put(self, store: LakeStore) -> None:
        """Write the data and the manifest, and last the checksum."""
        files = []
        for number, body in enumerate(self.rows):
            is_text = self.file_format == "CSV" and body and body[:2] != b"\x1f\x8b"
            packed = gzip.compress(body) if is_text else body
            key = self.data_key(number)
            store.put(key, packed)
            files.append({"key": key, "size": len(packed), "MD5checksum": md5(packed)})
        started = datetime.strptime(self.folder, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
        document = {
            "sourceBucket": self.top.split("/")[-2],
            "destinationBucket": "arn:aws:s3:::nba-lake",
            "version": "2016-11-30",
            "creationTimestamp": str(int(started.timestamp()) * 1000),
            "fileFormat": self.file_format,
            "fileSchema": self.columns,
            "files": files,
            **self.document,
        }
        manifest = json.dumps({name: value for name, value in document.items() if value is not None}).encode()
        self.put_manifest(store, manifest)

    def data_key(self, number: int) -> str:
        """Name a data file of this report."""
        suffix = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}[self.file_format]
        return f"{self.top}/data/{self.folder}-{number}.{suffix}"

    def put_manifest(self, store: LakeStore, manifest: bytes) -> None:
        """Write the manifest, and its checksum unless that is b"" for not yet."""
        folder = f"{self.top}/{self.folder}"
        store.put(f"{folder}/manifest.json", manifest)
        checksum = md5(manifest).encode() + b"\n" if self.checksum is None else self.checksum
        if checksum:
            store.put(f"{folder}/manifest.checksum", checksum)


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
