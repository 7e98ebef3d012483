"""A contract of weather stations: no league of basketball, no game, no team, and the same core."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.contract.seasons import Season
from adce_assets.contract.templates import field_values
from adce_assets.lake.classify import Classifier, Placement

CONTRACT = """
version: 1
leagues:
  north: {description: Weather years begin in September, first_season: 1991-92, season_starts: 9}
ids:
  storm: {pattern: '[a-z]+-\\d{4}', seasons: [{match: '[a-z]+-(?P<start_year>\\d{4})'}]}
schedules:
  storms: {league: north, id: storm}
dimensions:
  station: {pattern: '[A-Z]{4}', table: stations.csv}
non_data:
  plots: {prefix: plots/, reason: pictures made from the data}
sources:
  observatory:
    description: hourly observations
    league: north
    data_types:
      hourly:
        description: observations of a day at a station
        templates: ["hourly/{station}/{date}.csv", "{station}.{date_compact}.csv"]
        for_each: [station, date]
        from_date: 1991-09-01
        scraper: observatory_hourly
      yearly:
        description: summary of a year
        templates: ["yearly/{season_start}-{season_end}.csv"]
        scraper: observatory_yearly
      stations:
        description: all stations
        templates: ["stations.csv"]
        for_each: []
        seasons: all
      tracks:
        description: track of a storm
        templates: ["tracks/{game_id}.json"]
        for_each: [game]
        schedule: storms
"""
STATIONS = "station,first_season,last_season\nENGM,1998-99,\nENFB,1991-92,1997-98\n"


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    folder = tmp_path_factory.mktemp("weather")
    (folder / "stations.csv").write_text(STATIONS)
    (folder / "contract.yaml").write_text(CONTRACT)
    return load_contract(folder / "contract.yaml")


def test_seasons_follow_the_calendar_of_the_weather(weather: Contract):
    yearly = weather.data_sets["observatory/yearly"]

    assert yearly.season_labels(datetime(1993, 9, 1, tzinfo=UTC)) == ["1991-92", "1992-93", "1993-94"]


def test_keys_are_written(weather: Contract):
    first, second = weather.data_sets["observatory/hourly"].templates
    values = field_values(Season(2023), date(2024, 2, 29), {"station": "ENGM"})

    assert first.render(values) == "hourly/ENGM/2024-02-29.csv"
    assert second.render(values) == "ENGM.20240229.csv"


def placed(data_type: str, season: str, entity: str, template: int = 0) -> Placement:
    return Placement("data", f"observatory/{data_type}", "observatory", data_type, season, entity, template)


@pytest.mark.parametrize(
    ("key", "placement"),
    [
        ("hourly/ENGM/2024-02-29.csv", placed("hourly", "2023-24", "ENGM/2024-02-29")),
        ("ENGM.20240831.csv", placed("hourly", "2023-24", "ENGM/2024-08-31", 1)),
        ("yearly/2023-2024.csv", placed("yearly", "2023-24", "")),
        ("yearly/2023-2025.csv", Placement("unclassified")),
        ("stations.csv", placed("stations", "all", "")),
        ("tracks/dagmar-2011.json", placed("tracks", "2011-12", "dagmar-2011")),
        ("plots/2024.png", Placement("non_data", name="plots")),
        ("hourly/engm/2024-02-29.csv", Placement("unclassified")),
    ],
)
def test_keys_are_read(weather: Contract, key: str, placement: Placement):
    assert Classifier(weather).classify(key) == placement


def test_no_word_of_basketball_stands_in_the_core():
    core = Path(__file__).parents[2] / "adce_assets"
    files = [*(core / "contract").glob("*.py"), core / "documents.py", core / "lake" / "classify.py"]
    words = ("nba", "espn", "basketball", "bbref", "hoopr")

    named = {file.name: [word for word in words if word in code_of(file)] for file in files}

    assert {name: found for name, found in named.items() if found} == {}


def code_of(file: Path) -> str:
    return "\n".join(line.partition("#")[0] for line in file.read_text().lower().splitlines() if '"""' not in line)
