"""A report that AWS has finished is recorded, and asks for a reconciliation, once."""

from typing import Any

import dagster as dg

from adce_assets.demo.report_writer import write_report
from adce_assets_tests.defs.ticking import Ticking


def report(small: Any, **later: float) -> None:
    moment = small.at(**later).project.clock()
    objects = list(small.lake.list("hoopr/"))
    write_report(small.lake, objects, prefix="inventory-reports/", bucket="lake", config_id="daily", created_at=moment)


def test_a_new_report_is_recorded_and_asks_for_one_reconciliation(cloud: Any, instance: dg.DagsterInstance) -> None:
    sensor = Ticking(cloud, instance, "inventory_report_sensor")
    assert "no complete report" in sensor.tick().skip_message
    cloud.fill()
    report(cloud, hours=-20)
    told = sensor.tick()
    (recorded,), (request,) = told.asset_events, told.run_requests
    assert recorded.asset_key.path == ["aws_inventory_report"]
    assert recorded.tags["dagster/data_version"] == sensor.cursor
    assert request.run_key == f"report:{sensor.cursor}"
    assert "still that of 2024-12-04T16:00" in sensor.tick().skip_message
    report(cloud, hours=-1)
    assert len(sensor.tick().run_requests) == 1


def test_a_report_that_is_not_finished_is_waited_for(cloud: Any, instance: dg.DagsterInstance) -> None:
    cloud.fill()
    report(cloud)
    (checksum,) = [found for found in cloud.lake.list("inventory-reports/") if found.key.endswith(".checksum")]
    body = cloud.lake.get(checksum.key)
    cloud.lake.delete(checksum.key)
    sensor = Ticking(cloud, instance, "inventory_report_sensor")
    assert "no complete report" in sensor.tick().skip_message
    cloud.lake.put(checksum.key, body)
    assert len(sensor.tick().run_requests) == 1
