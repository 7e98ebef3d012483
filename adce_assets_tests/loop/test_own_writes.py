"""What the loop itself wrote since a moment, from receipts of which each file is read once."""

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adce_assets.errors import LakeError, ObjectNotFoundError
from adce_assets.ledger.receipts import Receipt, write_receipts
from adce_assets.loop import own_writes
from adce_assets.loop.project import Project
from adce_assets.loop.state import RECEIPTS
from adce_assets_tests.loop.hoops import CONTRACT, NOW, TICK
from adce_assets_tests.receipts import receipt

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

HOUR = timedelta(hours=1)


@dataclass
class CountingLake:
    """A lake that counts what is read of it."""

    lake: Any
    read: Counter[str] = field(default_factory=Counter)
    lost: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lake, name)

    def get(self, key: str, **part: Any) -> bytes:
        self.read[key] += 1
        if key in self.lost:
            raise LakeError("the object could not be read", where=key)
        if key in self.gone:
            raise ObjectNotFoundError("there is no such object", where=key)
        return self.lake.get(key, **part)


@pytest.fixture
def project(workshop: "Workshop") -> Project:
    return workshop.project(CONTRACT, now=NOW)


def write(project: Project, name: str, *receipts: Receipt) -> str:
    return write_receipts(project.lake, name, source="official", data_type="pbp", season="all", receipts=receipts)


def counting(project: Project, *lost: str) -> tuple[Project, CountingLake]:
    lake = CountingLake(project.lake, lost=frozenset(lost))
    watched: Any = lake
    return replace(project, lake=watched), lake


def told(project: Project, moment: datetime) -> list[tuple[str, int, datetime]]:
    table, _ = own_writes.since(project, moment)
    return sorted((row["key"], row["size"], row["last_modified"]) for row in table.to_pylist())


def test_without_receipts_nothing_is_told_and_nothing_kept(project: Project):
    table, requests = own_writes.since(project, NOW)
    assert (table.num_rows, table.column_names, requests) == (0, ["file", "key", "size", "last_modified"], 0)
    assert project.state.store.head(f"{RECEIPTS}.parquet") is None


def test_what_was_written_since_a_moment_is_told_and_what_was_written_before_it_is_not(project: Project):
    write(project, "r1", receipt("a", NOW - TICK), receipt("b", NOW), receipt("c", NOW + TICK, 9))
    assert told(project, NOW) == [("b", 7, NOW), ("c", 9, NOW + TICK)]
    assert [key for key, _, _ in told(project, NOW - HOUR)] == ["a", "b", "c"]


def test_a_file_of_one_run_tells_of_each_of_its_receipts(project: Project):
    file = write(project, "r1", receipt("a", NOW), receipt("a", NOW + HOUR), receipt("b", NOW))
    table, _ = own_writes.since(project, NOW - HOUR)
    assert table["file"].to_pylist() == [file] * 3


@pytest.mark.parametrize("hours", [0, 1, 12, 13, 36, 100])
def test_receipts_of_every_day_since_the_moment_are_read_and_of_no_day_before(project: Project, hours: int):
    times = [NOW - HOUR * ago for ago in range(0, 120, 5)]
    files = {write(project, f"r{n}", receipt(f"k{n}", at)): at for n, at in enumerate(times)}
    watched, lake = counting(project)
    moment = NOW - HOUR * hours
    assert {at for _, _, at in told(watched, moment)} == {at for at in times if at >= moment}
    assert set(lake.read) == {file for file, at in files.items() if at.date() >= moment.date()}


def test_each_file_is_read_once(project: Project):
    first = write(project, "r1", receipt("a", NOW))
    watched, lake = counting(project)
    before = [told(watched, NOW - HOUR) for _ in range(3)]
    second = write(project, "r2", receipt("b", NOW + HOUR))
    after = [told(watched, NOW - HOUR) for _ in range(2)]
    assert lake.read == {first: 1, second: 1}
    assert before == [[("a", 7, NOW)]] * 3
    assert after == [[("a", 7, NOW), ("b", 7, NOW + HOUR)]] * 2


def test_what_is_remembered_is_not_written_again_while_nothing_is_new(project: Project):
    write(project, "r1", receipt("a", NOW))
    told(project, NOW - HOUR)
    kept = project.state.store.head(f"{RECEIPTS}.parquet")
    told(project, NOW)
    assert project.state.store.head(f"{RECEIPTS}.parquet") == kept


