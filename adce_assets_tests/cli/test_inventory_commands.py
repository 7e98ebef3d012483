"""`adce inventory`: the bucket's configuration as it was asked for, and an honest word on the reports there are."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from adce_assets.demo.report_writer import write_report
from adce_assets.lake.file_store import FileStore
from adce_assets_tests.cli.conftest import NOW, Installation

if TYPE_CHECKING:
    from click.testing import Result

AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}
REPORTS = "inventory-reports/lake/everything"


class Bucket:
    """A bucket of moto's as the lake of an installation."""

    def __init__(self, installation: Installation, url: str) -> None:
        self.name = f"lake-{uuid4().hex}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        self.client: Any = boto3.client("s3", endpoint_url=url, **keys)
        self.client.create_bucket(Bucket=self.name)
        self._installation = installation
        self._variables = {**AWS, "AWS_ENDPOINT_URL": url, "ADCE_LAKE": f"s3://{self.name}"}

    def adce(self, *arguments: str, **variables: str) -> "Result":
        return self._installation.adce("inventory", *arguments, **{**self._variables, **variables})

    def json(self, *arguments: str, **variables: str) -> dict[str, Any]:
        result = self.adce(*arguments, "--json", **variables)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def configurations(self) -> dict[str, dict[str, Any]]:
        listed = self.client.list_bucket_inventory_configurations(Bucket=self.name)
        return {found["Id"]: found for found in listed.get("InventoryConfigurationList", ())}


@pytest.fixture
def bucket(installation: Installation, moto_url: str) -> Iterator[Bucket]:
    made = Bucket(installation, moto_url)
    yield made
    made.client.close()


def test_setup_puts_the_configuration_and_prints_the_policy_alone_on_stdout(bucket: Bucket):
    result = bucket.adce("setup", "--versions", "all")
    assert result.exit_code == 0, result.stderr
    [statement] = json.loads(result.stdout)["Statement"]
    assert statement["Resource"] == f"arn:aws:s3:::{bucket.name}/inventory-reports/*"
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "123456789012"
    assert "`adce` has been put" in result.stderr
    target = bucket.configurations()["adce"]["Destination"]["S3BucketDestination"]
    assert (target["Format"], target["Prefix"]) == ("Parquet", "inventory-reports")


def test_setup_run_twice_changes_nothing(bucket: Bucket):
    first = bucket.json("setup", "--versions", "all")
    second = bucket.json("setup", "--versions", "all")
    assert (first["changed"], second["changed"]) == (True, False)
    assert second == {**first, "changed": False}
    assert "nothing was changed" in bucket.adce("setup", "--versions", "all").stderr


def test_setup_names_the_field_that_the_server_does_not_keep(bucket: Bucket):
    result = bucket.adce("setup")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "`IncludedObjectVersions` is `All`, not `Current`" in result.stderr


def test_setup_shows_the_difference_and_overwrites_only_when_told_to(bucket: Bucket):
    bucket.json("setup", "--versions", "all")
    refused = bucket.adce("setup", "--versions", "all", "--format", "csv")
    assert refused.exit_code == 1
    assert "Format` is `Parquet`, not `CSV`" in refused.stderr
    assert "--replace" in refused.stderr
    assert bucket.json("setup", "--versions", "all", "--format", "csv", "--replace")["changed"] is True
    assert bucket.configurations()["adce"]["Destination"]["S3BucketDestination"]["Format"] == "CSV"


def test_a_dry_run_puts_nothing_and_shows_everything(bucket: Bucket):
    told = bucket.json("setup", "--dry-run", "--frequency", "weekly", "--id", "nightly")
    assert told["schema"] == 1
    assert (told["changed"], told["dry_run"]) == (False, True)
    assert told["configuration"]["Id"] == "nightly"
    assert told["configuration"]["Schedule"] == {"Frequency": "Weekly"}
    assert told["policy"]["Statement"][0]["Action"] == "s3:PutObject"
    assert bucket.configurations() == {}
    drawn = bucket.adce("setup", "--dry-run")
    assert "would be put" in drawn.stderr
    assert '"IncludedObjectVersions": "Current"' in drawn.stderr


