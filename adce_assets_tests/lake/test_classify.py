import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.lake.classify import Classifier, Placement
from adce_assets_tests import real_lake
from adce_assets_tests.shipped import CONTRACT as SHIPPED

CLASSIFIER = Classifier(SHIPPED, {"espn": {"401584783": "2023-24", "111225018": "1991-92"}})
COLUMNS = ("kind", "source", "data_type", "season", "entity", "template")
BEGINNINGS = ("pbp/", "schedule/", "ml-models/", "hoopr_phase1/draft/")


@pytest.fixture(scope="module")
def keys() -> list[str]:
    return [found.key for found in real_lake.objects()]


@pytest.fixture(scope="module")
def games() -> dict[str, dict[str, str]]:
    return {"espn": real_lake.espn_games() | real_lake.espn_games_without_plays()}


@pytest.fixture(scope="module")
def placed(keys: list[str], games: dict[str, dict[str, str]]) -> pa.Table:
    return Classifier(SHIPPED, games).place_all(keys).append_column("key", pa.array(keys))


def counts(table: pa.Table, *columns: str) -> dict[Any, int]:
    rows = table.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    return {
        row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns): row["count_all"] for row in rows
    }


def test_the_real_lake_is_read_without_a_remainder(placed: pa.Table):
    assert counts(placed, "kind") == {"data": 172_719, "non_data": 35}
    assert counts(placed, "source") == {
        "espn": 147_396,
        "nba_api": 24_553,
        "basketball_reference": 444,
        "hoopr": 314,
        "sportsdataverse": 12,
        None: 35,
    }


def test_every_object_of_the_real_lake_has_its_season(placed: pa.Table):
    unknown = placed.filter(pc.and_(pc.equal(placed["kind"], "data"), pc.is_null(placed["season"])))

    assert unknown["key"].to_pylist() == []


def test_without_a_schedule_only_running_numbers_leave_the_season_open(keys: list[str]):
    table = Classifier(SHIPPED).place_all(keys).append_column("key", pa.array(keys))
    unknown = table.filter(pc.and_(pc.equal(table["kind"], "data"), pc.is_null(table["season"])))

    assert counts(unknown, "source").keys() == {"espn"}
    assert pc.all(pc.match_substring_regex(unknown["entity"], "^40[01]")).as_py()


def test_the_parts_of_the_real_lake_are_told_apart(placed: pa.Table):
    found = counts(placed, "source", "data_type")

    assert found["espn", "play_by_play"] == 44_826
    assert found["espn", "box_scores"] == 44_836
    assert found["espn", "team_stats"] == 46_101
    assert found["espn", "schedule"] == 11_633
    assert sum(count for (_, name), count in found.items() if (name or "").startswith("boxscores_")) == 13_940
    assert found["nba_api", "play_by_play"] == 6_973 + 2_163
    assert found["nba_api", "shot_charts"] == 573
    assert found["nba_api", "player_info"] == 453
    assert found["basketball_reference", "advanced_totals"] == 73


def test_a_game_under_two_layouts_is_one_entity(placed: pa.Table):
    team_stats = placed.filter(pc.equal(placed["data_type"], "team_stats"))

    assert counts(team_stats, "template") == {0: 44_836, 2: 1_265}
    assert len(counts(team_stats, "season", "entity")) == 44_836


def test_the_whole_lake_is_read_in_a_moment(keys: list[str], games: dict[str, dict[str, str]]):
    classifier = Classifier(SHIPPED, games)
    started = time.process_time()

    classifier.place_all(keys)

    assert time.process_time() - started < 2.0  # 0.3 s on a quiet machine: 1.7 microseconds a key


def data(name: str, season: str | None, entity: str, template: int = 0) -> Placement:
    source, _, data_type = name.partition("/")
    return Placement("data", name, source, data_type, season, entity, template)


