"""A bucket's name and the standard AWS environment in, a way to the bucket out.

Everything but listing goes through boto3's client. Pages of a listing are fetched with the same endpoint, credentials,
proxies and certificates, signed by the same library, but parsed by `s3_pages`. Attempts and errors are for `s3_calls`.
"""

import os
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import boto3
import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies

from adce_assets.errors import ConfigurationError
from adce_assets.lake.s3_pages import PAGE_LIMIT, Page, parse, parse_error
from adce_assets.settings import kept, way_to_aws

CONNECT_SECONDS = 5
READ_SECONDS = 30
SOON_SECONDS = 5
"""How long who only looks whether S3 answers waits for it, for he has more to look at."""
CONNECTIONS = 64
MOST_KEPT = 4
"""Connections that a process keeps: to the buckets of the lake and the state, now and before a change."""

_CONFIG = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    max_pool_connections=CONNECTIONS,
    retries={"total_max_attempts": 1, "mode": "standard"},  # `s3_calls` repeats what may be repeated
    signature_version="s3v4",
)


def connection(bucket: str) -> "Connection":
    """Lend this process's way to a bucket; it is made anew when the environment has changed of which it was made.

    A client of boto3's takes some 40 ms and some megabytes to make, and a sensor looks at the lake twice a minute.
    One that found no credentials will never have any, though their service may just not have answered: none is kept.

    Raises:
        ConfigurationError: AWS_ENDPOINT_URL or the profile's endpoint is no URL.
    """
    made = _kept(bucket, os.getpid(), way_to_aws())
    if not made.has_credentials:
        _kept.cache_clear()
    return made


@lru_cache(maxsize=MOST_KEPT)
def _kept(bucket: str, _process: int, _way: tuple[object, ...]) -> "Connection":
    """Keep a connection; one that was made before a process forked is not safe in it."""
    return Connection(bucket)


class Connection:
    """The way to one bucket, safe to use from many threads."""

    client: Any
    """boto3's client of S3, each call of which makes one attempt."""
    has_credentials: bool
    """Whether there were credentials when the client was made, which looks for them no more."""

    def __init__(self, bucket: str) -> None:
        """Read the standard environment, profile and configuration as boto3 does; nothing is contacted.

        Raises:
            ConfigurationError: AWS_ENDPOINT_URL or the profile's endpoint is no URL.
        """
        self._bucket = bucket
        self._session = botocore.session.get_session()
        try:
            self.has_credentials = self._session.get_credentials() is not None
            self.client = boto3.Session(botocore_session=self._session).client("s3", config=_CONFIG)
        except ValueError as error:
            raise ConfigurationError(str(error), hint="check AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3") from error
        certificates: Any = self._session.get_config_variable("ca_bundle") or kept("REQUESTS_CA_BUNDLE")
        self._http = URLLib3Session(
            verify=certificates or True,
            proxies=get_environ_proxies(self.client.meta.endpoint_url),
            timeout=(CONNECT_SECONDS, READ_SECONDS),  # pyrefly: ignore[bad-argument-type] - a pair is taken too
            max_pool_connections=CONNECTIONS,
        )

    def page(self, parameters: Mapping[str, str]) -> Page:
        """Fetch and read one page of ListObjectsV2, in one attempt.

        Raises:
            ClientError, BotoCoreError, ResponseParserError, HTTPError: As boto3's client would.
        """
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        address, region = self._address
        request = AWSRequest("GET", f"{address}?{urlencode(sorted(parameters.items()), quote_via=quote, safe='')}")
        S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region).add_auth(request)
        status, body = self._send(request)
        if status != 200:  # noqa: PLR2004 - the one status that carries a page
            raise parse_error(body, status)
        return parse(body)

    @cached_property
    def soon(self) -> Any:
        """Another client of S3, which waits for an answer for `SOON_SECONDS`."""
        config = _CONFIG.merge(Config(read_timeout=SOON_SECONDS))
        return self._session.create_client("s3", config=config)

    @cached_property
    def _address(self) -> tuple[str, str]:
        """Ask boto3 for the bucket's address and signing region, which it tells in a signed URL alone."""
        signed = urlsplit(self.client.generate_presigned_url("list_objects_v2", Params={"Bucket": self._bucket}))
        scope = parse_qs(signed.query)["X-Amz-Credential"][0]
        return f"{signed.scheme}://{signed.netloc}{signed.path}", scope.split("/")[-3]

    def _send(self, request: AWSRequest) -> tuple[int, bytes]:
        request.stream_output = True
        response = self._http.send(request.prepare())
        body = response.raw.read(PAGE_LIMIT + 1)
        if len(body) > PAGE_LIMIT:
            response.raw.close()
            raise ResponseParserError(f"a page of the listing has more than {PAGE_LIMIT} bytes")
        response.raw.release_conn()
        promised = response.headers.get("Content-Length")
        if promised not in {None, str(len(body))}:
            raise ResponseParserError(f"{len(body)} bytes of {promised} arrived of a page of the listing")
        return response.status_code, body