def test_a_lake_below_a_prefix_gets_an_inventory_of_itself_below_itself(bucket: Bucket):
    told = bucket.json("setup", "--versions", "all", ADCE_LAKE=f"s3://{bucket.name}/nba/raw/")
    assert told["configuration"]["Id"] == "adce-nba-raw"
    kept = bucket.configurations()["adce-nba-raw"]
    assert kept["Filter"] == {"Prefix": "nba/raw/"}
    assert kept["Destination"]["S3BucketDestination"]["Prefix"] == "nba/raw/inventory-reports"


def test_setup_says_which_settings_have_to_follow(bucket: Bucket):
    home = bucket._installation.home
    (home / "config" / "reconciliation_config.yaml").write_text("s3: {inventory_id: nightly}\n")
    result = bucket.adce("setup", "--dry-run", "--prefix", "reports", "--id", "other")
    assert "`s3.inventory_prefix: reports/`" in result.stderr
    assert "`s3.inventory_id: other`" in result.stderr
    assert bucket.json("setup", "--dry-run")["configuration"]["Id"] == "nightly"


@pytest.mark.parametrize(("frequency", "needed"), [("daily", 96), ("weekly", 240)])
def test_setup_says_how_old_an_inventory_has_to_be_allowed_to_be(bucket: Bucket, frequency: str, needed: int):
    asked = ("setup", "--dry-run", "--frequency", frequency)
    assert f"`s3.max_age_hours: {needed}`" in bucket.adce(*asked).stderr
    assert bucket.json(*asked)["max_age_hours_needed"] == needed
    config = bucket._installation.home / "config" / "reconciliation_config.yaml"
    config.write_text(f"s3: {{max_age_hours: {needed}}}\n")
    assert "max_age_hours" not in bucket.adce(*asked).stderr


def test_reports_are_not_put_where_the_contract_has_data(bucket: Bucket):
    result = bucket.adce("setup", "--prefix", "pbp")
    assert result.exit_code == 1
    assert "espn/play_by_play" in result.stderr
    assert bucket.configurations() == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--prefix", "/"], "no prefix"),
        (["--id", "a/b"], "no id"),
        (["--id", "x" * 65], "no id"),
        (["--account", "me"], "twelve digits"),
        (["--format", "xls"], "'xls' is not one of"),
    ],
)
def test_a_faulty_option_of_setup_is_refused_before_anything_is_asked(
    installation: Installation, arguments: list[str], told: str
):
    result = installation.adce("inventory", "setup", *arguments)
    assert result.exit_code == 1
    assert told in result.stderr


def test_the_account_may_be_given_and_is_left_open_where_nobody_knows_it(installation: Installation):
    offline = {**AWS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "ADCE_LAKE": "s3://lake"}
    given = installation.json("inventory", "setup", "--dry-run", "--account", "999999999999", **offline)
    assert given["policy"]["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"] == "999999999999"
    unknown = installation.adce("inventory", "setup", "--dry-run", **offline)
    assert json.loads(unknown.stdout)["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"] == "ACCOUNT-ID"
    assert "replace `ACCOUNT-ID`" in unknown.stderr


def test_a_lake_in_a_folder_has_no_configuration(installation: Installation):
    result = installation.adce("inventory", "setup")
    assert result.exit_code == 1
    assert "valid: s3://bucket[/prefix]" in result.stderr


def deliver(installation: Installation, created_at: datetime, config_id: str = "everything") -> None:
    """Put a report of the installation's lake into it, as AWS does."""
    store = FileStore(installation.lake)
    objects = [found for found in store.list() if not found.key.startswith("inventory-reports/")]
    write_report(store, objects, prefix="inventory-reports", bucket="lake", config_id=config_id, created_at=created_at)


YESTERDAY = NOW - timedelta(hours=30)


def test_status_before_the_first_report_and_inventory_says_so(installation: Installation):
    told = installation.json("inventory", "status")
    assert told["schema"] == 1
    assert (told["report"], told["late"], told["inventory"]) == (None, None, None)
    assert "no complete report below" in told["report_fault"]
    assert "has not been made yet" in told["inventory_fault"]
    result = installation.adce("inventory", "status", "--exit-code")
    assert result.exit_code == 2
    assert "adce reconcile" in result.stderr


