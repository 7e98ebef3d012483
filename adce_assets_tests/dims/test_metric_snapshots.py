"""Days in, snapshots out: in the database and as files, compared, and no more of them than are to be kept."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from adce_assets.dims import snapshots
from adce_assets.dims.snapshots import Difference
from adce_assets.errors import HistoryError, LakeError

if TYPE_CHECKING:
    from adce_assets_tests.dims.conftest import Site

DAY = date(2025, 1, 15)


def files(site: "Site") -> list[str]:
    return [found.key for found in site.project.state.store.list("historical/")]


def test_a_snapshot_says_what_was_measured_and_what_holds(site: "Site"):
    site.verify()
    site.after(minutes=59)
    site.say(objects=150, size=11.0, lines=None)
    site.verify("lake", "code", by="bob")
    document = snapshots.take(site.place, DAY)
    first, later = "2025-01-15T12:00:00+00:00", "2025-01-15T12:59:00+00:00"
    assert document["metadata"] == {"version": 1, "day": "2025-01-15", "taken_at": later}
    assert document["lake"]["objects"] == {
        "unit": "objects",
        "value": 150,
        "at": later,
        "status": "major",
        "drift": 50.0,
        "error": "",
        "accepted": {"value": 100, "at": first, "how": "first", "by": "ann"},
    }
    assert document["lake"]["size"]["accepted"] == {"value": 11.0, "at": later, "how": "update", "by": "bob"}
    lines = document["code"]["lines"]
    assert (lines["value"], lines["status"], lines["error"]) == (None, "error", "lines: nothing was found")
    assert site.place.history.snapshot(DAY) == document
    assert yaml.safe_load(site.project.state.store.get("historical/2025-01-15.yaml")) == document


def test_what_was_never_measured_is_said_to_be_so(small_site: "Site"):
    document = snapshots.take(small_site.place, DAY)
    assert document["lake"]["objects"]["error"] == "has not been measured yet"
    assert document["lake"]["objects"]["accepted"] is None


def test_a_snapshot_of_the_same_day_takes_the_place_of_the_first(small_site: "Site"):
    snapshots.take(small_site.place, DAY)
    small_site.verify()
    document = snapshots.take(small_site.place, DAY)
    assert small_site.place.history.snapshot_days() == [DAY]
    assert yaml.safe_load(small_site.project.state.store.get("historical/2025-01-15.yaml")) == document


def test_only_the_newest_days_are_kept_and_nothing_else_is_touched(small_site: "Site"):
    small_site.project.state.store.put("historical/notes.txt", b"mine")
    for day in range(5):
        snapshots.take(small_site.place, DAY + timedelta(days=day))
    kept = [DAY + timedelta(days=day) for day in (2, 3, 4)]
    assert small_site.place.history.snapshot_days() == kept
    assert files(small_site) == [*(f"historical/{day}.yaml" for day in kept), "historical/notes.txt"]


def test_pruning_takes_what_is_too_old_of_everything(site: "Site"):
    site.verify()
    for day in range(3):
        snapshots.take(site.place, DAY + timedelta(days=day))
    site.project.state.store.put("historical/2019-01-01.yaml", b"left behind by somebody who was killed")
    for days in (9, 2):
        site.after(days=days)
        kept = site.verify()
    gone = snapshots.prune(site.place)
    assert (gone.runs, gone.measurements) == (1, 5)
    assert [run.id for run in site.place.history.runs()] == [kept.run_id, kept.run_id - 1]
    assert files(site) == [f"historical/{DAY + timedelta(days=day)}.yaml" for day in range(3)]


def test_two_days_are_compared_metric_by_metric_the_largest_move_first(site: "Site"):
    site.verify()
    snapshots.take(site.place, DAY)
    site.after(hours=2)
    site.say(objects=150, size=21.0, sync="behind", games=None)
    site.verify()
    snapshots.take(site.place, DAY + timedelta(days=1))
    assert snapshots.compare(site.place, DAY, DAY + timedelta(days=1)) == (
        Difference("code.games", 20, None, None),
        Difference("lake.size", 10.5, 21.0, 100.0),
        Difference("lake.sync", "in_sync", "behind", 100.0),
        Difference("lake.objects", 100, 150, 50.0),
        Difference("code.lines", 40, 40, 0.0),
    )
    back = {one.metric: one for one in snapshots.compare(site.place, DAY + timedelta(days=1), DAY)}
    assert back["lake.size"].drift == 50.0
    assert back["code.games"] == Difference("code.games", None, 20, None)


@pytest.mark.parametrize(("taken", "told"), [([], "none has been taken"), ([DAY], "1 days from 2025-01-15")])
def test_a_day_without_one_is_refused_with_the_days_that_have_one(taken: list[date], told: str, small_site: "Site"):
    for day in taken:
        snapshots.take(small_site.place, day)
    with pytest.raises(HistoryError, match=told):
        snapshots.compare(small_site.place, DAY - timedelta(days=1), DAY)


@pytest.mark.parametrize("document", [{"lake": 5}, {"lake": {"objects": {}}}, {"lake": {"objects": {"value": [1]}}}])
def test_a_snapshot_that_somebody_has_changed_is_refused(document: dict[str, Any], small_site: "Site"):
    small_site.place.history.keep_snapshot(DAY, document)
    with pytest.raises(HistoryError, match="not what was written"):
        snapshots.compare(small_site.place, DAY, DAY)


def test_where_deleting_is_refused_old_files_stay(
    small_site: "Site", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(_: str) -> None:
        raise LakeError("access denied")

    monkeypatch.setattr(small_site.project.state.store, "delete", refuse)
    for day in range(4):
        snapshots.take(small_site.place, DAY + timedelta(days=day))
    assert len(files(small_site)) == 4
    assert "access denied" in caplog.text
