"""Installations whose lake and state lie in buckets behind a gate."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from adce_assets.demo.source import LocalSource
from adce_assets_tests.defs.conftest import GAMES, make_project
from adce_assets_tests.deploy import gate as gates
from adce_assets_tests.deploy.gate import Gate


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A gate, to which the environment of the module's tests leads."""
    with gates.running() as running, pytest.MonkeyPatch.context() as environment:
        named = {"AWS_ENDPOINT_URL": running.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        for name, value in {**named, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
            environment.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def source() -> Iterator[LocalSource]:
    """A stand-in for ESPN that knows the games."""
    with LocalSource(GAMES) as started:
        yield started


@pytest.fixture(scope="module")
def installation(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Make installations that lack the documents of a day, encrypt what they write, and may do everything as yet."""
    client = boto3.client("s3", endpoint_url=gate.url)
    made: list[str] = []

    def make(name: str) -> Any:
        made.extend((f"{name}-lake", f"{name}-state"))
        for bucket in made[-2:]:
            client.create_bucket(Bucket=bucket)
        home = tmp_path_factory.mktemp("rights") / "home"
        small = make_project(home, f"s3://{name}-lake", ADCE_STATE=f"s3://{name}-state/loop")
        file = home / "config" / "reconciliation_config.yaml"
        file.write_text(file.read_text().replace("encryption: none", "encryption: AES256"))
        small.fill(missing=lambda key: "/401501" in key or key.startswith("hoopr/"))
        return small.project

    yield make
    for bucket in made:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=bucket, Key=found["Key"])
        client.delete_bucket(Bucket=bucket)
