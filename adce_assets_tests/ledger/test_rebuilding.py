"""How keys stand is made from the entries again, all of it or nothing; alike in both databases."""

from typing import Any

import pytest
import sqlalchemy as sa

from adce_assets.errors import LedgerError
from adce_assets.ledger.book import Ledger
from adce_assets.ledger.database import entries, head, keys
from adce_assets.ledger.rebuilding import Rebuilt
from adce_assets_tests.ledger.conftest import happened

STRANGER = keys.insert().from_select(
    keys.c.keys(), sa.select(sa.literal("stranger"), *list(keys.c)[1:]).where(keys.c.key == "a")
)


@pytest.fixture
def kept(ledger: Ledger) -> Ledger:
    """A ledger of three keys that have come a different way each."""
    ledger.append([happened("detected", key, why="ünï") for key in "abc"])
    failed = happened("failed", "b", failures=2, next_at="2025-01-16T12:00:00+00:00", what="a\tb\\n")
    ledger.append([happened("planned", "a"), happened("leased", "b"), failed, happened("tombstoned", "c")])
    return ledger


def test_of_a_ledger_that_is_whole_nothing_is_made_anew(kept: Ledger):
    before = sorted(kept.states())
    assert (kept.rebuild(), sorted(kept.states())) == (Rebuilt(3, 0, 0), before)


@pytest.mark.parametrize(
    ("change", "done"),
    [
        (keys.delete(), Rebuilt(3, 3, 0)),
        (keys.delete().where(keys.c.key == "b"), Rebuilt(3, 1, 0)),
        (keys.update().values(state="closed", detail="{}"), Rebuilt(3, 3, 0)),
        (keys.update().where(keys.c.key == "b").values(since="yesterday"), Rebuilt(3, 1, 0)),
        (keys.update().where(keys.c.key == "b").values(next_at=None), Rebuilt(3, 1, 0)),
        (keys.update().where(keys.c.key == "c").values(key="d"), Rebuilt(3, 1, 1)),
        (STRANGER, Rebuilt(3, 0, 1)),
    ],
    ids=["all gone", "one gone", "all changed", "unreadable", "forgotten", "renamed", "a stranger"],
)
def test_whatever_was_changed_of_the_keys_is_made_anew(kept: Ledger, tampered: Any, change: Any, done: Rebuilt):
    before, last = sorted(kept.states()), kept.head()
    tampered(change)
    assert kept.verify().faults
    assert kept.rebuild() == done
    assert (sorted(kept.states()), kept.verify().faults, kept.head()) == (before, (), last)
    assert kept.append([happened("leased", "a")]).refused == ()


@pytest.mark.parametrize(
    "change",
    [
        entries.update().where(entries.c.seq == 5).values(run="another"),
        entries.delete().where(entries.c.seq == 2),
        entries.delete().where(entries.c.seq == 7),
        head.update().values(hash="x"),
    ],
)
def test_from_entries_that_were_changed_nothing_is_made(kept: Ledger, tampered: Any, change: Any):
    tampered(keys.update().where(keys.c.key == "a").values(state="closed"), change)
    with pytest.raises(LedgerError, match="nothing can be made from entries that were changed"):
        kept.rebuild()
    state = kept.state("a")
    assert state is not None
    assert state.state == "closed"


def test_keys_are_made_anew_in_parts_and_it_is_told_how_far(
    kept: Ledger, tampered: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adce_assets.ledger.rebuilding.KEYS_AT_ONCE", 2)
    tampered(keys.delete())
    stages: list[tuple[str, int, int | None]] = []

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        stages.append((stage + note, done, total))

    assert kept.rebuild(progress=progress) == Rebuilt(3, 3, 0)
    assert stages == [("rebuild", 5, 7), ("rebuild", 7, 7)]


def test_an_empty_ledger_has_nothing_to_be_made(ledger: Ledger):
    assert ledger.rebuild() == Rebuilt(0, 0, 0)
