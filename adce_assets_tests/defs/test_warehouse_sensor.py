"""A season is loaded when its data sets were updated: by itself, once for all that came, and only where wanted."""

from pathlib import Path
from time import process_time
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs.build import build_defs
from adce_assets_tests.defs.conftest import SmallProject

SEASON, EARLIER = "2024-25", "2023-24"
ENTITIES = ("games", "play_by_play", "player_box")


class Looking:
    """The sensor's evaluation from tick to tick, by Dagster's own evaluator."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.defs, self.instance = defs, instance
        self.cursor: Any = None
        self.look()

    def update(self, name: str, season: str = SEASON) -> None:
        """Tell of a data set what a run or a marker tells: that something of the season was collected."""
        event = dg.AssetMaterialization(name.split("/"), partition=season)
        self.instance.report_runless_asset_event(event)

    def look(self) -> dict[str, set[Any]]:
        """Look once more; return the seasons that are asked for, by entity."""
        told = dg.evaluate_automation_conditions(
            self.defs, self.instance, asset_selection=dg.AssetSelection.groups("warehouse"), cursor=self.cursor
        )
        self.cursor = told.cursor
        wanted = {name: set(told.get_requested_partitions(dg.AssetKey(["warehouse", name]))) for name in ENTITIES}
        return {name: seasons for name, seasons in wanted.items() if seasons}


@pytest.fixture
def looking(small: SmallProject, instance: dg.DagsterInstance) -> Looking:
    return Looking(small.defs(), instance)


def test_a_season_is_asked_for_once_for_all_that_came_since_the_last_look(looking: Looking):
    assert looking.look() == {}
    for _ in range(3):
        looking.update("espn/box_scores")
    assert looking.look() == {"games": {SEASON}, "player_box": {SEASON}}
    assert looking.look() == {}
    looking.update("espn/play_by_play", EARLIER)
    assert looking.look() == {"play_by_play": {EARLIER}}


def test_what_is_read_by_no_entity_and_what_is_published_ask_for_nothing(looking: Looking):
    looking.update("espn/team_stats")
    looking.update("hoopr/player_seasons")
    looking.update("warehouse/games")
    assert looking.look() == {}


def test_what_was_collected_before_anybody_looked_asks_for_nothing(small: SmallProject, instance: dg.DagsterInstance):
    instance.report_runless_asset_event(dg.AssetMaterialization(["espn", "box_scores"], partition=SEASON))
    assert Looking(small.defs(), instance).look() == {}


def test_a_season_that_is_being_loaded_waits_for_its_end(looking: Looking):
    job = looking.defs.resolve_job_def("warehouse_job")
    run = looking.instance.create_run_for_job(job, tags={"dagster/partition": SEASON})
    looking.instance.report_run_canceling(run)
    looking.update("espn/box_scores")
    assert looking.look() == {}
    looking.instance.report_run_canceled(run)
    assert looking.look() == {"games": {SEASON}, "player_box": {SEASON}}


def test_the_sensor_looks_no_more_often_than_a_season_may_be_loaded(small: SmallProject):
    sensor = small.defs().resolve_sensor_def("warehouse_sensor")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.minimum_interval_seconds == 3600
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_where_it_is_not_wanted_a_season_is_loaded_by_its_job_alone(small: SmallProject, instance: dg.DagsterInstance):
    file: Path = small.home / "config" / "autonomous_config.yaml"
    file.write_text(file.read_text().replace("automatic: true", "automatic: false"))
    defs = small.defs()
    assert "warehouse_sensor" not in {sensor.name for sensor in defs.sensors or ()}
    graph = defs.resolve_asset_graph()
    assert not [key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition]
    small.fill()
    assert small.reconcile(instance).success
    job = defs.resolve_job_def("warehouse_job")
    result = job.execute_in_process(instance=instance, partition_key=SEASON)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    loaded = {event.asset_key.path[-1]: event.partition for event in events}
    assert loaded == dict.fromkeys(ENTITIES, SEASON)


def test_a_look_at_which_nothing_is_new_costs_next_to_nothing(instance: dg.DagsterInstance):
    looking = Looking(build_defs({}), instance)
    looking.update("espn/box_scores")
    looking.look()
    began = process_time()
    assert looking.look() == {}
    assert process_time() - began < 2
