"""What one look leaves for the next: never that of another lake, never half of it, never a loss forgotten."""

import itertools
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError, MixedRunsError
from adce_assets.lake.s3_store import S3Store
from adce_assets.loop import coverage, inventory, memory, modes, reconciling
from adce_assets.loop.project import Project
from adce_assets.loop.state import ACCEPTED, ESTIMATES, INVENTORY, MATCHED, SCHEDULE, UNMATCHED, State
from adce_assets_tests.lake.conftest import AWS
from adce_assets_tests.lake.deliveries import Delivery
from adce_assets_tests.loop.hoops import CONTRACT, NOW

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

KEYS = [f"totals/{year}-{(year + 1) % 100}.json" for year in range(2021, 2024)]


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    made = workshop.project(CONTRACT, now=NOW, audit_objects_per_run=0)
    for key in (*KEYS, *(f"ml/{number}.bin" for number in range(17))):
        made.lake.put(key, b"{}" * 60)
    return made


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Lend an environment in which S3 can be spoken to, but for the endpoint."""
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def lose(project: Project, count: int) -> None:
    for number in range(count):
        project.lake.delete(f"ml/{number}.bin")


def on_s3(project: Project, bucket: str) -> Project:
    store = S3Store(bucket)
    store._client.create_bucket(Bucket=bucket)
    return Project(project.settings, project.contract, store, project.state)


def test_the_report_of_another_bucket_is_not_of_this_lake(
    project: Project, aws: pytest.MonkeyPatch, moto_url: str
) -> None:
    aws.setenv("AWS_ENDPOINT_URL", moto_url)
    lake = on_s3(project, "mine")
    options: dict[str, Any] = {"prefix": "inventory-reports", "config_id": "daily", "created_at": NOW}
    write_report(lake.lake, [], bucket="another", **options)
    assert modes.newest_report(lake) is None
    write_report(lake.lake, [], bucket="mine", **options)
    found = modes.newest_report(lake)
    assert found is not None
    assert found.source_bucket == "mine"


def test_a_bucket_of_the_same_name_on_another_server_is_another_lake(
    project: Project, aws: pytest.MonkeyPatch, moto_url: str
) -> None:
    aws.setenv("AWS_ENDPOINT_URL", moto_url)
    here = on_s3(project, "twice")
    here.lake.put(KEYS[0], b"{}" * 60)
    inventory.take(here, mode="list")
    aws.setenv("AWS_ENDPOINT_URL", moto_url.replace("127.0.0.1", "localhost"))
    there = Project(here.settings, here.contract, S3Store("twice"), here.state)
    with pytest.raises(LakeError, match="no inventory of s3://twice"):
        inventory.take(there, mode="cache")
    with pytest.raises(LakeError, match="of another lake"):
        coverage.analyse(there)


def test_what_was_accepted_outlives_a_damaged_summary(project: Project) -> None:
    inventory.take(project, mode="list")
    lose(project, 5)
    assert inventory.take(project, mode="list").document["vanished"] == [{"source": "", "before": 20, "now": 15}]
    project.state.store.put(f"{INVENTORY}.json", b"{")
    assert inventory.take(project, mode="list").document["vanished"] == [{"source": "", "before": 20, "now": 15}]
    with pytest.raises(LakeError, match="adce reconcile --accept-loss"):
        coverage.analyse(project)
    assert inventory.take(project, mode="list", accept_loss=True).document["vanished"] == []
    assert inventory.take(project, mode="list").document["vanished"] == []
    coverage.analyse(project)


def test_what_was_accepted_and_cannot_be_read_stops_the_loop_until_a_person_looks(project: Project) -> None:
    inventory.take(project, mode="list")
    project.state.store.put(f"{ACCEPTED}.json", b"{")
    with pytest.raises(LakeError, match="--accept-loss"):
        inventory.take(project, mode="list")
    assert inventory.take(project, mode="list", accept_loss=True).document["vanished"] == []
    inventory.take(project, mode="list")


@pytest.mark.parametrize("name", [MATCHED, UNMATCHED, ESTIMATES, SCHEDULE])
def test_tables_of_two_runs_are_not_taken_together(project: Project, name: str) -> None:
    inventory.take(project, mode="list")
    kept = project.state.read_table(name)
    project.state.write_table(name, kept.replace_schema_metadata({"of": "another run"}))
    with pytest.raises(LakeError, match="not of one run"):
        coverage.analyse(project)
    inventory.take(project, mode="list")
    project.state.write_table(name, kept)
    inventory.take(project, mode="list")
    coverage.analyse(project)


def test_what_another_reconciliation_still_writes_is_waited_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory.take(project, mode="list")
    torn = project.state.read_table(MATCHED).replace_schema_metadata({"of": "another run"})
    project.state.write_table(MATCHED, torn)
    looks, seals = itertools.count(1), memory.seals

    def seals_after(state: State) -> dict[str, str]:
        if next(looks) == 2:
            inventory.take(project, mode="list")
        return seals(state)

    monkeypatch.setattr(memory, "seals", seals_after)
    with stamina.set_testing(testing=True, attempts=3):
        assert reconciling.analyse(project)["totals"]["expected"]
    project.state.write_table(MATCHED, torn)
    with stamina.set_testing(testing=True, attempts=3), pytest.raises(MixedRunsError, match="not of one run"):
        reconciling.analyse(project)


def test_rows_of_another_listing_are_not_the_base_of_the_next_look(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    inventory.take(project, mode="list")
    rows = project.state.read_table(INVENTORY)
    project.state.write_table(INVENTORY, rows.slice(0, 2))
    with caplog.at_level(logging.WARNING):
        assert memory.last(project) is None
    assert "of another look" in caplog.text
    assert inventory.take(project, mode="auto").document["mode"] == "list"


@pytest.mark.parametrize("member", ["looked", "base", "relisted", "written", "tables"])
def test_a_summary_that_lacks_something_is_forgotten(project: Project, member: str) -> None:
    inventory.take(project, mode="list")
    document = project.state.read_json(INVENTORY)
    del document[member]
    project.state.store.put(f"{INVENTORY}.json", json.dumps(document).encode())
    assert memory.last(project) is None
    inventory.take(project, mode="list")
    coverage.analyse(project)


def test_where_no_report_can_be_used_auto_lists(project: Project) -> None:
    Delivery(checksum=b"0" * 32).put(project.lake)
    with pytest.raises(LakeError, match="MD5"):
        inventory.take(project, mode="aws")
    assert inventory.take(project, mode="auto").document["mode"] == "list"


def test_schedules_are_looked_at_whatever_the_prefixes(workshop: "Workshop") -> None:
    contract = CONTRACT.replace(
        "games: {league: hoops, id: game}",
        "games: {league: hoops, id: game, documents: [{data_set: official/totals, format: games_table}]}",
    )
    project = workshop.project(contract, now=NOW, audit_objects_per_run=0, prefixes=("pbp/",))
    project.lake.put(KEYS[0], b"{}" * 60)
    project.lake.put("box/g0001.json", b"{}" * 60)
    document = inventory.take(project, mode="list").document
    assert document["objects"] == 1
    assert document["schedules"]["games"]["documents"] == 1
