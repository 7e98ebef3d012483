"""A row that was not written by the ledger stops what needs it with words, and nothing is written over what is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from adce_assets.errors import LedgerError
from adce_assets.ledger.book import Ledger
from adce_assets.ledger.database import entries, head, keys
from adce_assets.ledger.transitions import Event
from adce_assets_tests.ledger.conftest import happened

BAD = [
    {"state": "lost"},
    {"since": "yesterday"},
    {"since": ""},
    {"lease_until": "soon"},
    {"detail": ""},
    {"detail": "{"},
    {"detail": "[" * 100_000},
]
UNSEEN = ("detail",)
"""What is not looked at where only the next state is asked for."""


@pytest.fixture
def kept(ledger: Ledger) -> Ledger:
    """A ledger of two keys."""
    ledger.append([happened("detected", "a", why="new"), happened("detected", "b")])
    return ledger


@pytest.mark.parametrize("change", BAD, ids=lambda change: str(change)[:30])
def test_a_bad_row_of_a_key_is_an_error_that_names_the_key(kept: Ledger, tampered: Any, change: dict[str, str]):
    tampered(keys.update().where(keys.c.key == "a").values(change))
    questions: list[Callable[[], Any]] = [lambda: list(kept.states()), lambda: kept.state("a")]
    if not set(change) & set(UNSEEN):
        questions.append(lambda: kept.append([happened("planned", "a")]))
    for ask in questions:
        with pytest.raises(LedgerError, match="how `a` stands cannot be read") as raised:
            ask()
        assert "adce ledger verify" in str(raised.value)
    state = kept.state("b")
    assert state is not None
    assert state.seq == 2
    assert kept.verify().faults


def test_a_state_that_nobody_knows_is_an_error_where_keys_are_counted(kept: Ledger, tampered: Any):
    tampered(keys.update().where(keys.c.key == "a").values(state="lost"))
    with pytest.raises(LedgerError, match="the state `lost` of 1 keys cannot be read"):
        kept.counts()


def test_a_head_that_is_lost_is_not_made_anew_over_entries(
    kept: Ledger, opened: Callable[[str], Ledger], database_url: str, tampered: Any
):
    assert kept.head().seq == 2
    tampered(head.delete())
    for _ in range(2):
        with pytest.raises(LedgerError, match="nobody knows any more which entry is the last"):
            opened(database_url).append([happened("planned", "a")])


def test_a_head_is_made_where_there_are_no_entries(
    kept: Ledger, opened: Callable[[str], Ledger], database_url: str, tampered: Any
):
    assert kept.head().seq == 2
    tampered(head.delete(), entries.delete(), keys.delete())
    assert opened(database_url).head().seq == 0


def test_what_is_said_of_a_key_as_it_was_seen_is_refused_once_more_has_happened(kept: Ledger):
    seen = kept.state("a")
    assert seen is not None
    told = happened("planned", "a")
    late = type(told)("a", Event.PLANNED, "espn", "pbp", "2024-25", told.at, "run-1", "task-1", {}, seen.seq)
    assert kept.append([late]).refused == ()
    withdrawn = type(told)("a", Event.WITHDRAWN, "espn", "pbp", "2024-25", told.at, after=seen.seq)
    (refused,) = kept.append([withdrawn]).refused
    assert refused.state == "planned"
    assert kept.verify().faults == ()
