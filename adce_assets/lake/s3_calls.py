"""A failed call to S3 in, another attempt or one `LakeError` that says what to do out.

Whether a failure can pass is decided here and nowhere else in this room; a new code that S3 may answer is one more
entry of `HINTS` or `TRANSIENT_CODES`.
"""

import random
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as ConnectFailedError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from adce_assets.errors import AccessDeniedError, LakeError, ObjectNotFoundError

Answer = TypeVar("Answer")

ATTEMPTS = 5
FEW_ATTEMPTS = 2
"""Of a call by which nothing but the answering itself is found out."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

TRANSPORT_ERRORS = (ConnectFailedError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)
"""The answer did not arrive, or not whole: the call may or may not have been done."""

FAILURES = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
"""Everything that a call through boto3 or its HTTP client raises."""

TRANSIENT_CODES = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException"}
)
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
DOUBTFUL_STATUSES = frozenset({500, 502, 504})

NO_CREDENTIALS = "give credentials: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or an instance role"
NO_ACCESS = (
    "the credentials need s3:ListBucket on the bucket, s3:GetObject and s3:PutObject on its objects: docs/security.md"
)
NO_BUCKET = "check the bucket's name in the lake's URL, and AWS_ENDPOINT_URL"
HINTS = {
    "NoSuchBucket": NO_BUCKET,
    "404": NO_BUCKET,
    "AccessDenied": NO_ACCESS,
    "403": NO_ACCESS,
    "InvalidAccessKeyId": NO_CREDENTIALS,
    "SignatureDoesNotMatch": "the secret key does not belong to the access key, or a proxy changes requests",
    "ExpiredToken": "the session's credentials have run out: log in again",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "PermanentRedirect": "set AWS_REGION to the bucket's region",
    "AuthorizationHeaderMalformed": "set AWS_REGION to the bucket's region",
    "NotImplemented": "this server does not know the request; a shared queue needs conditional writes",
    "EntityTooLarge": "one object may have 5 GiB when written in one go",
}


KINDS = {"NoSuchKey": ObjectNotFoundError, "AccessDenied": AccessDeniedError}
"""Codes that somebody asks for; a HEAD that is refused has none, whatever the reason."""


def call(
    action: Callable[[], Answer], *, where: str, pause: Callable[[float], None], attempts: int = ATTEMPTS
) -> Answer:
    """Run `action`, which must be harmless to repeat, until it succeeds, cannot succeed, or failed `attempts` times.

    Args:
        action: The call; its errors are those of boto3.
        where: What was called, for the error's text.
        pause: Waits between attempts for the seconds it is given, which are random and grow twofold.
        attempts: How often it is tried.

    Raises:
        LakeError: The last failure, explained.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return action()
        except FAILURES as error:
            if attempt == attempts or not is_transient(error):
                raise explained(error, where) from error
        pause(wait_after(attempt))


def wait_after(attempt: int) -> float:
    """Choose the seconds to wait after the given attempt (from 1), so that many clients do not come back together."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, guards nothing


def is_transient(error: Exception) -> bool:
    """Say whether the same call may succeed a moment later."""
    if isinstance(error, ClientError):
        return status_of(error) in TRANSIENT_STATUSES or code_of(error) in TRANSIENT_CODES
    return isinstance(error, TRANSPORT_ERRORS)


def may_be_done(error: Exception) -> bool:
    """Say whether a write that failed so may have been done all the same: its answer was lost, not its request."""
    if isinstance(error, ClientError):
        return status_of(error) in DOUBTFUL_STATUSES
    return isinstance(error, TRANSPORT_ERRORS) and not isinstance(error, ConnectFailedError)


def status_of(error: ClientError) -> int:
    """Read the HTTP status of the answer, 0 if it has none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def code_of(error: ClientError) -> str:
    """Read S3's error code, or the status where the answer had no body."""
    return error.response.get("Error", {}).get("Code", "")


def explained(error: Exception, where: str) -> LakeError:
    """Turn a failure into the lake's error, with what to do where that is known."""
    if isinstance(error, ClientError):
        code = code_of(error)
        kind = KINDS.get(code, LakeError)
        message = error.response.get("Error", {}).get("Message", "")
        return kind(f"S3 answered {code}: {message}", where=where, hint=HINTS.get(code, ""))
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return LakeError("no credentials for S3 were found", where=where, hint=NO_CREDENTIALS)
    if isinstance(error, EndpointConnectionError):
        server = urlsplit(error.kwargs["endpoint_url"]).netloc
        return LakeError(f"cannot connect to {server}", where=where, hint="check AWS_ENDPOINT_URL, network and proxies")
    if isinstance(error, ResponseParserError):
        return LakeError(str(error), where=where, hint="check that AWS_ENDPOINT_URL is a server of S3")
    return LakeError(f"{type(error).__name__}: {error}", where=where)
