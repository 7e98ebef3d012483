"""What has happened in the lake becomes runs and recorded events, once.

Each sensor looks into a bucket of a real S3 server; what does not depend on the store is shown over files.
"""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from adce_assets.defs.jobs import RECONCILIATION
from adce_assets.defs.resources import ProjectResource
from adce_assets.demo.report_writer import write_report
from adce_assets.errors import LakeError
from adce_assets.ledger.receipts import completion_key

LAKE = "s3://lake/data"
SEASON, NEXT = "2024-25", "2025-26"


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket that the standard AWS variables lead to."""
    named = {"AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in {**named, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="lake")
    yield client
    for found in client.list_objects_v2(Bucket="lake").get("Contents", []):
        client.delete_object(Bucket="lake", Key=found["Key"])
    client.delete_bucket(Bucket="lake")


@pytest.fixture
def cloud(bucket: Any, project_at: Callable[[str], Any]) -> Any:
    """The small installation over a bucket."""
    assert bucket
    return project_at(LAKE)


class Lines(logging.Handler):
    """What a sensor has written into its log."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class Ticking:
    """A sensor from tick to tick, with the cursor that Dagster keeps for it."""

    def __init__(self, small: Any, instance: dg.DagsterInstance, name: str) -> None:
        self.small, self.instance, self.name = small, instance, name
        self.cursor: str | None = None
        self.lines = Lines()

    def tick(self, small: Any | None = None, *, loaded: Any | None = None) -> Any:
        """Look at an installation; its definitions may have been ``loaded`` at another time."""
        installation = small or self.small
        definitions = (loaded or installation).defs()
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=definitions,
            resources={"project": ProjectResource(environment=installation.environment)},
        ) as context:
            context.log.addHandler(self.lines)
            told = definitions.resolve_sensor_def(self.name).evaluate_tick(context)
        self.cursor = told.cursor
        return told


def mark(small: Any, marker_id: str, data_type: str = "play_by_play", **changes: Any) -> None:
    told = {
        "schema": 1,
        "source": "espn",
        "data_type": data_type,
        "season": SEASON,
        "status": "ok",
        "keys": ["pbp/1.json", "pbp/2.json"],
        "records": 20,
        "started_at": "2024-12-05T11:00:00Z",
        "finished_at": "2024-12-05T11:30:00Z",
        "producer": "another",
        **changes,
    }
    small.lake.put(completion_key("espn", data_type, SEASON, marker_id), json.dumps(told).encode())


def report(small: Any, **later: float) -> None:
    moment = small.at(**later).project.clock()
    objects = list(small.lake.list("hoopr/"))
    write_report(small.lake, objects, prefix="inventory-reports/", bucket="lake", config_id="daily", created_at=moment)


# ------------------------------------------------------------------------------------------------ reports


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


# -------------------------------------------------------------------------------------------- completions


