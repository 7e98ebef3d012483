"""The record of what was checked: it only grows, and whatever is done to it shows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.ledger.chain import GENESIS, Head
from adce_assets.verify import audit
from adce_assets.verify.audit import Entry, Event, Told
from adce_assets.warehouse.database import Connection, Warehouse, open_warehouse

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with open_warehouse(f"duckdb://{tmp_path / 'warehouse.duckdb'}") as opened:
        with opened.transaction() as connection:
            audit.make(connection)
        yield opened


def told(what: str = "a check", state: str = "passed") -> Told:
    return Told(Event.CHECK, what, state, {"expected": "1", "actual": "1"})


def add(connection: Connection, run: str, *rows: Told) -> tuple[Entry, ...]:
    return audit.append(connection, run, "games", "2024-25", NOW, rows)


def test_rows_follow_each_other_over_transactions_and_processes(warehouse: Warehouse):
    for run in ("one", "two"):
        with warehouse.transaction() as connection:
            add(connection, run, told("a"), told("b"))
        warehouse.close()
    with warehouse.transaction() as connection:
        audit.make(connection)
        entries = list(audit.entries(connection))
        assert [(entry.seq, entry.run, entry.what) for entry in entries] == [
            (1, "one", "a"),
            (2, "one", "b"),
            (3, "two", "a"),
            (4, "two", "b"),
        ]
        assert audit.head(connection) == Head(4, entries[-1].hash, None)
        assert audit.verify(entries, audit.head(connection)) == ()
        assert [entry.seq for entry in audit.entries(connection, "two")] == [3, 4]


def test_what_is_rolled_back_leaves_no_hole(warehouse: Warehouse):
    def undone() -> None:
        with warehouse.transaction() as connection:
            add(connection, "undone", told())
            raise KeyError

    with pytest.raises(KeyError):
        undone()
    with warehouse.transaction() as connection:
        add(connection, "kept", told())
        assert audit.verify(audit.entries(connection), audit.head(connection)) == ()
        assert audit.head(connection).seq == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE verify_audit SET state = 'failed' WHERE seq = 2",
        "UPDATE verify_audit SET detail = '{}' WHERE seq = 2",
        "UPDATE verify_audit SET moment = '2025-03-01T12:00:00.000001+00:00' WHERE seq = 2",
        "UPDATE verify_audit SET run = 'else' WHERE seq = 3",
        "DELETE FROM verify_audit WHERE seq = 1",
        "DELETE FROM verify_audit WHERE seq = 2",
        "DELETE FROM verify_audit WHERE seq = 3",
        "UPDATE verify_audit SET seq = 5 - seq WHERE seq IN (2, 3)",
        "INSERT INTO verify_audit SELECT 4, * EXCLUDE (seq) FROM verify_audit WHERE seq = 3",
        "UPDATE verify_head SET hash = 'else'",
        "UPDATE verify_head SET seq = 2",
    ],
)
def test_whatever_is_done_to_a_row_shows(warehouse: Warehouse, statement: str):
    with warehouse.transaction() as connection:
        add(connection, "run", told("a"), told("b"), told("c"))
    with warehouse.transaction() as connection:
        connection.execute(statement)
        assert audit.verify(audit.entries(connection), audit.head(connection))


def test_a_head_that_was_kept_shows_that_all_was_written_anew(warehouse: Warehouse):
    with warehouse.transaction() as connection:
        add(connection, "run", told("a"), told("b", "failed"))
        kept = audit.head(connection)
        connection.execute("DELETE FROM verify_audit")
        connection.execute("UPDATE verify_head SET seq = 0, hash = ?", (GENESIS,))
        add(connection, "run", told("a"), told("b"))
        assert audit.verify(audit.entries(connection), audit.head(connection)) == ()
        (fault,) = audit.verify(audit.entries(connection), kept)
        assert fault.seq == 2


def test_a_run_of_which_no_end_is_told_is_found(warehouse: Warehouse):
    with warehouse.transaction() as connection:
        for run, events in {"killed": [Event.STARTED], "whole": [Event.STARTED, Event.ENDED]}.items():
            add(connection, run, *(Told(event, "", "", {}) for event in events))
        assert audit.unfinished(connection, "games", "2024-25") == ["killed"]
        assert audit.unfinished(connection, "games", "2023-24") == []


@settings(max_examples=30)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_text_can_be_told_and_fits(texts: list[str]):
    rows = [told(text) for text in texts]
    entries = list(audit._chained(0, GENESIS, "run", "games", "2024-25", "now", rows))
    assert audit.verify(entries, Head(len(entries), entries[-1].hash, None)) == ()
    assert all("\0" not in entry.what for entry in entries)


def test_rows_are_read_a_page_at_a_time(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit, "PAGE", 2)
    with warehouse.transaction() as connection:
        add(connection, "run", *(told(f"{number}") for number in range(5)))
        assert [entry.what for entry in audit.entries(connection)] == ["0", "1", "2", "3", "4"]
