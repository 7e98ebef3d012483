"""A ledger in a database that others have set up: in another encoding, or by an ADCE of before."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from adce_assets.errors import LedgerError
from adce_assets.ledger.book import Ledger
from adce_assets_tests.ledger.conftest import emptied, happened

MUELLER = "spieler/Müller.json"


def latin(url: str) -> str:
    """Make a database that knows the letters of western Europe alone."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS latin")
            how = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
            cursor.execute(f"CREATE DATABASE latin {how}")
    return make_url(url).set(database="latin").render_as_string(hide_password=False)


@pytest.mark.parametrize("told_by", ["the database", "the environment"])
def test_a_key_is_kept_as_it_is_whatever_the_encoding(
    opened: Callable[[str], Ledger], postgresql: Any, told_by: str, monkeypatch: pytest.MonkeyPatch
):
    if told_by == "the database":
        ledger = opened(latin(postgresql.get_uri()))
    else:
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
        ledger = opened(emptied(postgresql.get_uri()))
    ledger.append([happened("detected", MUELLER)])
    assert ledger.state(MUELLER) is not None
    assert [state.key for state in ledger.states()] == [MUELLER]
    assert ledger.verify().faults == ()


def test_what_the_database_has_no_letters_for_is_refused(opened: Callable[[str], Ledger], postgresql: Any):
    ledger = opened(latin(postgresql.get_uri()))
    with pytest.raises(LedgerError, match="LATIN1"):
        ledger.append([happened("detected", "spieler/Łukasz.json")])
    assert ledger.head().seq == 0


def test_a_ledger_of_before_gets_the_indexes_of_now(
    opened: Callable[[str], Ledger], database_url: str, tampered: Callable[..., None]
):
    assert opened(database_url).append([happened("detected", "a")]).entries == 1
    tampered(
        sa.text("DROP INDEX ledger_keys_held"),
        sa.text("CREATE INDEX ledger_keys_by_state ON ledger_keys (state)"),
    )
    if database_url.startswith("postgresql"):
        tampered(sa.text("ALTER TABLE ledger_keys RESET (fillfactor)"))
    again = opened(database_url)
    assert again.append([happened("planned", "a")]).entries == 1
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        indexes = {index["name"] for index in sa.inspect(connection).get_indexes("ledger_keys")}
        if database_url.startswith("postgresql"):
            options = connection.scalar(sa.text("SELECT reloptions FROM pg_class WHERE relname = 'ledger_keys'"))
            assert options == ["fillfactor=70"]
    engine.dispose()
    assert indexes == {"ledger_keys_held", "ledger_keys_by_cell"}
    assert again.verify().faults == ()
