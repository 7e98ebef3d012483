"""A reconciliation in which nothing has happened costs a few requests, and changes nothing."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import dagster as dg
import pytest

from adce_assets.defs.resources import ProjectResource
from adce_assets.demo.report_writer import write_report
from adce_assets.ledger.receipts import write_receipts
from adce_assets_tests.receipts import receipt

LAKE = "s3://idle/data"
NOW = datetime(2024, 12, 5, 12, tzinfo=UTC)
RARE = ("schedule.parquet", "schedule_documents.parquet", "schedule_ids.parquet", "estimated_events.parquet")
"""What only another schedule changes."""


@pytest.fixture
def cloud(moto_url: str, monkeypatch: pytest.MonkeyPatch, project_at: Callable[[str], Any]) -> Iterator[Any]:
    """The small installation over a bucket that lacks the documents of a day's games."""
    named = {"AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in {**named, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="idle")
    small = project_at(LAKE)
    small.fill(missing=lambda key: "/401501" in key)
    write_report(
        small.lake,
        list(small.lake.list()),
        prefix="inventory-reports/",
        bucket="idle",
        config_id="daily",
        created_at=NOW - timedelta(hours=30),
        file_format="Parquet",
    )
    yield small
    for found in client.list_objects_v2(Bucket="idle").get("Contents", []):
        client.delete_object(Bucket="idle", Key=found["Key"])
    client.delete_bucket(Bucket="idle")


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every LIST request that the server has got, as its query."""
    from moto.server import DomainDispatcherApplication

    asked: list[str] = []
    answer = DomainDispatcherApplication.__call__

    def counted(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET" and "list-type=" in environ["QUERY_STRING"]:
            asked.append(environ["QUERY_STRING"])
        return answer(self, environ, start_response)

    monkeypatch.setattr(DomainDispatcherApplication, "__call__", counted)
    return asked


class Loop:
    """The reconciliation job in one mode, and the sensor that starts runs from the queue it makes."""

    def __init__(self, instance: dg.DagsterInstance, mode: str) -> None:
        self.instance, self.mode = instance, mode

    def cycle(self, small: Any) -> dict[str, Any]:
        """Reconcile; return what was told of the inventory."""
        config = {"ops": {"lake_inventory": {"config": {"mode": self.mode}}}}
        result = small.reconcile(self.instance, run_config=config)
        assert result.success
        return small.metadata(result, "lake_inventory")

    def wanted(self, small: Any) -> set[str]:
        """Say which runs the queue asks for."""
        definitions = small.defs()
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=definitions,
            resources={"project": ProjectResource(environment=small.environment)},
        ) as context:
            told = definitions.resolve_sensor_def("task_queue_sensor").evaluate_tick(context)
        return {request.tags["adce/batch"] for request in told.run_requests}


def files(small: Any) -> dict[str, tuple[int, int]]:
    folder = small.home / "inventory"
    found = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    return {path.name: (status.st_ino, status.st_mtime_ns) for path, status in found}


def write_down(small: Any, key: str, moment: datetime) -> None:
    told = [receipt(key, moment, 500)]
    write_receipts(small.lake, "r", source="espn", data_type="play_by_play", season="2024-25", receipts=told)


@pytest.mark.parametrize("mode", ["aws", "list"])
def test_a_cycle_in_which_nothing_changed_asks_little_and_rewrites_nothing(
    cloud: Any, instance: dg.DagsterInstance, listed: list[str], mode: str
) -> None:
    loop = Loop(instance, mode)
    write_down(cloud, "pbp/401501000.json", NOW - timedelta(hours=1))
    cloud.lake.put("pbp/401501000.json", b'{"events": []}' * 50)
    for _ in range(3):
        loop.cycle(cloud)
    runs = loop.wanted(cloud)  # the first to start something notes what it has let through
    before = files(cloud)
    assert runs
    later = cloud.at(hours=1)
    listed.clear()
    told = loop.cycle(later)
    assert len(listed) == told["requests"] <= 10, listed
    assert loop.wanted(later) == runs
    assert files(cloud) == before


def test_after_a_change_only_what_changed_is_written_again(cloud: Any, instance: dg.DagsterInstance) -> None:
    loop = Loop(instance, "aws")
    for _ in range(3):
        loop.cycle(cloud)
    before = files(cloud)
    cloud.lake.put("pbp/401501000.json", b'{"events": []}' * 50)
    loop.cycle(cloud.at(hours=1))
    after = files(cloud)
    changed = {name for name, told in after.items() if before.get(name) != told}
    assert changed >= {"newer_objects.parquet", "current_inventory.json", "coverage_analysis.json", "gaps.json"}
    assert changed.isdisjoint({*RARE, "other_objects.parquet", "unmatched_objects.parquet", "key_hints.parquet"})
