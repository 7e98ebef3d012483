"""The storage of AWS and a folder beside the lake: known from servers of our own, and from the inventory alone."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer

from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets.lake.store import open_store
from adce_assets.loop import inventory
from adce_assets_tests.dims.measuring import NOW, why_not
from adce_assets_tests.dims.small_lake import ADAPTER, CONTRACT, made, measured

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lend a client of an AWS that is a server of our own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**AWS, "AWS_ENDPOINT_URL_RDS": moto_url}.items():
        monkeypatch.setenv(name, value)
    return boto3.client("rds", region_name="us-east-1", endpoint_url=moto_url)


def test_the_storage_of_an_instance_is_what_it_was_given(aws: Any, bare_world: World):
    for name, gib in (("nba-db", 20), ("nba-db-2", 25)):
        aws.create_db_instance(
            DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=gib
        )
    assert measured(bare_world, "rds_storage", instance="NBA-DB", region="us-east-1") == 20
    aws.modify_db_instance(DBInstanceIdentifier="nba-db", AllocatedStorage=40, ApplyImmediately=True)
    assert measured(bare_world, "rds_storage", instance="nba-db") == 40
    told = why_not(bare_world, "rds_storage", instance="nba-db", region="eu-west-1")
    assert "AWS answered DBInstanceNotFound" in told


def test_an_instance_that_aws_does_not_know_has_no_storage(aws: Any, bare_world: World):
    told = why_not(bare_world, "rds_storage", instance="gone")
    assert aws is not None
    assert told.startswith("rds:gone: AWS answered DBInstanceNotFound")


def test_aws_that_cannot_be_asked_is_no_value(aws: Any, bare_world: World, monkeypatch: pytest.MonkeyPatch):
    assert aws is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", "http://127.0.0.1:1")
    assert "cannot connect to 127.0.0.1:1" in why_not(bare_world, "rds_storage", instance="a")
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", "nonsense")
    assert "nonsense" in why_not(bare_world, "rds_storage", instance="a")
    monkeypatch.delenv("AWS_ENDPOINT_URL_RDS")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "no region is set" in why_not(bare_world, "rds_storage", instance="a")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    told = why_not(bare_world, "rds_storage", instance="a", region="us-east-1")
    assert "no credentials for AWS were found" in told


INSTANCE = """<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances>{}</DBInstances>
</DescribeDBInstancesResult></DescribeDBInstancesResponse>"""
ONE = "<DBInstance><DBInstanceIdentifier>{}</DBInstanceIdentifier><Engine>{}</Engine>{}</DBInstance>"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, INSTANCE.format(""), "AWS told of another instance"),
        (
            200,
            INSTANCE.format(ONE.format("b", "postgres", "<AllocatedStorage>9</AllocatedStorage>")),
            "another instance",
        ),
        (200, INSTANCE.format(ONE.format("a", "postgres", "")), "AWS told of no storage"),
        (200, INSTANCE.format(ONE.format("a", "postgres", "<AllocatedStorage>0</AllocatedStorage>")), "no storage"),
        (200, INSTANCE.format(ONE.format("a", "aurora-mysql", "<AllocatedStorage>1</AllocatedStorage>")), "of its own"),
        (200, "<html>", "rds:a: "),
        (
            403,
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
            "AWS answered AccessDenied: no\nhint: the credentials need rds:DescribeDBInstances",
        ),
    ],
)
@pytest.mark.usefixtures("aws")
def test_what_aws_says_otherwise_is_no_storage(
    httpserver: HTTPServer,
    bare_world: World,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: str,
    said: str,
):
    httpserver.expect_request("/", method="POST").respond_with_data(body, status)
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", httpserver.url_for("/"))
    assert said in why_not(bare_world, "rds_storage", instance="a")


@pytest.mark.parametrize("instance", ["", "-a", "a-", "a--b", "1a", "a b", "a" * 64, "a/b"])
def test_what_names_no_instance_is_refused_when_it_is_read(instance: str):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({"kind": "rds_storage", "instance": instance})


@pytest.fixture(scope="module")
def lake(workshop: "Workshop") -> World:
    return made(workshop)


@pytest.fixture
def beside(lake: World, tmp_path: Path) -> World:
    """A world whose folder has a copy of the lake in `copy`."""
    shutil.copytree(
        lake.project.settings.home / "lake", tmp_path / "copy", ignore=lambda _, names: {".lake-tmp"} & {*names}
    )
    return replace(lake, root=tmp_path)


def told(world: World, **parameters: Any) -> dict[str, Value]:
    """Say everything of a folder and the lake."""
    values = ("status", "missing_here", "missing_there", "differing", "same")
    with world.reading():
        return {value: measured(world, "sync_status", folder="copy", value=value, **parameters) for value in values}


def by_hand(world: World, prefix: str = "") -> tuple[int, int, int, int]:
    """Compare names and sizes in the plainest way."""
    folder, lake = world.root / "copy", world.project.settings.home / "lake" / prefix
    here = {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    there = {
        str(file.relative_to(lake)): file.stat().st_size
        for file in lake.rglob("*")
        if file.is_file() and ".lake-tmp" not in file.parts
    }
    both = here.keys() & there.keys()
    same = sum(here[name] == there[name] for name in both)
    return len(there.keys() - here.keys()), len(here.keys() - there.keys()), len(both) - same, same


def as_told(status: str, numbers: tuple[int, int, int, int]) -> dict[str, Value]:
    return {"status": status, **dict(zip(("missing_here", "missing_there", "differing", "same"), numbers, strict=True))}


def test_a_copy_of_the_lake_is_in_sync(beside: World):
    assert told(beside) == as_told("in_sync", by_hand(beside))


def test_a_folder_without_an_object_is_behind(beside: World):
    (beside.root / "copy/pbp/g1.json").unlink()
    shutil.rmtree(beside.root / "copy/ml")
    assert told(beside) == as_told("behind", by_hand(beside))
    assert by_hand(beside)[0] == 3


def test_a_folder_with_more_is_ahead(beside: World):
    (beside.root / "copy/pbp/new.json").write_text("x")
    assert told(beside) == as_told("ahead", by_hand(beside))


def test_a_folder_with_another_file_has_diverged(beside: World):
    (beside.root / "copy/pbp/g1.json").write_text("x")
    assert told(beside) == as_told("diverged", by_hand(beside))


def test_a_folder_that_has_more_and_less_has_diverged(beside: World):
    (beside.root / "copy/pbp/g1.json").rename(beside.root / "copy/pbp/g9.json")
    assert told(beside) == as_told("diverged", by_hand(beside))


def test_a_folder_is_compared_with_a_prefix_and_within_globs(beside: World):
    shutil.rmtree(beside.root / "copy")
    shutil.copytree(beside.project.settings.home / "lake/pbp", beside.root / "copy")
    assert told(beside, prefix="pbp/") == as_told("in_sync", by_hand(beside, "pbp"))
    (beside.root / "copy/notes.txt").write_text("x")
    (beside.root / "copy/g1.json").unlink()
    assert told(beside, prefix="pbp/", include=["*.json"])["status"] == "behind"
    assert told(beside, prefix="pbp/", include=["*.json"], exclude=["g1.*"]) == as_told("in_sync", (0, 0, 0, 3))
    assert told(beside, prefix="nothing/") == as_told("ahead", (0, 4, 0, 0))


def test_a_folder_that_is_not_there_is_not_behind(beside: World):
    shutil.rmtree(beside.root / "copy")
    assert "copy: is not there" in why_not(beside, "sync_status", folder="copy")
    (beside.root / "copy").symlink_to(beside.project.settings.home / "lake")
    assert "copy: is a symbolic link" in why_not(beside, "sync_status", folder="copy")


def test_an_inventory_that_is_not_there_is_no_empty_lake(workshop: "Workshop", tmp_path: Path):
    (tmp_path / "copy").mkdir()
    world = replace(made(workshop, reconciled=False), root=tmp_path)
    assert "has not been made yet" in why_not(world, "sync_status", folder="copy")


def test_what_nobody_has_looked_at_is_not_compared(workshop: "Workshop", tmp_path: Path):
    (tmp_path / "copy").mkdir()
    world = replace(made(workshop, prefixes=["pbp/", "schedule/"]), root=tmp_path)
    assert told(world, prefix="pbp/")["status"] == "behind"
    assert "has not looked at all of `box/*`" in why_not(world, "sync_status", folder="copy", prefix="box/")
    assert "has not looked at all" in why_not(world, "sync_status", folder="copy")


def test_contents_are_compared_where_the_lake_knows_their_md5(
    moto_url: str, aws: Any, workshop: "Workshop", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert aws is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    bucket = boto3.client("s3", endpoint_url=moto_url)
    bucket.create_bucket(Bucket="synced")
    project = workshop.project(CONTRACT, now=NOW)
    project = replace(project, lake=open_store("s3://synced/deep"))
    for name in ("a", "b", "c"):
        body = name.encode() * 100
        bucket.put_object(Bucket="synced", Key=f"deep/ml/{name}.bin", Body=body)
        path = tmp_path / "copy" / f"{name}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
    assert (
        bucket.head_object(Bucket="synced", Key="deep/ml/a.bin")["ETag"]
        == f'"{hashlib.md5(b"a" * 100, usedforsecurity=False).hexdigest()}"'
    )
    upload = bucket.create_multipart_upload(Bucket="synced", Key="deep/ml/c.bin")["UploadId"]
    part = {"Bucket": "synced", "Key": "deep/ml/c.bin", "UploadId": upload}
    etag = bucket.upload_part(**part, PartNumber=1, Body=b"d" * 100)["ETag"]
    bucket.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]})
    inventory.take(project, mode="list")
    world = World(project, tmp_path)
    assert told(world, prefix="ml/", etags=True) == as_told("in_sync", (0, 0, 0, 3))
    (tmp_path / "copy/b.bin").write_bytes(b"x" * 100)
    assert told(world, prefix="ml/") == as_told("in_sync", (0, 0, 0, 3))
    assert told(world, prefix="ml/", etags=True) == as_told("diverged", (0, 0, 1, 2))
