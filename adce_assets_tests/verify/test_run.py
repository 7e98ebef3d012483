"""A season on its way into the warehouse: what comes of it, what is written down, what is left when it is killed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from adce_assets.errors import ConfigurationError, VerifyError
from adce_assets.ledger.chain import moment_text
from adce_assets.verify import audit, report
from adce_assets.verify.checks import Level
from adce_assets.warehouse import loading
from adce_assets.warehouse.database import Warehouse, open_warehouse
from adce_assets.warehouse.parser import Parsed, ParserDiedError
from adce_assets_tests.verify.seeding import NOW, SEASON, Killed, Workshop, changed, failed, key_of
from adce_assets_tests.warehouse.conftest import InThisProcess

pytestmark = pytest.mark.usefixtures("swift")
LOADED = ("games",)


@pytest.fixture
def light(workshop: Workshop) -> Workshop:
    """The same with counts alone, where more is not what is tested."""
    workshop.entities = changed("games", hash=False, amounts={}, rules=())
    return workshop


def audited(workshop: Workshop) -> list[audit.Entry]:
    """All rows of the audit, which has to fit together."""
    with open_warehouse(workshop.url) as warehouse, warehouse.transaction() as connection:
        entries = list(audit.entries(connection))
        assert not audit.verify(entries, audit.head(connection))
    return entries


def events(workshop: Workshop, run: str) -> list[str]:
    return [entry.event for entry in audited(workshop) if entry.run == run and entry.event not in {"check", "worker"}]


def test_a_sound_season_is_published_with_every_check_in_report_and_audit(workshop: Workshop):
    told = workshop.run("games", "run-2")
    assert (told["outcome"], told["published"], told["says"]) == ("reconciled", True, "everything is accounted for")
    assert {one["type"] for one in told["checks"]} == {"COUNT", "HASH", "AMOUNT_TOTAL", "BUSINESS_RULE"}
    assert {one["level"] for one in told["checks"]} == {*Level}
    in_audit = [entry.what for entry in audited(workshop) if entry.run == "run-2" and entry.event == "check"]
    assert set(in_audit) == {one["id"] for one in [*told["checks"], *told["run"]["checks"]]}
    assert workshop.rows("SELECT count(*), min(last_run_id) FROM games") == [(3, "run-2")]
    assert report.read(workshop.files, report.latest_key("games", SEASON)) == told
    assert report.find(workshop.files, entity=None, season=None, run="run-2") == told


def test_a_season_without_objects_is_a_failure_and_deletes_nothing(light: Workshop):
    told = light.run("games", "run-2", keys=lambda: {"espn": []})
    assert (told["outcome"], told["published"], told["totals"]["checks"]) == ("failed", False, 0)
    assert told["totals"]["success_rate_pct"] == 0.0
    assert light.rows("SELECT count(*) FROM games") == [(3,)]
    assert events(light, "run-2") == ["started", "ended"]


def test_an_entity_that_does_not_block_is_published_and_says_what_is_wrong(workshop: Workshop):
    workshop.entities = changed("games", blocking=False)
    workshop.tampering = {
        "before": ["UPDATE staging_games SET home_score = home_score + 1 WHERE game_id = '401700001'"]
    }
    told = workshop.run("games")
    assert (told["outcome"], told["published"]) == ("failed", True)


def test_the_lake_is_not_asked_for_times_while_others_wait_for_the_warehouse(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    alone, heads, lend, head = [0], [], Warehouse.transaction, workshop.lake.head

    @contextmanager
    def lent(self: Warehouse, *, alone_: bool = False) -> Iterator[Any]:
        with lend(self, alone=alone_) as connection:
            alone[0] += alone_
            try:
                yield connection
            finally:
                alone[0] -= alone_

    monkeypatch.setattr(Warehouse, "transaction", lambda self, *, alone=False: lent(self, alone_=alone))
    monkeypatch.setattr(workshop.lake, "head", lambda key: heads.append(alone[0]) or head(key))
    young(workshop)
    workshop.entities = changed("games", blocking=False, hash=False)
    workshop.tampering = {"before": ["UPDATE staging_games SET home_score = home_score + 1"]}
    told = workshop.run("games", "run-2")
    assert (told["outcome"], told["published"], set(heads)) == ("settling", True, {0})
    assert {row["written_at"] for one in failed(told).values() for row in one["rows"]} == {
        moment_text(workshop.lake.written_at)
    }


def test_without_hashes_the_documents_are_not_read_again(workshop: Workshop):
    workshop.entities = changed("games", hash=False)
    told = workshop.run("games")
    assert told["by_type"]["HASH"]["checks"] == 0
    assert {one["level"] for one in told["checks"] if one["type"] == "AMOUNT_TOTAL"} == {"staged->final"}


def test_an_unknown_entity_is_named_with_those_there_are(workshop: Workshop):
    with pytest.raises(ConfigurationError, match="play_by_play, player_box"):
        workshop.run("gmes")


def test_a_run_that_goes_on_under_its_name_is_not_given_up(light: Workshop):
    light.tampering = {"dies": lambda sql: sql.startswith('DELETE FROM "games"')}
    with pytest.raises(Killed):
        light.run("games", "killed")
    light.tampering = {}
    assert light.run("games", "killed")["published"]
    assert events(light, "killed") == ["started", "started", "ended"]


def young(workshop: Workshop) -> None:
    """All was written ten minutes ago, and one object changes between those who look at it."""
    workshop.lake.written_at = NOW - timedelta(minutes=10)


def older(body: bytes) -> bytes:
    """The document as it was before its last play: the game was not over."""
    told = json.loads(body)
    told["header"]["competitions"][0]["status"]["type"].update(name="STATUS_IN_PROGRESS", state="in", completed=False)
    return json.dumps(told).encode()


def test_what_is_in_flight_is_looked_at_again_before_it_is_reported(light: Workshop):
    young(light)
    light.lake.spoiled = {(key_of(1), 1): older(light.store.get(key_of(1)))}
    told = light.run("games", "run-2")
    assert (told["outcome"], told["published"], told["run"]["id"]) == ("reconciled", True, "run-2-2")
    first = [entry for entry in audited(light) if entry.run == "run-2" and entry.event == "ended"]
    assert [entry.state for entry in first] == ["settling"]


def test_what_stays_in_flight_is_settling_and_not_wrong_and_not_published(light: Workshop):
    young(light)
    light.lake.spoiled = {(key_of(1), turn): older(light.store.get(key_of(1))) for turn in (1, 4)}
    told = light.run("games", "run-2")
    assert (told["outcome"], told["published"]) == ("settling", False)
    assert {one["state"] for one in failed(told).values()} == {"settling"}


def test_who_may_wait_looks_again_when_it_has_settled(light: Workshop):
    young(light)
    now, waited = [NOW], []
    light.clock = lambda: now[0]

    def wait(seconds: float) -> None:
        asked = [sys.executable, "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])"]
        subprocess.run([*asked, str(light.folder / "warehouse.duckdb")], check=True)  # others may have it meanwhile
        assert report.find(light.files, entity=None, season=None, run="run-2")["outcome"] == "settling"
        waited.append(seconds)
        now[0] += timedelta(seconds=seconds)

    light.lake.spoiled = {(key_of(1), turn): older(light.store.get(key_of(1))) for turn in (1, 4)}
    told = light.run("games", "run-2", wait=wait)
    assert waited == [20 * 60.0]
    assert told["outcome"] == "failed"
    assert key_of(1) in str(failed(told))


def test_what_is_old_is_wrong_at_once(light: Workshop):
    light.lake.spoiled = {(key_of(1), 1): older(light.store.get(key_of(1)))}
    told = light.run("games", "run-2")
    assert (told["outcome"], told["run"]["id"]) == ("failed", "run-2")


class DiesOnce(InThisProcess):
    """A parser whose first process is killed by the second document that it is given."""

    given: ClassVar[list[str]] = []

    def parse(self, source: str, body: bytes) -> Parsed:
        self.given.append(source)
        if len(self.given) == 2:
            raise ParserDiedError("killed by signal 9")
        return super().parse(source, body)


def test_a_worker_that_was_killed_and_started_again_balances(light: Workshop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "Parser", DiesOnce)
    told = light.run("games", "run-2")
    assert told["published"], told["says"]
    (worker,) = told["run"]["workers"]
    assert (worker["started"], worker["read"], worker["staged"]) == (2, 3, 3)
    assert all(one["state"] == "passed" for one in told["run"]["checks"])


def test_sources_that_differ_are_resolved_by_trust(workshop: Workshop):
    cdn: dict[str, Any] = {
        "game": {
            "gameId": "0022400500",
            "gameStatus": 3,
            "gameEt": "2025-01-14T19:30:00-05:00",
            "period": 4,
            **{side: {"teamTricode": team, "score": 101} for side, team in (("homeTeam", "H1"), ("awayTeam", "A1"))},
        }
    }
    for side in ("homeTeam", "awayTeam"):
        cdn["game"][side]["periods"] = [{"score": points} for points in (26, 25, 25, 25)]
    workshop.store.put("nba/0022400500.json", json.dumps(cdn).encode())
    keys: Callable[[], Any] = lambda: {"espn": workshop.keys, "nba_cdn": ["nba/0022400500.json"]}  # noqa: E731 - short
    told = workshop.run("games", "run-2", keys=keys)
    (check,) = failed(told).values()
    assert (check["name"], check["severity"], told["published"]) == ("sources_agree_on_the_score", "warning", True)
    asked = "SELECT home_team, home_score, sources, agreed, run_id FROM games_resolved ORDER BY home_team"
    rows = workshop.rows(asked)
    assert rows[1] == ("H1", 101, "nba_cdn,espn", False, "run-2")
    assert [row[2:4] for row in (rows[0], rows[2])] == [("espn", True)] * 2


def test_a_report_that_was_changed_or_is_not_there_is_refused(workshop: Workshop):
    with pytest.raises(VerifyError, match="no such report"):
        report.find(workshop.files, entity="games", season="1999-00", run=None)
    key = report.latest_key("games", SEASON)
    body = workshop.files.get(key)
    workshop.files.put(key, body.replace(b'"passed": 28', b'"passed": 27'))
    with pytest.raises(VerifyError, match="not the report that was written"):
        report.read(workshop.files, key)
    workshop.files.put(key, body[:-20])
    with pytest.raises(VerifyError, match="no report"):
        report.read(workshop.files, key)


def test_moments_are_told_in_utc(light: Workshop):
    light.clock = lambda: datetime.fromisoformat("2025-03-01T20:00:00+08:00")
    told = light.run("games")
    assert told["run"]["started_at"] == "2025-03-01T12:00:00.000000+00:00"
    assert datetime.fromisoformat(told["checks"][0]["checked_at"]) == NOW.astimezone(UTC)
