"""A lake in a bucket in, the inventory configuration that AWS keeps of it out: put, read back, compared.

Here stand what the product wants AWS to write (`Wanted`), the way to the configurations of a bucket (`Configurations`)
and the policy that lets AWS write. How a report is read stands in `report`, when the next one is due in
`report_schedule`. A configuration is put or read and never deleted: most servers other than AWS overlook what a request
to delete one is about, and delete the bucket.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from adce_assets.errors import ConfigurationError, LakeError
from adce_assets.lake.s3_calls import ATTEMPTS, FAILURES, Answer, call, code_of, explained, wait_after
from adce_assets.lake.s3_connection import CONNECT_SECONDS, Connection, connection
from adce_assets.lake.store import key_prefix

Document = dict[str, Any]
"""A configuration as S3 takes and gives it: `InventoryConfiguration` of the S3 API."""

FIELDS = ("Size", "LastModifiedDate", "ETag", "IsMultipartUploaded", "StorageClass")
"""The optional columns that a report shall have; bucket and key it always has."""

ID_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
ACCOUNT_FORM = re.compile(r"[0-9]{12}", re.ASCII)
UNKNOWN_ACCOUNT = "ACCOUNT-ID"
"""What a policy says where the account is not known, for a person to replace."""

_ABSENT = frozenset({"NoSuchConfiguration", "NoSuchInventoryConfig"})
_LIST_INSTEAD = "where the server is not AWS, take the inventory by listing: `adce reconcile --mode list`"
_NO_RIGHT = "the credentials need s3:GetInventoryConfiguration and s3:PutInventoryConfiguration on the bucket"
_NOT_AWS = f"the server may keep no inventory configurations; {_LIST_INSTEAD}"
_HINTS = {
    **dict.fromkeys(("AccessDenied", "403"), _NO_RIGHT),
    **dict.fromkeys(("InvalidArgument", "InvalidRequest", "NotImplemented", "MethodNotAllowed"), _NOT_AWS),
    **dict.fromkeys(("BucketAlreadyExists", "BucketAlreadyOwnedByYou", "400", "405", "409", "501"), _NOT_AWS),
    "TooManyConfigurations": "a bucket has at most 1,000 inventory configurations",
}
_LITERALLY = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """The inventory that a lake needs: what of, in which form, how often, and where to."""

    lake_url: str
    reports: str
    """The prefix of the lake's keys below which AWS shall write; slashes at its ends do not matter."""
    config_id: str
    file_format: Literal["CSV", "ORC", "Parquet"] = "Parquet"
    frequency: Literal["Daily", "Weekly"] = "Daily"
    versions: Literal["Current", "All"] = "Current"

    @property
    def destination(self) -> str:
        """The destination prefix in the bucket, where `report.newest` looks for reports.

        It has no slash at its end: AWS adds one, and of two the keys in a manifest would know only one.
        """
        return key_prefix(self.lake_url) + self.reports.strip("/")

    def document(self, partition: str = "aws") -> Document:
        """Write the configuration as S3 takes it; `partition` is that of the bucket's ARN, such as ``aws-cn``."""
        below = key_prefix(self.lake_url)
        target = {"Bucket": _arn(self.lake_url, partition), "Format": self.file_format, "Prefix": self.destination}
        return {
            "Id": self.config_id,
            "IsEnabled": True,
            "IncludedObjectVersions": self.versions,
            "Schedule": {"Frequency": self.frequency},
            **({"Filter": {"Prefix": below}} if below else {}),
            "OptionalFields": list(FIELDS),
            "Destination": {"S3BucketDestination": target},
        }

    def policy(self, account: str = UNKNOWN_ACCOUNT, partition: str = "aws") -> Document:
        """Write the bucket policy that lets AWS write the reports; its one statement may be added to another policy.

        As docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html has it (S3 Inventory), but for the
        reports' own prefix only. `account` is that of the bucket's owner.
        """
        bucket = _arn(self.lake_url, partition)
        statement = {
            "Sid": f"AdceInventory{re.sub(r'[^A-Za-z0-9]', '', self.config_id)}",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/{self.destination.translate(_LITERALLY)}/*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": bucket},
                "StringEquals": {"aws:SourceAccount": account, "s3:x-amz-acl": "bucket-owner-full-control"},
            },
        }
        return {"Version": "2012-10-17", "Statement": [statement]}


class Configurations:
    """The inventory configurations of a lake's bucket."""

    def __init__(self, lake_url: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Take the lake's URL; nothing is contacted yet. `pause` waits between attempts.

        Raises:
            ConfigurationError: The lake is in no bucket.
        """
        if not lake_url.startswith("s3://"):
            raise ConfigurationError(
                "the lake is in no bucket, so that AWS can write no inventory of it",
                where=lake_url,
                valid="s3://bucket[/prefix]",
                hint="take the inventory by listing: `adce reconcile --mode list`",
            )
        self._url = lake_url
        self._bucket = _bucket(lake_url)
        self._pause = pause

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to, as ARNs name it."""
        return self._connection.client.meta.partition

    def get(self, config_id: str) -> Document | None:
        """Read a configuration; None where the bucket has none of this id.

        Raises:
            LakeError: S3 refused, or answered something that is no such configuration, as servers do that overlook
                what was asked for.
        """
        answer = self._call(lambda: self._get(config_id))
        if answer is None:
            return None
        found = answer.get("InventoryConfiguration") or {}
        if found.get("Id") != config_id:
            raise LakeError(
                f"the server keeps no inventory configurations: asked for `{config_id}`, it answered something else",
                where=self._url,
                hint=_LIST_INSTEAD,
            )
        return found

    def put(self, document: Document, *, replace: bool = False) -> bool:
        """Make the bucket have this configuration, and make sure that it has.

        Args:
            document: What `Wanted.document` makes.
            replace: Overwrite another configuration of the same id.

        Returns:
            Whether anything was put; False where the bucket had exactly this already.

        Raises:
            LakeError: S3 refused, there is another of the same id, or the server took it and keeps another or none.
        """
        client, name = self._connection.client, document["Id"]
        found = self.get(name)
        if found is not None:
            faults = differences(document, found)
            if not faults:
                return False
            if not replace:
                raise self._other(name, faults)
        self._call(
            lambda: client.put_bucket_inventory_configuration(
                Bucket=self._bucket, Id=name, InventoryConfiguration=document
            )
        )
        self._check(document)
        return True

    def account(self) -> str | None:
        """Ask AWS whose the credentials are: an account of twelve digits, or None where nobody can say."""
        client = self._connection.client
        once = Config(connect_timeout=CONNECT_SECONDS, read_timeout=CONNECT_SECONDS, retries={"total_max_attempts": 1})
        try:
            caller = boto3.Session().client("sts", region_name=client.meta.region_name, config=once)
            found = caller.get_caller_identity().get("Account", "")
        except FAILURES:
            return None
        return found if ACCOUNT_FORM.fullmatch(found) else None

    @cached_property
    def _connection(self) -> Connection:
        return connection(self._bucket)

    def _call(self, action: Callable[[], Answer]) -> Answer:
        def attempt() -> Answer:
            try:
                return action()
            except ClientError as error:
                if hint := _HINTS.get(code_of(error)):
                    raise LakeError(explained(error, self._url).what, where=self._url, hint=hint) from error
                raise

        return call(attempt, where=self._url, pause=self._pause)

    def _get(self, config_id: str) -> Mapping[str, Any] | None:
        try:
            return self._connection.client.get_bucket_inventory_configuration(Bucket=self._bucket, Id=config_id)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise

    def _check(self, document: Document) -> None:
        """Read back what was put, a few times, for AWS may give the former configuration for a moment."""
        attempt = 0
        while faults := self._faults(document):
            attempt += 1
            if attempt == ATTEMPTS:
                raise LakeError(
                    f"the server took the configuration `{document['Id']}`, but does not keep it so:{_listed(faults)}",
                    where=self._url,
                    hint=f"ask for what it keeps, if that will do; {_LIST_INSTEAD}",
                )
            self._pause(wait_after(attempt))

    def _faults(self, document: Document) -> tuple[str, ...]:
        found = self.get(document["Id"])
        return ("there is none of this id",) if found is None else differences(document, found)

    def _other(self, name: str, faults: tuple[str, ...]) -> LakeError:
        return LakeError(
            f"the bucket has another inventory configuration `{name}`:{_listed(faults)}",
            where=self._url,
            hint="`--replace` overwrites it, `--id` gives this one a name of its own",
        )


def default_id(lake_url: str) -> str:
    """Name the configuration of a lake for which nobody has chosen a name; lakes of one bucket get different names."""
    return "-".join(["adce", *re.findall(r"[A-Za-z0-9_]+", key_prefix(lake_url), re.ASCII)])[:64].rstrip("-")


def differences(wanted: Document, found: Document) -> tuple[str, ...]:
    """Say field by field where two configurations differ; the order of the optional columns does not matter."""
    asked, kept = dict(_fields(wanted)), dict(_fields(found))
    return tuple(
        f"`{name}` is {kept.get(name, 'not there')}, not {asked.get(name, 'left out')}"
        for name in sorted({*asked, *kept})
        if asked.get(name) != kept.get(name)
    )


def _fields(part: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field with its path and its value as text; an empty one is as good as none."""
    for name, value in part.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{path}{name}.")
        elif isinstance(value, list):
            yield f"{path}{name}", f"`{', '.join(sorted(map(str, value)))}`"
        elif value != "":
            yield f"{path}{name}", f"`{value}`"


def _listed(faults: tuple[str, ...]) -> str:
    return "".join(f"\n  {fault}" for fault in faults)


def _bucket(lake_url: str) -> str:
    return lake_url.removeprefix("s3://").partition("/")[0]


def _arn(lake_url: str, partition: str) -> str:
    return f"arn:{partition}:s3:::{_bucket(lake_url)}"
