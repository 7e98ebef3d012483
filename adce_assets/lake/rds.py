"""The name of a database instance of AWS RDS in, the storage it has been given out.

It is here because boto3 is known in this room alone; the lake has nothing to do with it.
"""

from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from adce_assets.errors import MetricError
from adce_assets.lake.s3_calls import FAILURES, NO_CREDENTIALS, code_of
from adce_assets.lake.s3_connection import CONNECT_SECONDS, READ_SECONDS

ATTEMPTS = 3
SHARED = "aurora"
"""What the names of engines begin with whose storage is the cluster's and grows by itself."""
NEEDS = "the credentials need rds:DescribeDBInstances"
HINTS = {
    "DBInstanceNotFound": "check its name, and the region",
    "DBInstanceNotFoundFault": "check its name, and the region",
    "AccessDenied": NEEDS,
    "AccessDeniedException": NEEDS,
    "UnauthorizedOperation": NEEDS,
    "InvalidClientTokenId": NO_CREDENTIALS,
    "ExpiredToken": "the session's credentials have run out: log in again",
}


def allocated_gib(instance: str, region: str | None = None) -> int:
    """Ask AWS how many GiB an instance has been given.

    Args:
        instance: Its name.
        region: Where it is; None for the region that the environment or the profile says.

    Raises:
        MetricError: AWS cannot be asked or does not know the instance, or its storage is not its own.
    """
    where = f"rds:{instance}"
    try:
        found = _client(region).describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"]
    except ValueError as error:
        raise MetricError(str(error), where=where, hint="check AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_RDS") from error
    except FAILURES as error:
        raise _explained(error, where) from error
    told = [one for one in found if str(one.get("DBInstanceIdentifier")).lower() == instance.lower()]
    if len(told) != 1:
        raise MetricError("AWS told of another instance", where=where)
    engine, gib = str(told[0].get("Engine")), told[0].get("AllocatedStorage")
    if engine.startswith(SHARED):
        raise MetricError(f"an instance of {engine} has no storage of its own", where=where)
    if not isinstance(gib, int) or gib < 1:
        raise MetricError("AWS told of no storage", where=where)
    return gib


def _client(region: str | None) -> Any:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return boto3.Session().client("rds", region_name=region, config=config)


def _explained(error: Exception, where: str) -> MetricError:
    if isinstance(error, ClientError):
        code = code_of(error)
        message = error.response.get("Error", {}).get("Message", "")
        return MetricError(f"AWS answered {code}: {message}", where=where, hint=HINTS.get(code, ""))
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return MetricError("no credentials for AWS were found", where=where, hint=NO_CREDENTIALS)
    if isinstance(error, NoRegionError):
        return MetricError("no region is set", where=where, hint="say `region:`, or set AWS_REGION")
    if isinstance(error, EndpointConnectionError):
        server = urlsplit(error.kwargs["endpoint_url"]).netloc
        hint = "check network and proxies, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_RDS"
        return MetricError(f"cannot connect to {server}", where=where, hint=hint)
    return MetricError(f"{type(error).__name__}: {error}", where=where)