def test_status_tells_age_and_size_of_the_report_that_would_be_read(installation: Installation):
    deliver(installation, YESTERDAY)
    report = installation.json("inventory", "status")["report"]
    assert (report["id"], report["format"], report["files"]) == ("everything", "CSV", 1)
    assert (report["created_at"], report["age_hours"]) == (YESTERDAY.isoformat(), 30)
    data = list((installation.lake / REPORTS / "data").iterdir())
    assert report["bytes"] == sum(path.stat().st_size for path in data)
    assert report["in_force"] is False


def test_status_knows_that_the_last_inventory_is_of_the_report(installation: Installation):
    deliver(installation, YESTERDAY)
    checksum = next(installation.lake.rglob("manifest.checksum")).read_text().strip()
    of_report = {"mode": "cache", "as_of": YESTERDAY.isoformat(), "base": {"kind": "report", "checksum": checksum}}
    write_inventory(installation, {"schema": 1, "objects": 21, **of_report})
    told = installation.json("inventory", "status")
    assert told["report"]["in_force"] is True
    inventory = {name: told["inventory"][name] for name in ("mode", "as_of", "age_hours", "objects")}
    assert inventory == {"mode": "cache", "as_of": YESTERDAY.isoformat(), "age_hours": 30, "objects": 21}
    text = installation.adce("inventory", "status").stdout
    assert "mode cache, 21 objects" in text
    assert "in force" in text


def test_a_report_that_was_delivered_again_is_another_than_that_in_force(installation: Installation):
    deliver(installation, YESTERDAY)
    base = {"kind": "report", "checksum": "0" * 32}
    write_inventory(installation, {"schema": 1, "mode": "aws", "as_of": YESTERDAY.isoformat(), "base": base})
    assert installation.json("inventory", "status")["report"]["in_force"] is False
    assert "would be read with `--mode aws`" in installation.adce("inventory", "status").stdout


def test_status_shows_no_inventory_of_another_lake(gaps_known: Installation):
    other = gaps_known.home / "other"
    other.mkdir()
    told = gaps_known.json("inventory", "status", ADCE_LAKE=other.as_uri())
    assert told["inventory"] is None
    assert f"there is none of {other.as_uri()}" in told["inventory_fault"]
    assert gaps_known.lake.as_uri() in told["inventory_fault"]


def test_status_tells_that_objects_have_vanished(installation: Installation):
    lost = [{"source": "espn", "before": 30, "now": 3}, {"source": "", "before": 1_030, "now": 3}]
    write_inventory(installation, {"schema": 1, "mode": "list", "as_of": NOW.isoformat(), "vanished": lost})
    assert installation.json("inventory", "status")["inventory"]["vanished"] == lost
    said = installation.adce("inventory", "status").stderr
    assert "vanished from espn: 30 objects before, 3 now" in said
    assert "vanished from the lake: 1,030 objects before, 3 now" in said


def write_inventory(installation: Installation, document: Any) -> None:
    if isinstance(document, dict):
        document = {"lake": installation.lake.as_uri(), **document}
    path = installation.home / "inventory" / "cache" / "current_inventory.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def test_status_follows_a_real_reconciliation(installation: Installation):
    deliver(installation, YESTERDAY)
    assert installation.adce("reconcile", "--mode", "list").exit_code == 0
    told = installation.json("inventory", "status")
    assert told["inventory"]["mode"] == "list"
    assert told["inventory"]["age_hours"] == 0
    assert told["report"]["in_force"] is False
    assert told["report"]["older_than_listing"] is True
    assert "older than the last listing" in installation.adce("inventory", "status").stdout


def test_a_report_is_in_force_while_the_cache_builds_on_it(installation: Installation):
    deliver(installation, NOW)
    for mode in ("aws", "cache"):
        assert installation.adce("reconcile", "--mode", mode).exit_code == 0
        told = installation.json("inventory", "status")
        assert (told["inventory"]["mode"], told["report"]["in_force"]) == (mode, True)


def test_a_damaged_report_is_named_beside_the_inventory_that_is_in_force(installation: Installation):
    deliver(installation, YESTERDAY)
    for path in installation.lake.rglob("manifest.json"):
        path.write_bytes(path.read_bytes() + b" ")
    write_inventory(installation, {"schema": 1, "mode": "list", "as_of": NOW.isoformat(), "objects": 21})
    result = installation.adce("inventory", "status")
    assert result.exit_code == 0
    assert "mode list, 21 objects" in result.stdout
    assert "MD5" in result.stderr
    assert installation.adce("inventory", "status", "--exit-code").exit_code == 2


