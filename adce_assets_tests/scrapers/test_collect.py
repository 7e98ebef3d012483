"""A task's keys in, exactly those objects in the lake out: the whole way, over a real socket and a real store."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.contract.schedule import Game, GameStatus
from adce_assets.demo.source import LocalSource, Trouble
from adce_assets.errors import ContractError, LakeError
from adce_assets.fetch.client import Client, user_agent
from adce_assets.fetch.limits import Limits
from adce_assets.lake.file_store import FileStore
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.evidence import read_evidence
from adce_assets.ledger.receipts import read_completion, read_receipts
from adce_assets.scrapers.catalogue import Catalogue
from adce_assets.scrapers.collect import CollectReport, collect, wanted
from adce_assets.scrapers.interface import Wanted
from adce_assets_tests.shipped import CATALOGUE as SHIPPED

NOW = datetime(2024, 12, 10, 12, tzinfo=UTC)
CONTRACT = """
version: 1
leagues: {nba: {first_season: 1946-47, season_starts: 10}}
ids: {espn_game: {pattern: '\\d{9}'}}
schedules: {espn: {league: nba, id: espn_game}}
sources:
  espn:
    description: a source
    league: nba
    schedule: espn
    data_types:
      play_by_play: {description: plays, for_each: [game], templates: ['pbp/{game_id}.json', 'old/{game_id}.json']}
      box_scores: {description: box scores, for_each: [game], templates: ['box_scores/{game_id}.json']}
      team_stats: {description: team statistics, for_each: [game], templates: ['team_stats/{game_id}.json']}
      schedule:
        {description: days, for_each: [date], from_date: 1993-08-25, templates: ['schedule/{date_compact}.json']}
