"""What the settings hold back (by its time, its kind, the machine, dry, on trial), and what they begin by the clock."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from threading import Barrier, get_ident
from typing import Any

import dagster as dg
import pytest
import yaml

from adce_assets.defs import collecting
from adce_assets.defs.restraining import Restraint
from adce_assets.demo.source import LocalSource
from adce_assets.errors import ConfigurationError
from adce_assets.loop.refreshing import due_keys
from adce_assets.operate import halting
from adce_assets_tests.defs.conftest import GAMES, NOW, SmallProject, make_project
from adce_assets_tests.defs.ticking import SEASON, Ticking, on_schedule, queued, start

SENSORS = ("inventory_report_sensor", "completion_sensor", "task_queue_sensor")
SCHEDULES = ("reconciliation_schedule", "canary_schedule", "espn_daily_schedule")
ALWAYS = {"cron": "0 0 * * *", "minutes": 1_441}
NIGHT = {"name": "night", **ALWAYS}
OPEN = "`night` with no end in sight"


@pytest.fixture(scope="module")
def asked() -> Iterator[LocalSource]:
    with LocalSource(GAMES) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, asked: LocalSource) -> SmallProject:
    """An installation with a queue of two scrapers, CRITICAL all of it, and without what has nothing to do with it."""
    made = make_project(tmp_path_factory.mktemp("restrained") / "home", ADCE_HOST_ESPN_SITE=asked.url)
    for path in (made.home / "config" / "scrapers").iterdir():
        if path.name != "espn.yaml":
            path.unlink()
    shutil.rmtree(made.home / "config" / "reconcile")
    (made.home / "inventory" / "config.yaml").unlink()
    with dg.DagsterInstance.ephemeral() as forgotten:
        queued(made, forgotten)
    return made


@pytest.fixture
def setting(shared: SmallProject) -> Iterator[Callable[..., SmallProject]]:
    """Change settings of the installation for the test; a mapping is merged into its section."""
    path = shared.home / "config" / "autonomous_config.yaml"
    before = path.read_text()

    def change(**sections: Any) -> SmallProject:
        config = yaml.safe_load(path.read_text())
        for name, value in sections.items():
            config[name] = config[name] | value if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(config))
        return shared

    yield change
    path.write_text(before)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in which nothing runs; a schedule wants one on disk."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as kept:
        yield kept


def looked(small: SmallProject, instance: dg.DagsterInstance, name: str = "task_queue_sensor") -> Any:
    if name.endswith("_schedule"):
        return on_schedule(small, instance, name)
    return Ticking(small, instance, name).tick()


@pytest.mark.parametrize("name", [*SENSORS, *SCHEDULES])
def test_nothing_begins_in_maintenance_and_the_end_of_it_is_told(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance, name: str
) -> None:
    told = looked(setting(maintenance=[NIGHT]), instance, name)
    assert not told.run_requests
    assert told.skip_message == f"maintenance: {OPEN}"


@pytest.mark.parametrize(
    ("about", "scrapers"),
    [
        ({"priorities": ["critical"]}, set()),
        ({"sources": ["hoopr"]}, {"espn_summary", "espn_scoreboard"}),
        ({"hosts": ["espn_site"], "priorities": ["low"]}, {"espn_summary", "espn_scoreboard"}),
    ],
)
def test_a_pause_keeps_back_what_it_is_about(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance, about: dict[str, list[str]], scrapers: set[str]
) -> None:
    told = looked(setting(pauses=[NIGHT | about]), instance)
    assert {request.tags["adce/scraper"] for request in told.run_requests or ()} == scrapers
    assert scrapers or f"nothing to start: 4 queued, 0 in flight; paused: {OPEN}" in told.skip_message


def test_a_priority_waits_its_minutes_after_its_last_runs(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(dispatch={"minutes_between": {"critical": 30}})
    sensor = Ticking(small, instance, "task_queue_sensor")
    assert sensor.tick().run_requests
    assert json.loads(str(sensor.cursor))["last_started"] == {"critical": "2024-12-05T12:00:00Z"}
    assert "started lately: `critical` until 2024-12-05 12:30 UTC" in sensor.tick(small.at(minutes=29)).skip_message
    assert sensor.tick(small.at(minutes=30)).run_requests


@pytest.mark.parametrize(
    ("name", "limit", "said"),
    [
        ("task_queue_sensor", {"free_disk_gb": 1_000_000}, "GB of disk are free, 1e+06 is the least"),
        ("espn_daily_schedule", {"free_memory_mb": 1_000_000_000}, "MB of memory are free, 1,000,000,000 is the least"),
    ],
)
def test_a_machine_that_runs_short_starts_nothing(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance, name: str, limit: dict[str, int], said: str
) -> None:
    told = looked(setting(resources=limit), instance, name)
    assert not told.run_requests
    assert said in told.skip_message


def test_a_dry_run_says_what_it_would_start_and_remembers_nothing(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(dry_run=True)
    (small.home / "inventory" / "approvals" / "baseline.json").unlink(missing_ok=True)
    sensor = Ticking(small, instance, "task_queue_sensor")
    told = sensor.tick()
    assert (told.run_requests, sensor.cursor) == ([], None)
    assert told.skip_message.startswith("dry run: it would start 2 run(s): espn_s")
    assert "espn_summary/2024-25/critical (3 task(s), 6 key(s))" in told.skip_message
    assert not (small.home / "inventory" / "approvals" / "baseline.json").exists()
    scrape = looked(small, instance, "espn_daily_schedule")
    assert "dry run: it would start 2 run(s): " in scrape.skip_message


def test_on_trial_little_is_started_each_task_once_and_the_loop_is_quick(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(test_mode={"tasks_a_day": 3, "keys_per_data_set": 1}).at()
    small.environment["ADCE_TEST_MODE"] = "1"
    tasks: list[str] = []
    assert looked(small, instance, "espn_daily_schedule").skip_message.startswith("test mode")
    with dg.DagsterInstance.ephemeral() as own:
        sensor = Ticking(small, own, "task_queue_sensor")
        for request in sensor.tick().run_requests:
            (config,) = [op["config"] for op in request.run_config["ops"].values()]
            assert (config["limit"], request.tags["adce/test_mode"]) == (1, "true")
            tasks += config["task_ids"]
            start(own, request, dg.DagsterRunStatus.SUCCESS)
        assert len(set(tasks)) == len(tasks) == 3
        small.at(minutes=30).reconcile(own)
        assert "test mode: 3 of 3 task(s) of a day were started" in sensor.tick(small.at(minutes=30)).skip_message
    repository = small.defs().get_repository_def()
    crons = [repository.get_schedule_def(name).cron_schedule for name in SCHEDULES[:2]]
    assert crons == ["* * * * *", "*/10 * * * *"]
    assert {repository.get_sensor_def(name).minimum_interval_seconds for name in SENSORS} == {5}


def test_settings_of_time_are_those_of_schedules_sensors_and_freshness(setting: Callable[..., SmallProject]) -> None:
    small = setting(
        intervals={
            "inventory_report_seconds": 301,
            "completion_seconds": 31,
            "task_queue_seconds": 32,
            "reconcile_cron": "7 * * * *",
            "fresh_within_hours": 4,
        },
        canary={"cron": "8 5 * * *", "silent_hours": 31},
    )
    definitions = small.defs()
    repository, graph = definitions.get_repository_def(), definitions.resolve_asset_graph()
    seconds = [repository.get_sensor_def(name).minimum_interval_seconds for name in SENSORS]
    assert seconds == [301, 31, 32]
    assert [repository.get_schedule_def(name).cron_schedule for name in SCHEDULES[:2]] == ["7 * * * *", "8 5 * * *"]
    policies: list[Any] = [graph.get(dg.AssetKey(name)).freshness_policy for name in ("lake_inventory", "canary")]
    assert [policy.fail_window.seconds + 86_400 * policy.fail_window.days for policy in policies] == [14_400, 111_600]


def test_as_many_documents_are_read_at_once_as_configured(shared: SmallProject) -> None:
    project, at_once = shared.project, 3
    scanning = project.settings.reconciliation.s3.model_copy(update={"read_workers": at_once})
    reconciliation = project.settings.reconciliation.model_copy(update={"s3": scanning})
    together, lake, asked, threads = Barrier(at_once), project.lake, count(), set[int]()

    class Waiting:
        """A lake whose first answers come when as many are asked for at once as may be."""

        def head(self, key: str) -> Any:
            threads.add(get_ident())
            if next(asked) < at_once:
                together.wait(timeout=20)
            return lake.head(key)

    waiting: Any = Waiting()
    slow = replace(project, lake=waiting, settings=replace(project.settings, reconciliation=reconciliation))
    assert len(due_keys(slow, "espn", "play_by_play", SEASON)) > at_once
    assert len(threads) == at_once


def test_a_variable_that_is_neither_yes_nor_no_is_refused(shared: SmallProject) -> None:
    small = shared.at()
    small.environment["ADCE_DRY_RUN"] = "perhaps"
    with pytest.raises(ConfigurationError, match="`perhaps` is neither yes nor no"):
        small.defs()


@pytest.mark.parametrize(("kind", "name"), [("hosts", "espn_sit"), ("sources", "spn")])
def test_a_pause_of_what_there_is_not_is_a_fault(setting: Callable[..., SmallProject], kind: str, name: str) -> None:
    small = setting(pauses=[NIGHT | {kind: [name]}])
    with pytest.raises(
        ConfigurationError, match=rf"autonomous_config\.yaml:\d+: `pauses\.0\.{kind}`: there is no"
    ) as found:
        small.defs()
    assert "did you mean `espn" in str(found.value)


def ran(small: SmallProject, name: str, **tags: str) -> dict[str, Any]:
    """Collect what is open of a data set, as whoever the tags name."""
    with dg.DagsterInstance.ephemeral() as own:
        result = (
            small.defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=own, partition_key=SEASON, asset_selection=[dg.AssetKey(["espn", name])], tags=tags
            )
        )
    (event,) = result.get_asset_materialization_events()
    found = event.step_materialization_data.materialization.metadata
    return {told: found[told].value for told in ("asked", "given_back", "written")}


OF_THE_LOOP = {"dagster/sensor_name": "task_queue_sensor", "adce/lane": f"espn_summary/{SEASON}/critical"}
NOTHING = {"asked": 2, "given_back": 2, "written": 0}


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("play_by_play", {"maintenance": [NIGHT]}),
        (
            "box_scores",
            {"pauses": [NIGHT | {"priorities": ["critical"], "sources": ["espn"], "hosts": ["espn_site"]}]},
        ),
        ("team_stats", {"resources": {"run_memory_mb": 1}}),
    ],
)
def test_a_run_of_the_loop_ends_in_order_where_it_has_to_rest_and_a_persons_goes_on(
    setting: Callable[..., SmallProject], asked: LocalSource, name: str, sections: dict[str, Any]
) -> None:
    small, before = setting(**sections), asked.requests
    assert ran(small, name, **OF_THE_LOOP) == NOTHING
    assert asked.requests == before
    assert ran(small, name)["written"] == 2


def test_a_run_rests_for_what_it_collects_and_not_for_what_its_scraper_could(
    setting: Callable[..., SmallProject], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[set[str]] = []

    def restraint(*told: Any) -> Restraint:
        judged.append(set(told[-1]))
        return Restraint(0.0)

    monkeypatch.setattr(collecting, "restraint_of", restraint)
    assert (ran(setting(), "box_scores", **OF_THE_LOOP)["written"], judged) == (0, [{"espn/box_scores"}])


def scrape(**told: Any) -> dict[str, Any]:
    return {"name": "morning", "cron": "30 6 * * *", "source": "espn"} | told


@pytest.mark.parametrize(
    ("told", "data_types", "config", "seconds"),
    [
        ({}, {"schedule", "play_by_play", "box_scores", "team_stats"}, "gaps", "3600"),
        (
            {"data_types": ["play_by_play", "team_stats"], "max_minutes": 90},
            {"play_by_play", "team_stats"},
            "gaps",
            "5400",
        ),
        ({"data_types": ["box_scores"], "refresh": "failed"}, {"box_scores"}, "failed", "3600"),
    ],
)
def test_what_is_due_by_the_clock_becomes_runs_of_the_partition(
    setting: Callable[..., SmallProject],
    instance: dg.DagsterInstance,
    told: dict[str, Any],
    data_types: set[str],
    config: str,
    seconds: str,
) -> None:
    small = setting(scheduled_scrapes=[scrape(**told)])
    schedule = small.defs().get_repository_def().get_schedule_def("morning_schedule")
    assert (schedule.cron_schedule, schedule.job_name) == ("30 6 * * *", "collect_espn")
    requests = looked(small, instance, "morning_schedule").run_requests
    assert {key.path[1] for one in requests for key in one.asset_selection} == data_types
    for one in requests:
        assert (one.partition_key, one.tags["adce/scrape"], one.tags["dagster/max_runtime"]) == (
            SEASON,
            "morning",
            seconds,
        )
        assert [op["config"]["refresh"] for op in one.run_config["ops"].values()] == [config]


def test_a_season_that_is_whole_is_asked_for_only_where_everything_is(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(
        scheduled_scrapes=[scrape(season="previous"), scrape(name="anew", season="previous", refresh="all")]
    )
    assert "nothing of it is open" in looked(small, instance, "morning_schedule").skip_message
    assert {one.partition_key for one in looked(small, instance, "anew_schedule").run_requests} == {"2023-24"}


def test_a_season_that_has_begun_since_the_definitions_were_loaded_is_told_as_that(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(scheduled_scrapes=[scrape(data_types=["play_by_play"])])
    for renews, said in (("", "reload the code location"), ("1", "loaded once no run is in progress")):
        later = small.at(days=365)
        later.environment["ADCE_CODE_SERVER_RENEWS"] = renews
        told = on_schedule(later, instance, "morning_schedule", loaded=small).skip_message
        assert told == f"`espn_summary` 2025-26: newer than what is loaded: {said}"


def test_what_rests_or_waits_is_left_out_and_nothing_is_asked_twice(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(scheduled_scrapes=[scrape()], pauses=[NIGHT | {"hosts": ["espn_site"]}])
    assert "`espn_summary` 2024-25: paused: `night`" in looked(small, instance, "morning_schedule").skip_message
    setting(pauses=[], approvals={"max_new_tasks": 1})
    (small.home / "inventory" / "approvals" / "baseline.json").unlink(missing_ok=True)
    waiting = looked(small, instance, "morning_schedule")
    held = {key.path[1] for one in waiting.run_requests or () for key in one.asset_selection}
    assert len(held) < 4
    setting(approvals={"max_new_tasks": 1_000})
    tags = {"dagster/schedule_name": "morning_schedule"}
    run = instance.add_run(dg.DagsterRun(job_name="collect_espn", tags=tags, status=dg.DagsterRunStatus.STARTED))
    try:
        said = looked(small, instance, "morning_schedule").skip_message
    finally:
        instance.delete_run(run.run_id)
    assert said == "1 run(s) of it queued or running"
    halting.halt(small.project.state, "inward", "a host led inward", at=NOW, by="run")
    said = looked(small, instance, "morning_schedule").skip_message
    halting.resume(small.project.state, by="Ann", note="looked at", at=NOW)
    assert "a host led inward" in said


def test_a_run_by_the_clock_can_be_run_as_it_is(
    setting: Callable[..., SmallProject], instance: dg.DagsterInstance
) -> None:
    small = setting(scheduled_scrapes=[scrape(data_types=["schedule"])])
    (one,) = looked(small, instance, "morning_schedule").run_requests
    (later,) = on_schedule(small, instance, "morning_schedule", NOW + timedelta(days=1)).run_requests
    assert one.run_key != later.run_key
    with dg.DagsterInstance.ephemeral() as own:
        job = small.defs().resolve_job_def("collect_espn").get_subset(asset_selection=set(one.asset_selection))
        assert job.execute_in_process(
            instance=own, run_config=one.run_config, partition_key=one.partition_key, tags=one.tags
        ).success
    assert (small.lake_folder / "schedule" / "20241202.json").exists()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"name": "canary"}, r"`scheduled_scrapes\.0\.name`: the loop has a schedule `canary_schedule` itself"),
        ({"data_types": ["box_score"]}, r"data_types`: the contract has no `box_score`.*did you mean `box_scores`"),
        ({"source": "hoopr", "data_types": ["player_seasons", "gleague_seasons"]}, "of several leagues"),
    ],
)
def test_a_slip_of_the_pen_in_what_is_collected_by_the_clock_is_a_fault(
    setting: Callable[..., SmallProject], told: dict[str, Any], said: str
) -> None:
    small = setting(scheduled_scrapes=[scrape(**told)])
    with pytest.raises(ConfigurationError, match=rf"(?s)autonomous_config\.yaml:\d+: .*{said}"):
        small.defs()


def test_what_is_collected_of_another_lakes_sources_becomes_no_schedule(setting: Callable[..., SmallProject]) -> None:
    others = [scrape(source="weather"), scrape(name="near", source="espn2"), scrape(name="none_has", source="hoopr")]
    names = {one.name for one in setting(scheduled_scrapes=others).defs().schedules or ()}
    assert names.isdisjoint({"morning_schedule", "near_schedule", "none_has_schedule"})
