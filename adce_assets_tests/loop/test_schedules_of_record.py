"""How the schedule documents of a lake are read: each once, none hiding another, and what cannot be read is said."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import LakeError
from adce_assets.lake import listing
from adce_assets.loop import schedules
from adce_assets.loop.project import Project
from adce_assets.loop.schedule_documents import MAX_DOCUMENT_BYTES
from adce_assets.loop.schedules import Schedules
from adce_assets.loop.state import SCHEDULE, SCHEDULE_DOCUMENTS, SCHEDULE_IDS
from adce_assets.progress import silent
from adce_assets_tests.examples import examples

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


def refresh(project: Project, *, objects: pa.Table | None = None) -> Schedules:
    listed = listing.take(project.lake).objects if objects is None else objects
    return schedules.refresh(project, ibis.memtable(listed), silent)


def shown(found: Schedules, schedule: str = "games") -> dict[str, str]:
    """Give the status of each event, and "no event" for any other id that is known."""
    events = {row["game_id"]: row["status"] for row in found.events.to_pylist() if row["schedule"] == schedule}
    known = [row["game_id"] for row in found.known_ids().to_pylist() if row["schedule"] == schedule]
    return dict.fromkeys(known, "no event") | events


def faults(found: Schedules) -> dict[str, str]:
    return {key: fault for (key, _, _), fault in found.faults.items()}


def game(found: Schedules) -> dict[str, Any]:
    (row,) = [row for row in found.events.to_pylist() if row["schedule"] == "games"]
    return row


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
    found = refresh(project)
    assert shown(found) == {"g1": "final", "g2": "final", "g3": "final"}
    assert shown(found, "others") == {"g3": "final"}
    assert found.documents == {"games": 3, "others": 1}


def test_a_lake_without_schedules_gives_no_games(project: Project):
    found = refresh(project)
    assert (found.events.num_rows, found.known_ids().num_rows, found.faults) == (0, 0, {})
    assert found.documents == {"games": 0, "others": 0}


def test_a_document_is_read_once(project: Project):
    put(project, {"schedule/2023-24.csv": line(), "schedule/2022-23.csv": "", "old/2021.csv": b"<html>"})
    seen, watch = watched(project)
    first = refresh(seen)
    assert refresh(seen) == first
    put(project, {"schedule/2019-20.csv": ""})
    refresh(seen)
    assert watch.read.pop("schedule/2019-20.csv") == 1
    assert watch.read == {"schedule/2023-24.csv": 1, "schedule/2022-23.csv": 1, "old/2021.csv": 1}


def test_what_is_remembered_is_what_was_read(project: Project):
    whole = line("g1") + "g2,,preseason,2024-02-01,,scheduled,,\n" + line("g3", "if_necessary", home="SEA")
    put(project, {"schedule/2023-24.csv": whole})
    first, again = refresh(project), refresh(project)
    assert again == first
    assert shown(again) == {"g1": "final", "g2": "scheduled", "g3": "no event"}
    project.state.store.delete(f"{SCHEDULE}.parquet")
    seen, watch = watched(project)
    remade = refresh(seen)
    assert remade == first
    assert watch.read == {}
    assert [(row["game_id"], row["day"], row["event"]) for row in remade.events.to_pylist()] == [
        ("g1", date(2024, 1, 5), 0),
        ("g2", date(2024, 2, 1), 1),
    ]


def test_a_document_written_anew_is_read_anew(project: Project):
    put(project, {"schedule/2023-24.csv": line(status="scheduled")})
    assert shown(refresh(project)) == {"g1": "scheduled"}
    put(project, {"schedule/2023-24.csv": line(status="postponed")}, written=NOW)
    assert shown(refresh(project)) == {"g1": "no event"}


@pytest.mark.parametrize("etag", ["", "the same"])
def test_a_document_written_again_unchanged_confirms_its_games_anew(project: Project, etag: str):
    put(project, {"schedule/2023-24.csv": line(status="scheduled")}, written=NOW - timedelta(days=30))
    refresh(project, objects=with_etag(project, etag))
    put(project, {"schedule/2023-24.csv": line(status="scheduled")}, written=NOW - timedelta(days=1))
    assert game(refresh(project, objects=with_etag(project, etag)))["confirmed_at"] == NOW - timedelta(days=1)


def with_etag(project: Project, etag: str) -> Any:
    """List the lake as a store would that names versions by content, or a report without ETags."""
    objects = listing.take(project.lake).objects
    return objects.set_column(objects.column_names.index("etag"), "etag", [[etag] * objects.num_rows])


def test_a_document_that_is_gone_is_forgotten(project: Project):
    put(project, {"schedule/2023-24.csv": line("g1"), "schedule/2022-23.csv": line("g2", home="SEA")})
    refresh(project)
    project.lake.delete("schedule/2023-24.csv")
    assert shown(refresh(project)) == {"g2": "final"}


def test_a_document_that_goes_while_it_is_read_is_no_fault(project: Project):
    put(project, {"schedule/2023-24.csv": line("g1"), "schedule/2022-23.csv": line("g2", home="SEA")})
    objects = listing.take(project.lake).objects
    project.lake.delete("schedule/2023-24.csv")
    found = refresh(project, objects=objects)
    assert (shown(found), found.documents["games"], found.faults) == ({"g2": "final"}, 1, {})


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
    for found in (refresh(project), refresh(project)):
        assert shown(found) == {"g2": "final"}
        ((key, said),) = faults(found).items()
        assert key == "schedule/2023-24.csv"
        assert said.startswith(fault)
        assert found.documents["games"] == 2


def test_a_document_too_large_to_be_one_is_not_read(project: Project):
    put(project, {"schedule/2023-24.csv": line()})
    seen, watch = watched(project)
    objects = listing.take(project.lake).objects
    huge = objects.set_column(objects.column_names.index("size"), "size", [[MAX_DOCUMENT_BYTES + 1]])
    assert list(faults(refresh(seen, objects=huge))) == ["schedule/2023-24.csv"]
    assert watch.read == {}


@pytest.mark.parametrize(
    ("before", "after"), [("format: games_table", "format: nba_schedule"), (r"pattern: 'g\d+'", "pattern: '[a-f]+'")]
)
def test_a_contract_that_reads_documents_otherwise_has_them_read_again(workshop: "Workshop", before: str, after: str):
    wrong = workshop.project(CONTRACT.replace(before, after), now=NOW)
    put(wrong, {"schedule/2023-24.csv": line()})
    assert list(faults(refresh(wrong))) == ["schedule/2023-24.csv"]
    right = replace(workshop.project(CONTRACT, now=NOW), lake=wrong.lake, state=wrong.state)
    assert shown(refresh(right)) == {"g1": "final"}


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
    put(project, {"cups/2023-24.csv": line(status="in_play")}, written=NOW - timedelta(days=2))
    found = game(refresh(project))
    assert (found["status"], found["confirmed_at"]) == ("in_play", NOW - timedelta(days=2))


def test_one_event_under_two_ids_is_one_game_of_the_schedule_that_says_so(project: Project):
    put(project, {"cups/2023-24.csv": line("g1", "scheduled") + line("g2", "final")})
    found = refresh(project)
    assert shown(found) == {"g1": "no event", "g2": "final"}
    assert shown(found, "others") == {"g1": "scheduled", "g2": "final"}
    assert found.other_ids.to_pylist() == [{"schedule": "games", "game_id": "g1", "season": "2023-24"}]


@pytest.mark.parametrize("name", [SCHEDULE, SCHEDULE_IDS, SCHEDULE_DOCUMENTS])
@pytest.mark.parametrize(
    "spoil",
    [lambda table: table.drop_columns(table.column_names[:1]), lambda table: table.replace_schema_metadata(None)],
)
def test_what_another_version_of_adce_remembered_is_made_anew(project: Project, name: str, spoil: Any):
    put(project, {"schedule/2023-24.csv": line()})
    first = refresh(project)
    project.state.write_table(name, spoil(project.state.read_table(name)))
    assert refresh(project) == first
    project.state.write_table(name, spoil(project.state.read_table(name)))
    put(project, {"schedule/2022-23.csv": line("g2", home="SEA")})
    assert shown(refresh(project)) == {"g1": "final", "g2": "final"}


def test_where_nothing_is_new_nothing_is_written(project: Project, monkeypatch: pytest.MonkeyPatch):
    put(project, {"schedule/2023-24.csv": line(), "schedule/2022-23.csv": b"<html>"})
    first = refresh(project)
    monkeypatch.setattr(type(project.state), "write_table", pytest.fail)
    assert refresh(project) == first


def test_a_contract_that_judges_events_otherwise_has_them_made_again(workshop: "Workshop", project: Project):
    put(project, {"schedule/2023-24.csv": line(status="scheduled")})
    assert game(refresh(project))["event_at"] == datetime(2024, 1, 5, 23, tzinfo=UTC)
    longer = workshop.project(CONTRACT.replace("season_starts: 10", "season_starts: 10, event_hours: 5"), now=NOW)
    seen, watch = watched(replace(project, contract=longer.contract))
    assert game(refresh(seen))["event_at"] == datetime(2024, 1, 6, 1, tzinfo=UTC)
    assert watch.read == {}


SEEN = st.tuples(
    st.sampled_from(["g1", "g2", "g3", "g4", "g5"]),
    st.sampled_from(["final", "scheduled", "postponed", "cancelled"]),
    st.sampled_from(["2024-01-05", "2024-01-06"]),
    st.sampled_from(["BOS", "SEA", ""]),
)
GAMES = st.lists(SEEN, max_size=3, unique_by=lambda one: one[0])
LAKES = st.dictionaries(st.sampled_from(["schedule/2023-24.csv", "old/2023.csv", "cups/2023-24.csv"]), GAMES)


@settings(max_examples=examples(12))
@given(st.lists(LAKES, min_size=2, max_size=4))
def test_what_is_made_from_what_changed_is_what_is_made_from_all(
    workshop: "Workshop", lakes: list[dict[str, list[tuple[str, str, str, str]]]]
):
    project = workshop.project(CONTRACT, now=NOW)
    for hour, documents in enumerate(lakes):
        for key in ("schedule/2023-24.csv", "old/2023.csv", "cups/2023-24.csv"):
            project.lake.delete(key)
        bodies = {
            key: "".join(line(name, status, on=on, home=home) for name, status, on, home in games)
            for key, games in documents.items()
        }
        put(project, bodies, written=NOW + timedelta(hours=hour))
        found = refresh(project)
        anew = workshop.project(CONTRACT, now=NOW)
        assert refresh(replace(anew, lake=project.lake)) == found
        for name in (SCHEDULE, SCHEDULE_IDS):
            assert anew.state.store.get(f"{name}.parquet") == project.state.store.get(f"{name}.parquet")