"""
GAMES = [
    Game(
        game_id=f"40158478{number}",
        season_start=2024,
        season_type="regular",
        date=date(2024, 12, 1),
        starts_at=datetime(2024, 12, 2, 0, tzinfo=UTC),
        status=GameStatus.FINAL,
        home="BOS",
        away="NYK",
    )
    for number in range(4)
]


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT)
    return load_contract(path)


@pytest.fixture
def lake(tmp_path: Path) -> LakeStore:
    (tmp_path / "lake").mkdir()
    return open_store((tmp_path / "lake").as_uri())


class Collecting:
    """Collects through the shipped catalogue from a local source, and counts what the source was asked."""

    def __init__(self, contract: Contract, lake: LakeStore, source: LocalSource, folder: Path) -> None:
        self.contract, self.lake, self.source = contract, lake, source
        self.catalogue: Catalogue = SHIPPED.with_base_urls({"espn_site": source.url})
        self.limits = Limits(folder / "limits.sqlite")
        self.client = Client(
            self.catalogue.hosts, self.limits, agent=user_agent("tests"), now=lambda: NOW, sleep=lambda _: None
        )

    def want(self, data_type: str, key: str, etag: str | None = None) -> Wanted:
        return wanted(self.contract, f"espn/{data_type}", "2024-25", key, etag)

    def run(self, *asked: Wanted, scraper: str = "espn_summary", run_id: str = "run1", **how: Any) -> CollectReport:
        clock = iter(NOW + timedelta(seconds=tick) for tick in range(10_000))
        return collect(
            self.catalogue.scrapers[scraper].model_copy(update=how.pop("entry", {})),
            asked,
            client=self.client,
            store=self.lake,
            run_id=run_id,
            clock=lambda: next(clock),
            tasks={one.key: "task1" for one in asked},
            **how,
        )

    def data(self) -> list[str]:
        return [found.key for found in self.lake.list() if not found.key.startswith("_adce/")]


def collecting(contract: Contract, lake: LakeStore, folder: Path, **troubles: Trouble) -> Iterator[Collecting]:
    named = {name.removeprefix("game_"): trouble for name, trouble in troubles.items()}
    with LocalSource(GAMES, troubles=named) as source:
        session = Collecting(contract, lake, source, folder)
        yield session
        session.client.close()
        session.limits.dispose()


@pytest.fixture
def session(contract: Contract, lake: LakeStore, tmp_path: Path) -> Iterator[Collecting]:
    yield from collecting(contract, lake, tmp_path)


def test_one_request_fills_the_three_data_sets_of_a_game(session: Collecting) -> None:
    keys = ("pbp/401584780.json", "box_scores/401584780.json", "team_stats/401584780.json")
    report = session.run(*(session.want(name, key) for name, key in zip(TYPES, keys, strict=True)))
    assert session.source.requests == report.requests == 1
    assert session.data() == sorted(keys)
    assert {name: found.written for name, found in report.data_sets.items()} == {f"espn/{name}": 1 for name in TYPES}
    assert json.loads(session.lake.get(keys[0]))["header"]["id"] == "401584780"
    assert session.lake.get(keys[0]) != session.lake.get(keys[1])


TYPES = ("play_by_play", "box_scores", "team_stats")


def test_every_object_has_a_receipt_and_every_cell_a_marker(session: Collecting) -> None:
    session.run(*(session.want("play_by_play", f"pbp/{game.game_id}.json") for game in GAMES))
    receipts_key = f"_adce/receipts/{NOW:%Y-%m-%d}/espn.play_by_play.2024-25.run1-task1-1.json"
    receipts = read_receipts(receipts_key, session.lake.get(receipts_key))
    assert [(receipt.key, receipt.bytes) for receipt in receipts] == [
        (found.key, found.size) for found in session.lake.list("pbp/")
    ]
    marker_key = "_adce/completions/espn/play_by_play/2024-25/run1.json"
    marker = read_completion(marker_key, session.lake.get(marker_key))
    assert marker.status == "ok"
    assert marker.keys == tuple(receipt.key for receipt in receipts)
    assert not list(session.lake.list("_adce/staging/"))


def test_a_key_that_fails_stops_no_other(contract: Contract, lake: LakeStore, tmp_path: Path) -> None:
    troubles = {
        "game_401584780": Trouble("not_found"),
        "game_401584781": Trouble("notice"),
        "game_401584782": Trouble("other_game"),
    }
    for session in collecting(contract, lake, tmp_path, **troubles):
        report = session.run(*(session.want("box_scores", f"box_scores/{game.game_id}.json") for game in GAMES))
        found = report.data_sets["espn/box_scores"]
        assert session.data() == ["box_scores/401584783.json"]
        assert (found.asked, found.written) == (4, 1)
        assert found.failed == {"gone": 1, "not_data": 1, "wrong_entity": 1}
        assert {fault.key for fault in found.worst} == {f"box_scores/40158478{number}.json" for number in range(3)}


def keys_of(session: Collecting, count: int = 4) -> list[Wanted]:
    return [session.want("play_by_play", f"pbp/{game.game_id}.json") for game in GAMES[:count]]


def test_requests_side_by_side_do_what_they_do_one_after_another(session: Collecting) -> None:
    report = session.run(*keys_of(session), at_once=3)
    assert session.data() == [one.key for one in keys_of(session)]
    receipts_key = f"_adce/receipts/{NOW:%Y-%m-%d}/espn.play_by_play.2024-25.run1-task1-1.json"
    receipts = read_receipts(receipts_key, session.lake.get(receipts_key))
    assert sorted(receipt.key for receipt in receipts) == session.data()
    assert (report.collected, report.requests, report.retries) == (4, 4, 0)


class Interrupted(BaseException):
    """Somebody has had enough."""


@pytest.mark.parametrize("at_once", [1, 2, 4])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of sockets that nobody waits for
def test_what_an_interrupted_run_has_promoted_has_its_receipts(session: Collecting, at_once: int) -> None:
    def interrupt(stage: str, done: int, total: int | None, note: str = "") -> None:  # noqa: ARG001 - as `Progress` has it
        raise Interrupted

    with pytest.raises(Interrupted):
        session.run(*keys_of(session), at_once=at_once, progress=interrupt)
    receipts_key = f"_adce/receipts/{NOW:%Y-%m-%d}/espn.play_by_play.2024-25.run1-task1-1.json"
    receipts = read_receipts(receipts_key, session.lake.get(receipts_key))
    assert sorted(receipt.key for receipt in receipts) == session.data()
    assert not list(session.lake.list("_adce/completions/"))


def test_a_retired_scraper_asks_nobody_and_names_its_successor(session: Collecting) -> None:
    report = session.run(*keys_of(session, 1), entry={"valid_until": NOW.date(), "superseded_by": "espn_new"})
    (worst,) = report.data_sets["espn/play_by_play"].worst
    assert (worst.failure, worst.what) == ("gone", "the source ended on 2024-12-10; `espn_new` has what it had")
    assert session.source.requests == report.requests == 0


def test_a_source_that_does_not_let_itself_be_asked_is_not_asked(session: Collecting) -> None:
    report = session.run(*keys_of(session, 2), entry={"unreachable": "robots.txt closes it"})
    found = report.data_sets["espn/play_by_play"]
    assert (found.failed, session.source.requests) == ({"forbidden": 2}, 0)
    assert found.worst[0].what == "the source does not let itself be asked for this: robots.txt closes it"


@pytest.mark.parametrize(("seasons", "asked"), [("2025-26..", 0), ("..2023-24", 0), ("2024-25", 1), ("2002-03..", 1)])
def test_a_season_that_the_source_does_not_have_is_not_asked_for(session: Collecting, seasons: str, asked: int) -> None:
    report = session.run(*keys_of(session, 1), entry={"seasons": seasons})
    assert session.source.requests == asked
    assert report.data_sets["espn/play_by_play"].failed == ({} if asked else {"gone": 1})


def test_a_status_that_means_absent_is_evidence_and_no_failure(
    contract: Contract, lake: LakeStore, tmp_path: Path
) -> None:
    for session in collecting(contract, lake, tmp_path, game_401584780=Trouble("not_found")):
        report = session.run(*keys_of(session, 2), entry={"absent_statuses": (404,)})
        told = report.data_sets["espn/play_by_play"]
        assert (told.confirmed_empty, told.written, told.failed.total()) == (1, 1, 0)
    (key,) = [found.key for found in lake.list("_adce/evidence/")]
    (absent,) = read_evidence(key, lake.get(key))
    assert (absent.key, absent.status, absent.seen_at) == ("pbp/401584780.json", 404, NOW)
    assert absent.probe_again_at > NOW


def test_a_cell_of_which_nothing_could_be_had_is_marked_failed(
    contract: Contract, lake: LakeStore, tmp_path: Path
) -> None:
    for session in collecting(contract, lake, tmp_path, game_401584780=Trouble("not_found")):
        session.run(session.want("play_by_play", "pbp/401584780.json"))
    key = "_adce/completions/espn/play_by_play/2024-25/run1.json"
    assert read_completion(key, lake.get(key)).status == "failed"


def test_a_damaged_object_is_replaced_and_a_good_one_left_alone(session: Collecting) -> None:
    etag = session.lake.put("pbp/401584780.json", b"{")
    session.run(session.want("play_by_play", "pbp/401584780.json", etag))
    good = session.lake.get("pbp/401584780.json")
    assert json.loads(good)["header"]["id"] == "401584780"
    report = session.run(session.want("play_by_play", "pbp/401584780.json"), run_id="run2")
    assert report.data_sets["espn/play_by_play"].already_there == 1
    assert session.lake.get("pbp/401584780.json") == good


def test_an_object_whose_version_the_inventory_did_not_know_is_replaced(session: Collecting) -> None:
    session.lake.put("pbp/401584780.json", b"{")
    report = session.run(
        session.want("play_by_play", "pbp/401584780.json", ""), session.want("play_by_play", "pbp/401584781.json", "")
    )
    assert report.data_sets["espn/play_by_play"].written == 2
    assert json.loads(session.lake.get("pbp/401584780.json"))["header"]["id"] == "401584780"


def test_storage_that_ignores_conditions_is_refused_before_anything_is_asked(session: Collecting) -> None:
    session.lake = CarelessStore(Path(session.lake.url.removeprefix("file://")))
    with pytest.raises(LakeError, match="ignores conditional writes"):
        session.run(session.want("play_by_play", "pbp/401584780.json"))
    assert session.source.requests == 0


class CarelessStore(FileStore):
    """Storage that answers conditional writes with success whatever is there, as several S3 servers do."""

    def put_if_absent(self, key: str, body: bytes | Path) -> str:
        return self.put(key, body)

    def put_if_match(self, key: str, body: bytes | Path, etag: str) -> str:  # noqa: ARG002 - what carelessness is
        return self.put(key, body)


def test_a_day_of_the_schedule_is_collected_too(session: Collecting) -> None:
    session.run(session.want("schedule", "schedule/20241201.json"), scraper="espn_scoreboard")
    assert len(json.loads(session.lake.get("schedule/20241201.json"))["events"]) == len(GAMES)


@pytest.mark.parametrize("key", ["old/401584780.json", "pbp/../../etc.json", "pbp/40158478.json", ""])
def test_a_key_that_the_contract_does_not_write_is_refused(session: Collecting, key: str) -> None:
    with pytest.raises(ContractError, match="is not a key that `espn/play_by_play` writes"):
        session.want("play_by_play", key)