@pytest.mark.parametrize(
    ("key", "placement"),
    [
        ("pbp/401584783.json", data("espn/play_by_play", "2023-24", "401584783")),
        ("pbp/401584784.json", data("espn/play_by_play", None, "401584784")),
        ("pbp/131105001.json", data("espn/play_by_play", "1993-94", "131105001")),
        ("pbp/111225018.json", data("espn/play_by_play", "1991-92", "111225018")),
        ("espn_play_by_play/401584783.json", data("espn/play_by_play", "2023-24", "401584783", 1)),
        ("team_stats/year=2023/401468215.json", data("espn/team_stats", "2022-23", "401468215", 2)),
        ("schedule/20230410.json", data("espn/schedule", "2022-23", "2023-04-10")),
        ("schedule/20201011.json", data("espn/schedule", "2019-20", "2020-10-11")),
        ("schedule/20201012.json", data("espn/schedule", "2020-21", "2020-10-12")),
        ("espn_schedules/20230410.json", data("espn/schedule", "2022-23", "2023-04-10", 1)),
        (
            "nba_api_playbyplay/season_1999/play_by_play_0029900001.json",
            data("nba_api/play_by_play", "1999-00", "0029900001", 1),
        ),
        (
            "nba_api_comprehensive/boxscores_advanced/four_factors_0022300001.json",
            data("nba_api/boxscores_four_factors", "2023-24", "0022300001"),
        ),
        (
            "nba_api_comprehensive/tracking/shot_defense_player_2544_2014.json",
            data("nba_api/tracking_shot_defense", "2013-14", "2544"),
        ),
        (
            "nba_api_comprehensive/league_dashboards/player_stats_2000.json",
            data("nba_api/league_dashboards", "1999-00", "player_stats"),
        ),
        (
            "nba_api_reverse/season_2016/pbp_0020000001.json",
            data("nba_api/play_by_play_probes", "2000-01", "2016/0020000001"),
        ),
        (
            "nba_api_incremental/20251010/game_0012500001_pbp.json",
            data("nba_api/incremental_play_by_play", "2025-26", "20251010/0012500001"),
        ),
        (
            "basketball_reference/advanced_totals/1953/player_advanced_totals.json",
            data("basketball_reference/advanced_totals", "1952-53", "", 1),
        ),
        (
            "basketball_reference/pbp/2023/202212010BOS_pbp.json",
            data("basketball_reference/game_play_by_play", "2022-23", "202212010BOS", 1),
        ),
        (
            "basketball_reference/nba/play_by_play/2022-23/202212010LAL/pbp.json",
            data("basketball_reference/game_play_by_play", "2022-23", "202212010LAL", 2),
        ),
        ("hoopr_parquet/play_by_play/nba_data_2002.parquet", data("hoopr/play_by_play", "2001-02", "")),
        (
            "hoopr_phase1/league_dashboards/lineups_5man_2007.csv",
            data("hoopr/league_dashboards", "2007-08", "lineups_5man"),
        ),
        ("sportsdataverse/schedule_2014.json", data("sportsdataverse/schedule", "2013-14", "")),
        ("ml-models/a.pkl", Placement("non_data", name="ml_models")),
        ("ml-models-panel/a/b.pkl", Placement("non_data", name="ml_models_panel")),
        (
            "inventory-reports/lake/daily/2025-10-22T01-00Z/manifest.json",
            Placement("non_data", name="inventory_reports"),
        ),
        ("_adce/completions/x.json", Placement("non_data", name="adce")),
    ],
)
def test_a_key_is_read(key: str, placement: Placement):
    assert CLASSIFIER.classify(key) == placement


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "pbp",
        "pbp/",
        "pbp/.json",
        "/pbp/401584783.json",
        "pbp//401584783.json",
        "pbp/../pbp/401584783.json",
        "pbp/401584783.json/",
        "pbp/401584783.json\n",
        "pbp/401584783.JSON",
        "PBP/401584783.json",
        "pbp/4015847830.json",
        "pbp/\u0664\u0660\u0661\u0665\u0668\u0664\u0667\u0668\u0663.json",
        "pbp/401584783xjson",
        "schedule/20230230.json",
        "schedule/00000101.json",
        "nba_api_playbyplay/season_0000/play_by_play_0029900001.json",
        "nba_api_comprehensive/boxscores_advanced/traditional_22300001.json",
        "basketball_reference/pbp/2023/202212010_pbp.json",
        "ml-model/a.pkl",
        "adce/x.json",
        "\udcff/x",
        "x" * 1_024,
    ],
)
def test_what_no_template_writes_is_unclassified(key: str):
    assert CLASSIFIER.classify(key) == Placement("unclassified")


@settings(max_examples=200)
@given(st.lists(st.builds(str.__add__, st.sampled_from(["", *BEGINNINGS]), st.text(max_size=20))))
def test_all_keys_at_once_are_placed_as_each_alone(many: list[str]):
    rows = CLASSIFIER.place_all(many).to_pylist()

    alone = map(CLASSIFIER.classify, many)
    assert rows == [{name: getattr(found, name) for name in COLUMNS} for found in alone]


def test_no_keys_make_an_empty_table_of_the_same_columns():
    classifier = Classifier(SHIPPED)

    assert classifier.place_all([]).schema == classifier.place_all(["pbp/401584783.json"]).schema
    assert classifier.place_all([]).num_rows == 0


def test_the_schedule_of_record_knows_better_than_the_id():
    known = Classifier(SHIPPED, {"espn": {"131105001": "1994-95"}})

    assert known.classify("pbp/131105001.json").season == "1994-95"


def test_a_key_outside_the_seasons_of_its_data_type_is_read_all_the_same():
    assert Classifier(SHIPPED).classify("nba_data/play_by_play/0022500001.json") == data(
        "nba_data/play_by_play", "2025-26", "0022500001"
    )
