"""Materialising a season of the warehouse loads it, shows every check, and fails where it does not hold."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from adce_assets.defs import warehouse
from adce_assets.defs.resources import ProjectResource
from adce_assets.defs.warehouse import TYPES, reconciled
from adce_assets.loop.season_keys import keys_of
from adce_assets.warehouse.entities import load_entities
from adce_assets_tests.defs.conftest import GAMES, SmallProject, make_project

SEASON = "2024-25"
KEY = f"box_scores/{GAMES[0].game_id}.json"
NAMES = {name for name, _ in TYPES.values()}


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """An installation whose lake is full and known."""
    made = make_project(tmp_path_factory.mktemp("warehouse") / "home")
    made.fill()
    with dg.DagsterInstance.ephemeral() as forgotten:
        assert made.reconcile(forgotten).success
    return made


def materialise(small: SmallProject, instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    job = small.defs().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        partition_key=SEASON,
        asset_selection=[dg.AssetKey(["warehouse", name])],
        raise_on_error=False,
    )


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_the_warehouse_lies_below_the_data_sets_and_what_its_rules_look_at(loading: SmallProject):
    defs = loading.defs()
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    box = graph.get(dg.AssetKey(["warehouse", "player_box"]))
    assert box.parent_keys == {dg.AssetKey(["espn", "box_scores"]), dg.AssetKey(["warehouse", "games"])}
    assert {key.name for key in box.check_keys} == NAMES
    assert SEASON in (box.partitions_def or dg.StaticPartitionsDefinition([])).get_partition_keys()


def test_a_season_that_reconciles_is_materialised_with_its_numbers(loading: SmallProject, instance: dg.DagsterInstance):
    for name in ("games", "player_box"):
        result = materialise(loading, instance, name)
        assert result.success
        assert {check for check, verdict in verdicts(result).items() if verdict.passed} == NAMES
    (event,) = result.get_asset_materialization_events()
    for verdict in verdicts(result).values():
        target = verdict.target_materialization_data
        assert target is not None
        assert target.run_id == result.run_id
        assert (verdict.description or "").startswith(f"{SEASON}: ")
    told = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (told["outcome"], told["read"], told["staged"]) == ("reconciled", len(GAMES) * 12, len(GAMES) * 12)
    assert event.partition == SEASON
    assert str(told["audit_head"]).partition(":")[0].isdigit()


def test_a_season_that_does_not_is_no_materialisation_and_every_check_is_told(
    loading: SmallProject, instance: dg.DagsterInstance
):
    sound = loading.lake.get(KEY)
    told: dict[str, Any] = json.loads(sound)
    told["header"]["competitions"][0]["competitors"][0]["linescores"][0]["displayValue"] = "1"
    loading.lake.put(KEY, json.dumps(told).encode())
    try:
        result = materialise(loading, instance, "games")
    finally:
        loading.lake.put(KEY, sound)
    assert not result.success
    assert not result.get_asset_materialization_events()
    found = verdicts(result)
    assert {name for name, verdict in found.items() if not verdict.passed} == {"rules_hold"}
    assert found.keys() == NAMES
    failed = found["rules_hold"]
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    assert GAMES[0].game_id in str(failed.metadata["worst_rows"].value)
    assert "home_quarters_sum_to_the_score" in (failed.description or "")


def test_what_is_settling_ends_its_run_and_is_asked_for_again_when_it_has_settled(
    loading: SmallProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    settles_at = (loading.project.settings.clock() + timedelta(minutes=5)).isoformat()

    def settling(*asked: Any) -> Mapping[str, Any]:
        told = reconciled(*asked)
        run = {**told["run"], "settles_at": settles_at}
        return {**told, "outcome": "settling", "published": False, "run": run}

    monkeypatch.setattr(warehouse, "reconciled", settling)
    result = materialise(loading, instance, "games")
    assert not result.success
    assert not result.get_asset_materialization_events()

    def requests(minutes: int) -> Sequence[dg.RunRequest]:
        later = loading.at(minutes=minutes)
        defs, resources = later.defs(), {"project": ProjectResource(environment=later.environment)}
        with dg.build_sensor_context(instance, definitions=defs, resources=resources) as context:
            return defs.resolve_sensor_def("warehouse_settling_sensor").evaluate_tick(context).run_requests or ()

    assert not requests(4)
    (request,) = requests(5)
    assert (request.partition_key, request.asset_selection) == (SEASON, [dg.AssetKey(["warehouse", "games"])])
    assert [again.run_key for again in requests(9)] == [request.run_key]
    monkeypatch.setattr(warehouse, "FORGOTTEN", timedelta(days=-1))
    assert not requests(9)


def test_documents_of_another_data_type_of_the_same_form_are_loaded_too(loading: SmallProject):
    games = load_entities(loading.home / "config" / "reconcile")["games"]
    both = games.reading_of("espn").model_copy(update={"also": ("team_stats",)})
    keys = keys_of(loading.project, games.model_copy(update={"readings": (both,)}), SEASON)["espn"]
    assert keys == sorted(f"{kind}/{game.game_id}.json" for kind in ("box_scores", "team_stats") for game in GAMES)


def test_a_home_without_entities_has_no_warehouse(tmp_path_factory: pytest.TempPathFactory):
    made = make_project(tmp_path_factory.mktemp("none") / "home")
    for file in (made.home / "config" / "reconcile").iterdir():
        file.unlink()
    (made.home / "config" / "reconcile").rmdir()
    assert not [key for key in made.defs().resolve_all_asset_keys() if key.path[0] == "warehouse"]