@pytest.mark.parametrize("document", [{"schema": 1}, {"schema": 1, "as_of": "soon"}, {"schema": 0}, ["schema"]])
def test_a_damaged_inventory_is_told_and_hides_no_report(installation: Installation, document: Any):
    deliver(installation, YESTERDAY)
    write_inventory(installation, document)
    told = installation.json("inventory", "status")
    assert told["report"]["id"] == "everything"
    assert "adce reconcile" in told["inventory_fault"]


@pytest.mark.parametrize(
    ("ages", "frequency", "begins_at", "late", "code"),
    [
        ([30, 54], "daily", "2024-12-05T06:00:00+00:00", False, 0),
        ([74, 98], "daily", "2024-12-03T10:00:00+00:00", True, 2),
        ([106, 274], "weekly", "2024-12-08T02:00:00+00:00", False, 0),
        ([30], None, None, False, 0),
        ([24 * 16], None, None, True, 2),
    ],
)
def test_the_distance_of_the_last_reports_tells_when_the_next_is_due(
    installation: Installation,
    ages: list[int],
    frequency: str | None,
    begins_at: str | None,
    late: bool,  # noqa: FBT001 - a column of the table
    code: int,
):
    for age in ages:
        deliver(installation, NOW - timedelta(hours=age))
    told = installation.json("inventory", "status")
    assert told["schedule"]["frequency"] == frequency
    assert (told["next_report"] or {}).get("begins_at") == begins_at
    assert told["late"] is late
    assert installation.adce("inventory", "status", "--exit-code").exit_code == code


def test_the_bucket_s_own_configuration_tells_how_often_there_is_a_report(bucket: Bucket):
    bucket.json("setup", "--versions", "all", "--frequency", "weekly", "--id", "everything")
    folder = bucket._installation.home / "delivered"
    folder.mkdir()
    store, of = FileStore(folder), {"bucket": bucket.name, "config_id": "everything"}
    write_report(store, [], prefix="inventory-reports", created_at=NOW - timedelta(days=6), **of)
    for found in store.list():
        bucket.client.put_object(Bucket=bucket.name, Key=found.key, Body=store.get(found.key))
    told = bucket.json("status")
    assert told["schedule"] == {"frequency": "weekly", "known_from": "configuration", "enabled": True}
    assert told["late"] is False
    assert told["next_report"]["begins_at"] == "2024-12-01T12:00:00+00:00"
    assert "weekly (known from the configuration)" in bucket.adce("status").stdout


def test_a_report_of_another_bucket_is_not_shown(bucket: Bucket):
    folder = bucket._installation.home / "delivered"
    folder.mkdir()
    store, of = FileStore(folder), {"bucket": "another-bucket", "config_id": "everything"}
    write_report(store, [], prefix="inventory-reports", created_at=YESTERDAY, **of)
    for found in store.list():
        bucket.client.put_object(Bucket=bucket.name, Key=found.key, Body=store.get(found.key))
    told = bucket.json("status")
    assert told["report"] is None
    assert "no complete report below" in told["report_fault"]


def test_a_configuration_without_a_report_yet_tells_how_often_there_will_be_one(bucket: Bucket):
    bucket.json("setup", "--versions", "all", "--frequency", "weekly")
    told = bucket.json("status")
    assert told["schedule"]["frequency"] == "weekly"
    assert (told["report"], told["next_report"]) == (None, None)


def test_a_configuration_that_is_switched_off_promises_no_report(bucket: Bucket):
    configuration = bucket.json("setup", "--dry-run")["configuration"]
    bucket.client.put_bucket_inventory_configuration(
        Bucket=bucket.name, Id="adce", InventoryConfiguration={**configuration, "IsEnabled": False}
    )
    assert "switched off" in bucket.adce("status").stderr


def test_a_lake_that_cannot_be_read_is_an_error(bucket: Bucket):
    result = bucket.adce("status", "--exit-code", ADCE_LAKE="s3://no-such-bucket-of-ours")
    assert result.exit_code == 1
    assert "NoSuchBucket" in result.stderr