def test_a_damaged_memory_is_made_anew(project: Project, caplog: pytest.LogCaptureFixture):
    write(project, "r1", receipt("a", NOW))
    told(project, NOW - HOUR)
    project.state.store.put(f"{RECEIPTS}.parquet", b"PAR1 no more")
    with caplog.at_level(logging.WARNING):
        assert told(project, NOW - HOUR) == [("a", 7, NOW)]
    assert "forgotten, and made anew" in caplog.text


def test_receipts_that_have_gone_tell_nothing_more(project: Project):
    gone = write(project, "r1", receipt("a", NOW))
    write(project, "r2", receipt("b", NOW))
    told(project, NOW - HOUR)
    project.lake.delete(gone)
    assert told(project, NOW - HOUR) == [("b", 7, NOW)]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("2024-01-15/official.pbp.all.r9.json", b""),
        ("2024-01-15/official.pbp.all.r9.json", b'{"schema": 1}'),
        ("2024-01-15/official.box.all.r9.json", None),
        ("2024-01-15/notes.txt", b"hello"),
        ("2024-01-15/deeper/official.pbp.all.r9.json", None),
        ("9999-99-99", b"\xff"),
        ("2024-01-15/é", b"{}"),
    ],
)
def test_receipts_that_cannot_be_believed_are_passed_over_with_a_warning(
    project: Project, caplog: pytest.LogCaptureFixture, name: str, body: bytes | None
):
    good = write(project, "r1", receipt("a", NOW))
    project.lake.put(f"_adce/receipts/{name}", project.lake.get(good) if body is None else body)
    watched, lake = counting(project)
    with caplog.at_level(logging.WARNING):
        assert [told(watched, NOW - HOUR) for _ in range(3)] == [[("a", 7, NOW)]] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert name in caplog.text
    assert lake.read == {good: 1, f"_adce/receipts/{name}": 1}


@pytest.mark.parametrize("name", ["official/pbp/all/r1.json", "zzz/é", ":/r1.json", "2024-01-14/r1.json"])
def test_receipts_of_another_layout_or_an_earlier_day_are_not_even_listed(
    project: Project, caplog: pytest.LogCaptureFixture, name: str
):
    project.lake.put(f"_adce/receipts/{name}", b"{}")
    watched, lake = counting(project)
    with caplog.at_level(logging.WARNING):
        assert told(watched, NOW) == []
    assert (lake.read, caplog.records) == ({}, [])


def test_a_file_that_had_gone_when_it_was_to_be_read_is_looked_for_again(
    project: Project, caplog: pytest.LogCaptureFixture
):
    file = write(project, "r1", receipt("a", NOW))
    watched, lake = counting(project)
    lake.gone = frozenset({file})
    with caplog.at_level(logging.WARNING):
        assert told(watched, NOW - HOUR) == []
    assert file in caplog.text
    lake.gone = frozenset()
    assert told(watched, NOW - HOUR) == [("a", 7, NOW)]


def test_what_could_not_be_believed_is_read_again_when_it_is_mended(project: Project):
    file = write(project, "r1", receipt("a", NOW))
    whole = project.lake.get(file)
    project.lake.put(file, whole[:-9])
    write(project, "r2", receipt("b", NOW))
    assert told(project, NOW - HOUR) == [("b", 7, NOW)]
    project.lake.put(file, whole)
    assert told(project, NOW - HOUR) == [("a", 7, NOW), ("b", 7, NOW)]


def test_receipts_that_cannot_be_read_are_not_taken_for_none(project: Project):
    file = write(project, "r1", receipt("a", NOW))
    watched, _ = counting(project, file)
    with pytest.raises(LakeError, match="could not be read"):
        own_writes.since(watched, NOW - HOUR)
    assert project.state.store.head(f"{RECEIPTS}.parquet") is None


def test_markers_and_data_are_no_receipts(project: Project):
    for key in ("_adce/completions/official/pbp/all/r1.json", "_adce/receipts2/2024-01-15/x.json", "pbp/g0001.json"):
        project.lake.put(key, b"{}")
    watched, lake = counting(project)
    assert told(watched, datetime(1999, 12, 31, 23, tzinfo=UTC)) == []
    assert lake.read == {}
