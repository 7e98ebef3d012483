"""A scraper that has begun to fail says since when and at what, until it is well again."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adce_assets.lake.store import LakeStore, open_store
from adce_assets.scrapers.failing import FAILING, note
from adce_assets.scrapers.reports import CollectReport, DataSetReport, NotCollected

NOW = datetime(2024, 12, 10, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> LakeStore:
    return open_store(tmp_path.as_uri())


def report(**failed: int) -> CollectReport:
    """Report a run of ``some/games``: keys by class of failure, and ``written`` ones."""
    written = failed.pop("written", 0)
    worst = [NotCollected(f"{name}.json", name, f"it was {name}") for name in failed]
    told = DataSetReport(asked=written + sum(failed.values()), written=written, failed=Counter(failed), worst=worst)
    return CollectReport({"some/games": told}, requests=1)


def test_the_first_failed_run_is_remembered_and_the_newest_says_at_what(lake: LakeStore):
    note(lake, "one", report(busy=3), NOW)
    later = note(lake, "one", report(drift=2, busy=1), NOW + timedelta(days=2))["some/games"]
    assert (later.since, later.runs, later.keys) == (NOW, 2, 6)
    assert (later.failure, later.what) == ("drift", "it was drift")
    assert str(later).startswith("failing since 2024-12-10 12:00 UTC, in 2 run(s) at 6 key(s); the newest: drift")


def test_one_key_that_is_settled_ends_it_and_leaves_nothing_behind(lake: LakeStore):
    note(lake, "one", report(busy=3), NOW)
    assert note(lake, "one", report(busy=2, written=1), NOW) == {}
    assert list(lake.list(FAILING)) == []


def test_a_run_for_nothing_changes_nothing(lake: LakeStore):
    before = note(lake, "one", report(busy=3), NOW)
    assert note(lake, "one", report(), NOW) == before


def test_scrapers_and_data_sets_fail_by_themselves(lake: LakeStore):
    note(lake, "one", report(busy=3), NOW)
    assert note(lake, "two", report(written=1), NOW) == {}
    other = CollectReport({"some/days": DataSetReport(asked=1, written=1)}, requests=1)
    assert list(note(lake, "one", other, NOW)) == ["some/games"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"schema":2,"data_sets":{}}', b'{"schema":1,"data_sets":{"a":1}}']
)
def test_a_record_that_cannot_be_believed_says_nothing_and_is_replaced(lake: LakeStore, body: bytes):
    lake.put(f"{FAILING}one.json", body)
    assert note(lake, "one", report(busy=3), NOW)["some/games"].since == NOW
    assert note(lake, "one", report(busy=3), NOW)["some/games"].runs == 2
