"""How the schedule documents of a lake are read: each once, none hiding another, and what cannot be read is said."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.errors import LakeError
from adce_assets.lake import listing
from adce_assets.loop import schedules
from adce_assets.loop.project import Project
from adce_assets.loop.schedules import MAX_DOCUMENT_BYTES, Reading
from adce_assets.progress import silent

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
CONTRACT = r"""
version: 1
leagues:
  hoops: {first_season: 2020-21, season_starts: 10}
ids:
  game: {pattern: 'g\d+'}
schedules:
  games:
    league: hoops
    id: game
    unique_by: [date, home, away]
    documents: [{data_set: official/schedule, format: games_table}, {data_set: official/cups, format: games_table}]
  others: {league: hoops, id: game, documents: [{data_set: official/cups, format: games_table}]}
sources:
  official:
    description: d
    league: hoops
    data_types:
      schedule: {description: d, templates: ['schedule/{season}.csv', 'old/{season_end}.csv']}
      cups: {description: d, templates: ['cups/{season}.csv']}
      totals: {description: d, templates: ['totals/{season}.csv']}
"""
HEADER = "game_id,season_start,season_type,date,starts_at,status,home,away\n"


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    return workshop.project(CONTRACT, now=NOW)


def line(game_id: str = "g1", status: str = "final", *, on: str = "2024-01-05", home: str = "BOS") -> str:
    return f"{game_id},2023,regular,{on},{on}T20:00:00Z,{status},{home},LAL\n"


def put(project: Project, documents: Mapping[str, str | bytes], *, written: datetime = NOW - timedelta(days=1)) -> None:
    for key, body in documents.items():
        project.lake.put(key, body if isinstance(body, bytes) else (HEADER + body).encode())
        path = project.settings.home / "lake" / key
        os.utime(path, (written.timestamp(), written.timestamp()))


def refresh(project: Project, **changes: Any) -> list[Reading]:
    objects = changes.pop("objects", None)
    return schedules.refresh(project, listing.take(project.lake) if objects is None else objects, silent)


def shown(project: Project, readings: list[Reading], schedule: str = "games") -> dict[str, str]:
    return {game.game_id: game.status.value for game in schedules.games(project, readings)[schedule]}


@dataclass
class Watched:
    """A lake that counts what is read of it, and may fail."""

    lake: Any
    url: str = "file:///watched"
    read: Counter[str] = field(default_factory=Counter)
    failing: str = ""

    def get(self, key: str, **part: Any) -> bytes:
        self.read[key] += 1
        if key == self.failing:
            raise LakeError("the network is down", where=key)
        return self.lake.get(key, **part)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lake, name)


def watched(project: Project) -> tuple[Project, Any]:
    watch: Any = Watched(project.lake)
    return replace(project, lake=watch), watch


def test_documents_are_found_in_every_place_of_their_data_sets(project: Project):
    put(
        project,
        {
            "schedule/2023-24.csv": line("g1"),
            "old/2023.csv": line("g2", home="SEA"),
            "cups/2023-24.csv": line("g3", home="OKC"),
            "totals/2023-24.csv": line("g4", home="NYK"),
            "schedule/latest.csv": line("g5", home="PHI"),
        },
    )
    readings = refresh(project)
    assert shown(project, readings) == {"g1": "final", "g2": "final", "g3": "final"}
    assert shown(project, readings, "others") == {"g3": "final"}


def test_a_lake_without_schedules_gives_no_games(project: Project):
    assert refresh(project) == []
    assert schedules.games(project, []) == {"games": [], "others": []}


def test_a_document_is_read_once(project: Project):
    put(project, {"schedule/2023-24.csv": line(), "schedule/2022-23.csv": "", "old/2021.csv": b"<html>"})
    seen, watch = watched(project)
    first = refresh(seen)
    assert refresh(seen) == first
    assert watch.read == {"schedule/2023-24.csv": 1, "schedule/2022-23.csv": 1, "old/2021.csv": 1}


def test_what_is_remembered_is_what_was_read(project: Project):
    whole = line("g1") + "g2,,preseason,2024-02-01,,scheduled,,\n" + line("g3", "if_necessary", home="SEA")
    put(project, {"schedule/2023-24.csv": whole})
    first, again = refresh(project), refresh(project)
    assert [game.game_id for game in again[0].games] == ["g1", "g2", "g3"]
    assert (again[0].games[1].starts_at, again[0].games[1].season_start) == (None, None)
    assert again[0].games[1].date == date(2024, 2, 1)
    assert again == first


def test_a_document_written_anew_is_read_anew(project: Project):
    put(project, {"schedule/2023-24.csv": line(status="scheduled")})
    assert shown(project, refresh(project)) == {"g1": "scheduled"}
    put(project, {"schedule/2023-24.csv": line(status="postponed")}, written=NOW)
    assert shown(project, refresh(project)) == {"g1": "postponed"}


@pytest.mark.parametrize("etag", ["", "the same"])
def test_a_document_written_again_unchanged_confirms_its_games_anew(project: Project, etag: str):
    put(project, {"schedule/2023-24.csv": line(status="scheduled")}, written=NOW - timedelta(days=30))
    refresh(project, objects=with_etag(project, etag))
    put(project, {"schedule/2023-24.csv": line(status="scheduled")}, written=NOW - timedelta(days=1))
    (game,) = schedules.games(project, refresh(project, objects=with_etag(project, etag)))["games"]
    assert game.confirmed_at == NOW - timedelta(days=1)


def with_etag(project: Project, etag: str) -> Any:
    """List the lake as a store would that names versions by content, or a report without ETags."""
    objects = listing.take(project.lake)
    return objects.set_column(objects.column_names.index("etag"), "etag", [[etag] * objects.num_rows])


def test_a_document_that_is_gone_is_forgotten(project: Project):
    put(project, {"schedule/2023-24.csv": line("g1"), "schedule/2022-23.csv": line("g2", home="SEA")})
    refresh(project)
    project.lake.delete("schedule/2023-24.csv")
    assert shown(project, refresh(project)) == {"g2": "final"}


def test_a_document_that_goes_while_it_is_read_is_no_fault(project: Project):
    put(project, {"schedule/2023-24.csv": line("g1"), "schedule/2022-23.csv": line("g2", home="SEA")})
    objects = listing.take(project.lake)
    project.lake.delete("schedule/2023-24.csv")
    readings = refresh(project, objects=objects)
    assert [(reading.version.key, reading.fault) for reading in readings] == [("schedule/2022-23.csv", None)]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"<html>an error page</html>", "not readable as games_table"),
        (b"", "not readable as games_table"),
        (b"\xff\xfe", "not readable as games_table"),
        ((HEADER + line("g1") + line("x1")).encode(), r"names the event `x1`; valid ids: g\d+"),
    ],
)
def test_a_document_that_cannot_be_read_is_said_and_hides_no_other(project: Project, body: bytes, fault: str):
    put(project, {"schedule/2023-24.csv": body, "schedule/2022-23.csv": line("g2")})
    readings = refresh(project)
    assert shown(project, readings) == {"g2": "final"}
    assert [reading.fault is not None for reading in readings] == [False, True]
    assert str(readings[1].fault).startswith(fault)


def test_a_document_too_large_to_be_one_is_not_read(project: Project):
    put(project, {"schedule/2023-24.csv": line()})
    seen, watch = watched(project)
    objects = listing.take(project.lake)
    huge = objects.set_column(objects.column_names.index("size"), "size", [[MAX_DOCUMENT_BYTES + 1]])
    (reading,) = refresh(seen, objects=huge)
    assert reading.fault is not None
    assert watch.read == {}


@pytest.mark.parametrize(
    ("before", "after"), [("format: games_table", "format: nba_schedule"), (r"pattern: 'g\d+'", "pattern: '[a-f]+'")]
)
def test_a_contract_that_reads_documents_otherwise_has_them_read_again(workshop: "Workshop", before: str, after: str):
    wrong = workshop.project(CONTRACT.replace(before, after), now=NOW)
    put(wrong, {"schedule/2023-24.csv": line()})
    assert [reading.fault is None for reading in refresh(wrong)] == [False]
    right = replace(workshop.project(CONTRACT, now=NOW), lake=wrong.lake, state=wrong.state)
    assert shown(right, refresh(right)) == {"g1": "final"}


def test_a_lake_that_fails_while_a_schedule_is_read_is_a_failure(project: Project):
    put(project, {f"schedule/{year}-{year % 100 + 1:02d}.csv": line() for year in range(2010, 2024)})
    refresh(project)
    before = project.state.read_table("cache/schedule_documents")
    put(project, {"schedule/2015-16.csv": line("g2")}, written=NOW)
    seen, watch = watched(project)
    watch.failing = "schedule/2015-16.csv"
    with pytest.raises(LakeError, match="the network is down"):
        refresh(seen)
    assert project.state.read_table("cache/schedule_documents").equals(before)


def test_the_newest_document_decides_and_says_when_it_was_written(project: Project):
    put(project, {"schedule/2023-24.csv": line(status="scheduled")}, written=NOW - timedelta(days=9))
    put(project, {"cups/2023-24.csv": line(status="postponed")}, written=NOW - timedelta(days=2))
    (game,) = schedules.games(project, refresh(project))["games"]
    assert (game.status.value, game.document) == ("postponed", "cups/2023-24.csv")
    assert game.confirmed_at == NOW - timedelta(days=2)


def test_one_event_under_two_ids_is_one_game_of_the_schedule_that_says_so(project: Project):
    put(project, {"cups/2023-24.csv": line("g1", "scheduled") + line("g2", "final")})
    readings = refresh(project)
    assert shown(project, readings) == {"g2": "final"}
    assert shown(project, readings, "others") == {"g1": "scheduled", "g2": "final"}


def test_what_another_version_of_adce_remembered_is_read_again(project: Project):
    put(project, {"schedule/2023-24.csv": line()})
    first = refresh(project)
    table = project.state.read_table("cache/schedule_documents")
    project.state.write_table("cache/schedule_documents", table.drop_columns(["id_pattern"]))
    assert refresh(project) == first
