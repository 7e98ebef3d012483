"""What a program writes is taken away from its key if it must not become data, and nothing else is."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adce_assets.errors import VerifyError
from adce_assets.fetch.staging import QUARANTINE
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.scrapers.collect import collect
from adce_assets.scrapers.command import Launched, Programs
from adce_assets.scrapers.entries import ScraperEntry
from adce_assets.scrapers.interface import Wanted
from adce_assets.scrapers.processes import Ended
from adce_assets.scrapers.reports import DataSetReport
from adce_assets_tests.scrapers.called_programs import NOW, WELL, Called, entry, installed, wanted


@pytest.fixture
def lake(tmp_path: Path) -> LakeStore:
    (tmp_path / "lake").mkdir()
    return open_store((tmp_path / "lake").as_uri())


@pytest.fixture
def programs(tmp_path: Path, lake: LakeStore) -> Programs:
    return installed(tmp_path, lake)


OTHER = json.dumps({"game_id": "0000000000", "players": [{"points": 1}] * 9}).encode()
GOOD = json.dumps({"game_id": wanted().entity["game_id"], "players": [{"points": 3}] * 9}).encode()


def writing(lake: LakeStore, body: bytes) -> Called:
    def writes(launched: Launched) -> Ended:
        for key in launched.told["keys"]:
            lake.put(key, body)
        return WELL

    return Called(writes)


def ran(entry: ScraperEntry, asked: list[Wanted], programs: Programs) -> DataSetReport:
    report = collect(entry, asked, client=programs, store=programs.store, run_id=programs.run_id, clock=lambda: NOW)
    return report.data_sets["club/boxes"]


def aside(lake: LakeStore) -> dict[str, bytes]:
    """What lies in quarantine, by its name there, without the reasons."""
    place = f"{QUARANTINE}run-1/"
    found = {there.key.removeprefix(place): lake.get(there.key) for there in lake.list(place)}
    return {name: body for name, body in found.items() if not name.endswith(".reason.json")}


@pytest.mark.parametrize("body", [OTHER, b"", b'{"game_id": ', b"<html><title>Access denied</title></html>" * 20])
def test_what_fails_the_audit_does_not_stay_under_its_key(programs: Programs, lake: LakeStore, body: bytes):
    programs.launch = writing(lake, body)
    report = ran(entry(), [wanted()], programs)
    assert (report.collected, report.failed.total()) == (0, 1)
    assert lake.head(wanted().key) is None
    assert aside(lake) == {wanted().key: body}


def test_what_fails_the_audit_does_not_stay_in_the_place_of_what_was_good(programs: Programs, lake: LakeStore):
    old = replace(wanted(), etag=lake.put(wanted().key, GOOD))
    programs.launch = writing(lake, OTHER)
    report = ran(entry(), [old], programs)
    assert (report.collected, dict(report.failed)) == (0, {"wrong_entity": 1})
    assert lake.head(old.key) is None
    assert aside(lake) == {old.key: OTHER, f"{old.key}.before": GOOD}


@pytest.mark.parametrize(("begun", "kept"), [(timedelta(days=2), False), (timedelta(hours=1), True)])
def test_a_day_that_can_only_be_had_while_it_lasts_is_taken_away_if_it_came_too_late(
    programs: Programs, lake: LakeStore, begun: timedelta, *, kept: bool
):
    now = [datetime(2025, 1, 15, 12, tzinfo=UTC)]
    window = (now[0] - timedelta(days=1), now[0] + timedelta(days=1))

    def slow(launched: Launched) -> Ended:
        now[0] += begun
        return writing(lake, GOOD)(launched)

    programs.clock, programs.launch = (lambda: now[0]), slow
    (told,) = collect(
        entry(), [wanted(window=window)], client=programs, store=lake, run_id="run-1", clock=programs.clock
    ).data_sets.values()
    assert (told.collected, dict(told.failed)) == ((1, {}) if kept else (0, {"lost": 1}))
    assert (lake.head(wanted().key) is not None) == kept
    assert aside(lake) == ({} if kept else {wanted().key: GOOD})


def test_what_somebody_else_wrote_meanwhile_is_not_taken_away(
    programs: Programs, lake: LakeStore, monkeypatch: pytest.MonkeyPatch
):
    def audited(*_: Any, **__: Any) -> None:
        lake.put(wanted().key, GOOD)
        raise VerifyError("another game")

    programs.launch = writing(lake, OTHER)
    monkeypatch.setattr("adce_assets.scrapers.command.audit", audited)
    ran(entry(), [wanted()], programs)
    assert lake.get(wanted().key) == GOOD


def test_what_lay_there_before_the_call_is_never_taken_away(programs: Programs, lake: LakeStore):
    lake.put(wanted().key, OTHER)
    programs.launch = Called()
    assert ran(entry(), [wanted()], programs).failed.total() == 1
    assert lake.get(wanted().key) == OTHER
