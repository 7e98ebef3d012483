"""Markers of completed work become recorded events and, together, one reconciliation.

What may depend on the store is shown in a bucket of a real S3 server, the rest over files.
"""

import json
from typing import Any

import dagster as dg
import pytest

from adce_assets.errors import LakeError
from adce_assets.ledger.receipts import completion_key
from adce_assets_tests.defs.ticking import NEXT, SEASON, Ticking


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