def test_completions_of_others_are_recorded_by_cell_and_reconciled_once_it_is_quiet(
    cloud: Any, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(cloud, instance, "completion_sensor")
    mark(cloud, "one")
    mark(cloud, "two")
    mark(cloud, "three", "box_scores")
    first = sensor.tick()
    assert [(event.asset_key.path[-1], event.partition) for event in first.asset_events] == [
        ("box_scores", SEASON),
        ("play_by_play", SEASON),
    ]
    assert first.asset_events[1].metadata["records"].value == 40
    assert first.run_requests == []
    assert "3 completion(s) wait for a reconciliation" in first.skip_message
    assert sensor.tick(cloud.at(seconds=30)).run_requests == []
    assert len(sensor.tick(cloud.at(seconds=61)).run_requests) == 1
    after = sensor.tick(cloud.at(seconds=500))
    assert (after.run_requests, after.asset_events) == ([], [])


def test_markers_that_never_stop_do_not_put_the_reconciliation_off_for_ever(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(small, instance, "completion_sensor")
    asked = []
    for second in range(0, 361, 60):
        mark(small, f"at{second}")
        asked += [second] if sensor.tick(small.at(seconds=second)).run_requests else []
    assert asked == [300]


@pytest.mark.parametrize(("status", "asked"), [(dg.DagsterRunStatus.NOT_STARTED, 0), (dg.DagsterRunStatus.STARTED, 1)])
def test_no_reconciliation_is_asked_for_while_one_waits_that_has_looked_at_nothing_yet(
    small: Any, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, asked: int
) -> None:
    sensor = Ticking(small, instance, "completion_sensor")
    instance.add_run(dg.DagsterRun(job_name="reconciliation_job", status=status))
    mark(small, "one")
    sensor.tick()
    told = sensor.tick(small.at(seconds=61))
    assert len(told.run_requests) == asked
    assert asked or "a reconciliation is queued already: it will see them" in told.skip_message
    assert sensor.tick(small.at(seconds=500)).run_requests == []


def test_a_marker_of_our_own_is_no_second_materialisation_but_is_reconciled(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(small, instance, "completion_sensor")
    mark(small, "one", producer="adce")
    assert sensor.tick().asset_events == []
    assert len(sensor.tick(small.at(seconds=61)).run_requests) == 1


def test_an_old_marker_that_is_written_late_under_a_small_name_is_not_missed(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(small, instance, "completion_sensor")
    mark(small, "zzz", "team_stats")
    sensor.tick()
    mark(small, "000", "box_scores", finished_at="2024-12-05T11:00:00Z")
    assert [event.asset_key.path[-1] for event in sensor.tick().asset_events] == ["box_scores"]


def test_a_marker_that_cannot_be_believed_is_passed_over(small: Any, instance: dg.DagsterInstance) -> None:
    small.lake.put(completion_key("espn", "box_scores", SEASON, "bad"), b"{")
    mark(small, "good")
    sensor = Ticking(small, instance, "completion_sensor")
    told = sensor.tick()
    assert [event.asset_key.path[-1] for event in told.asset_events] == ["play_by_play"]
    assert "1 refused" in told.skip_message


def test_a_tick_that_died_before_its_cursor_was_kept_is_made_up_for(small: Any, instance: dg.DagsterInstance) -> None:
    sensor = Ticking(small, instance, "completion_sensor")
    mark(small, "one")
    sensor.tick()
    kept = sensor.cursor
    mark(small, "two", "box_scores")
    lost = sensor.tick().asset_events
    sensor.cursor = kept
    assert [event.asset_key for event in sensor.tick().asset_events] == [event.asset_key for event in lost]


def test_a_bucket_that_is_gone_fails_the_tick_and_is_not_taken_for_quiet(
    cloud: Any, bucket: Any, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(cloud, instance, "completion_sensor")
    mark(cloud, "one")
    sensor.tick()
    bucket.delete_object(Bucket="lake", Key=f"data/{completion_key('espn', 'play_by_play', SEASON, 'one')}")
    bucket.delete_bucket(Bucket="lake")
    try:
        with pytest.raises(LakeError):
            sensor.tick(cloud.at(seconds=61))
    finally:
        bucket.create_bucket(Bucket="lake")


def mark_the_next_season(small: Any) -> None:
    told = {"schema": 1, "source": "hoopr", "data_type": "player_seasons", "season": NEXT, "status": "ok"}
    told |= {"keys": None, "records": 2**53, "producer": "another"}
    told |= {"started_at": "2025-12-05T11:00:00Z", "finished_at": "2025-12-05T11:30:00Z"}
    small.lake.put(completion_key("hoopr", "player_seasons", NEXT, "first"), json.dumps(told).encode())


def test_a_marker_of_a_season_that_began_after_the_definitions_were_loaded_waits_for_a_reload(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor, later = Ticking(small, instance, "completion_sensor"), small.at(days=365)
    mark_the_next_season(small)
    told = sensor.tick(later, loaded=small)
    assert told.asset_events == []
    said = "1 marker(s) (hoopr/player_seasons 2025-26) of seasons newer than what is loaded: reload the code location"
    assert said in told.skip_message
    (recorded,) = sensor.tick(later).asset_events
    assert (recorded.asset_key.path[-1], recorded.partition) == ("player_seasons", NEXT)


def test_a_season_that_begins_within_two_months_of_loading_needs_no_reload(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor, before, after = Ticking(small, instance, "completion_sensor"), small.at(days=250), small.at(days=365)
    mark_the_next_season(small)
    (recorded,) = sensor.tick(after, loaded=before).asset_events
    assert recorded.partition == NEXT


def test_a_marker_of_a_data_set_that_the_contract_does_not_name_waits_and_is_told(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = Ticking(small, instance, "completion_sensor")
    mark(small, "one", "odds")
    mark(small, "two")
    told = [sensor.tick().skip_message, sensor.tick(small.at(seconds=30)).skip_message]
    said = "1 marker(s) (espn/odds 2024-25) unknown to what is loaded: reload the code location after a change of the "
    assert all(said in message for message in told)
    (request,) = sensor.tick(small.at(seconds=61)).run_requests
    assert request.run_key.startswith("completions:")
    assert any(said in line for line in sensor.lines.said)


def test_numbers_that_nothing_counts_to_do_not_wedge_the_sensor(small: Any, instance: dg.DagsterInstance) -> None:
    mark(small, "one", records=10**4000)
    mark(small, "two", records=2**53)
    mark(small, "three", records=2**53)
    told = Ticking(small, instance, "completion_sensor").tick()
    assert "1 refused" in told.skip_message
    for event in told.asset_events:
        instance.report_runless_asset_event(event)
    kept = instance.get_latest_materialization_event(dg.AssetKey(["espn", "play_by_play"]))
    assert kept is not None
    assert kept.asset_materialization is not None
    assert kept.asset_materialization.metadata["records"].value == 2**53


# ------------------------------------------------------------------------------------------------ the queue


def queued(small: Any, instance: dg.DagsterInstance) -> Ticking:
    small.fill(missing=lambda key: "401501" in key or key == "schedule/20241202.json")
    assert small.reconcile(instance).success
    return Ticking(small, instance, "task_queue_sensor")


def start(instance: dg.DagsterInstance, request: Any, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Keep a requested run as Dagster would, in a state of its life."""
    tags = {**request.tags, **({"dagster/partition": request.partition_key} if request.partition_key else {})}
    run = dg.DagsterRun(
        job_name=request.job_name,
        tags=tags,
        status=status,
        asset_selection=frozenset(request.asset_selection or ()),
        run_config=request.run_config,
    )
    kept = instance.add_run(run)
    if status is dg.DagsterRunStatus.FAILURE:
        instance.report_run_failed(kept)
    if status is dg.DagsterRunStatus.CANCELED:
        instance.report_run_canceled(kept)
    return kept


def test_without_a_queue_there_is_nothing_to_start(small: Any, instance: dg.DagsterInstance) -> None:
    assert "there is no queue yet" in Ticking(small, instance, "task_queue_sensor").tick().skip_message


def test_tasks_become_runs_of_partitions_the_most_urgent_first(cloud: Any, instance: dg.DagsterInstance) -> None:
    requests = queued(cloud, instance).tick().run_requests
    (summary,) = [request for request in requests if request.tags["adce/scraper"] == "espn_summary"]
    assert {key.path[-1] for key in summary.asset_selection} == {"play_by_play", "box_scores", "team_stats"}
    assert summary.partition_key == SEASON
    assert summary.tags["dagster/partition"] == SEASON
    assert summary.tags["dagster/priority"] == "30"
    assert summary.run_key.startswith(summary.tags["adce/batch"])
    assert len(summary.run_config["ops"]["espn_summary"]["config"]["task_ids"]) == 3
    assert summary.asset_check_keys == []
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities == sorted(priorities, reverse=True)


def test_a_requested_run_can_be_run_as_it_is(cloud: Any, instance: dg.DagsterInstance, source: Any) -> None:
    cloud.environment["ADCE_HOST_ESPN_SITE"] = source.url
    requests = queued(cloud, instance).tick().run_requests
    (summary,) = [request for request in requests if request.tags["adce/scraper"] == "espn_summary"]
    result = (
        cloud.defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            run_config=summary.run_config,
            partition_key=summary.partition_key,
            asset_selection=summary.asset_selection,
        )
    )
    assert result.success
    assert source.requests == 2


def test_what_is_in_flight_is_not_started_again(small: Any, instance: dg.DagsterInstance) -> None:
    sensor = queued(small, instance)
    requests = sensor.tick().run_requests
    for request in requests:
        start(instance, request, dg.DagsterRunStatus.STARTED)
    again = sensor.tick()
    assert again.run_requests == []
    assert f"nothing to start: 4 queued, {len(requests)} in flight" in again.skip_message


@pytest.mark.parametrize("later", [{"minutes": 1}, {"hours": 1}, {"hours": 4}], ids=["at once", "an hour", "four"])
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_batch_that_has_ended_waits_for_the_next_reconciliation_and_no_longer(
    small: Any, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, later: dict[str, int]
) -> None:
    sensor = queued(small, instance)
    first = sensor.tick().run_requests
    for request in first:
        start(instance, request, status)
    assert sensor.tick().run_requests == []
    then = small.at(**later)
    then.reconcile(instance)
    again = sensor.tick(then).run_requests
    assert len(again) == len(first) > 0
    assert {request.run_key for request in again}.isdisjoint(request.run_key for request in first)


def test_a_batch_that_still_runs_is_not_started_again_by_a_reconciliation(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = queued(small, instance)
    for request in sensor.tick().run_requests:
        start(instance, request, dg.DagsterRunStatus.STARTED)
    small.at(minutes=30).reconcile(instance)
    assert sensor.tick(small.at(minutes=30)).run_requests == []


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, False),
        (dg.DagsterRunStatus.STARTED, True),
    ],
)
def test_a_cell_waits_for_the_run_of_a_person_that_works_and_for_none_that_only_waits(
    small: Any, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, is_kept: bool
) -> None:
    later = small.at(days=3 * 365)
    sensor = queued(later, instance)
    before = sensor.tick().run_requests
    (request,) = [one for one in before if one.tags["adce/scraper"] == "espn_summary"]
    assert request.tags["adce/lane"] == f"espn_summary/{SEASON}/low"
    run = dg.DagsterRun(
        job_name="collect_espn",
        tags={"dagster/partition": SEASON, "dagster/backfill": "history"},
        status=status,
        asset_selection=frozenset({dg.AssetKey(["espn", "play_by_play"])}),
    )
    instance.add_run(run)
    found = [one.tags["adce/scraper"] for one in sensor.tick().run_requests]
    assert ("espn_summary" in found) is not is_kept


def test_a_backfill_of_history_leaves_room_for_tonight(small: Any, instance: dg.DagsterInstance) -> None:
    sensor = queued(small, instance)
    selected = frozenset({dg.AssetKey(["espn", "play_by_play"])})
    for number in range(50):
        tags = {"dagster/partition": "2022-23", "dagster/backfill": "history", "number": str(number)}
        run = dg.DagsterRun(
            job_name="collect_espn", tags=tags, status=dg.DagsterRunStatus.STARTED, asset_selection=selected
        )
        instance.add_run(run)
    requests = sensor.tick().run_requests
    assert any(request.tags["adce/scraper"] == "espn_summary" for request in requests)


def test_a_run_is_told_whose_part_of_the_budget_it_uses(small: Any, instance: dg.DagsterInstance) -> None:
    later = small.at(days=3 * 365)
    sensor = queued(later, instance)
    lanes: dict[str, set[str]] = {}
    while requests := sensor.tick().run_requests:
        for request in requests:
            told = lanes.setdefault(request.partition_key, set())
            told |= {op["config"]["lane"] for op in request.run_config["ops"].values()}
            start(instance, request, dg.DagsterRunStatus.SUCCESS)
    assert lanes[SEASON] == {"HISTORY"}
    assert lanes["2027-28"] == lanes["2026-27"] == {"FRESH"}


def test_hosts_have_room_for_both_lanes_and_a_persons_own_limit_is_kept(small: Any, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        sensor = Ticking(small, instance, "task_queue_sensor")
        sensor.tick()
        assert limits_of_pools(instance) == {"host_espn_site": 5}
        instance.event_log_storage.set_concurrency_slots("host_espn_site", 2)
        sensor.tick()
        assert limits_of_pools(instance) == {"host_espn_site": 2}


def limits_of_pools(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_a_cell_that_a_person_is_collecting_is_left_alone_but_for_what_is_critical(
    small: Any, instance: dg.DagsterInstance
) -> None:
    sensor = queued(small.at(days=30), instance)
    tags = {"dagster/partition": SEASON}
    instance.add_run(dg.DagsterRun(job_name="collect_espn", tags=tags, status=dg.DagsterRunStatus.STARTED))
    assert [request.tags["adce/lane"] for request in sensor.tick().run_requests] == ["espn_scoreboard/2024-25/critical"]


def test_tasks_of_a_season_that_is_not_loaded_are_told_of_and_wait_for_a_reload(
    small: Any, instance: dg.DagsterInstance
) -> None:
    later = small.at(days=365)
    sensor = queued(later, instance)
    tasks = [task for task in later.project.state.read_json("gaps")["tasks"] if task["season"] == NEXT]
    said = (
        f"{len(tasks)} task(s) (espn/schedule 2025-26) of seasons newer than what is loaded: reload the code location"
    )
    requests = sensor.tick(loaded=small).run_requests
    assert tasks
    assert {request.partition_key for request in requests} == {SEASON}
    assert any(said in line for line in sensor.lines.said)
    for request in requests:
        start(instance, request, dg.DagsterRunStatus.SUCCESS)
    while requests := sensor.tick(loaded=small).run_requests:
        for request in requests:
            start(instance, request, dg.DagsterRunStatus.SUCCESS)
    told = sensor.tick(loaded=small)
    assert "nothing to start" in told.skip_message
    assert said in told.skip_message
    assert {request.partition_key for request in sensor.tick().run_requests} == {NEXT}


# ------------------------------------------------------------------------------------------------ all of them

NAMES = ("inventory_report_sensor", "completion_sensor", "task_queue_sensor")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_lake_a_sensor_says_so_and_does_not_fail(small: Any, instance: dg.DagsterInstance, name: str) -> None:
    del small.environment["ADCE_LAKE"]
    assert Ticking(small, instance, name).tick().skip_message == "no lake is configured: set ADCE_LAKE"


def test_sensors_and_the_schedule_run_without_being_switched_on(small: Any) -> None:
    repository = small.defs().get_repository_def()
    for name in NAMES:
        assert repository.get_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING
    assert {repository.get_sensor_def(name).job_name for name in NAMES[:2]} == {RECONCILIATION}
    schedule = repository.get_schedule_def("reconciliation_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "0 * * * *"


def scheduled(small: Any, folder: Path, unfinished: int) -> Any:
    """What the schedule asks for while so many reconciliations are running."""
    repository = small.defs().get_repository_def()
    resources = {"project": ProjectResource(environment=small.environment)}
    with (
        dg.DagsterInstance.local_temp(str(folder)) as instance,
        dg.build_schedule_context(instance=instance, repository_def=repository, resources=resources) as context,
    ):
        for _ in range(unfinished):
            instance.add_run(dg.DagsterRun(job_name=RECONCILIATION, status=dg.DagsterRunStatus.STARTED))
        return repository.get_schedule_def("reconciliation_schedule").evaluate_tick(context)


@pytest.mark.parametrize(("unfinished", "requests"), [(0, 1), (1, 0)])
def test_the_schedule_does_not_pile_up_reconciliations(
    small: Any, tmp_path: Path, unfinished: int, requests: int
) -> None:
    assert len(scheduled(small, tmp_path, unfinished).run_requests or ()) == requests


def test_the_schedule_looks_for_what_is_newer_than_a_report_too(small: Any, tmp_path: Path) -> None:
    path = small.home / "config" / "reconciliation_config.yaml"
    path.write_text(path.read_text().replace("use_aws_inventory: false", "use_aws_inventory: true"))
    assert len(scheduled(small, tmp_path, 0).run_requests) == 1
