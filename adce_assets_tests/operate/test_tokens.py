"""A secret is shown once and known by its hash alone; whose it is, is known to every machine of the installation."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from adce_assets.errors import AccessError
from adce_assets.operate.access_database import AccessDatabase
from adce_assets.operate.remembered import ANEW_S, KEPT_S, Remembered
from adce_assets.operate.tokens import Holder, Role, Tokens

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/access.sqlite"
    found = request.getfixturevalue("postgresql").get_uri()
    with closing(psycopg2.connect(found)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS access_tokens, access_actions, access_head")
    return found


@pytest.fixture
def tokens(url: str) -> Iterator[Tokens]:
    database = AccessDatabase(url)
    yield Tokens(database, lambda: NOON)
    database.dispose()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Tokens]:
    """The tokens of one machine, and a clock that stands until a test moves it."""
    database = AccessDatabase(f"sqlite:///{tmp_path}/access.sqlite")
    yield Tokens(database, lambda: NOON, monotonic=lambda: 0.0)
    database.dispose()


def test_a_secret_is_its_holders_and_no_other_is(tokens: Tokens) -> None:
    viewer, operator = tokens.issue("grafana", Role.VIEWER, "ann"), tokens.issue("ops", Role.OPERATOR, "ann")
    assert tokens.holder(viewer) == Holder("grafana", Role.VIEWER)
    assert tokens.holder(operator) == Holder("ops", Role.OPERATOR)
    assert viewer != operator
    for wrong in ("", viewer[:-1], viewer + "x", viewer.upper(), "é" * 40, "x" * 100_000):
        assert tokens.holder(wrong) is None


def test_after_a_rotation_only_the_new_secret_is_good(tokens: Tokens) -> None:
    old = tokens.issue("ci", Role.OPERATOR, "ann")
    new = tokens.rotate("ci")
    assert tokens.holder(old) is None
    assert tokens.holder(new) == Holder("ci", Role.OPERATOR)
    assert tokens.list()[0].rotated_at == NOON


def test_a_revoked_token_is_good_no_more_and_stays_in_the_list(tokens: Tokens) -> None:
    secret = tokens.issue("ci", Role.VIEWER, "ann")
    tokens.revoke("ci")
    assert tokens.holder(secret) is None
    assert [(token.name, token.revoked_at, token.issued_by) for token in tokens.list()] == [("ci", NOON, "ann")]
    again = tokens.issue("ci", Role.OPERATOR, "bob")
    assert tokens.holder(secret) is None
    assert tokens.holder(again) == Holder("ci", Role.OPERATOR)


def test_a_name_is_given_once(tokens: Tokens) -> None:
    secret = tokens.issue("ci", Role.VIEWER, "ann")
    with pytest.raises(AccessError, match="adce token rotate ci"):
        tokens.issue("ci", Role.OPERATOR, "mallory")
    assert tokens.holder(secret) == Holder("ci", Role.VIEWER)


@pytest.mark.parametrize("change", [Tokens.rotate, Tokens.revoke])
def test_what_is_not_there_cannot_be_changed(here: Tokens, change: Any) -> None:
    here.issue("gone", Role.VIEWER, "ann")
    here.revoke("gone")
    for name in ("never", "gone"):
        with pytest.raises(AccessError, match="that is good"):
            change(here, name)


@pytest.mark.parametrize("name", ["", "two words", "-x", "a/b", "a\nb", "x" * 65, "ü"])
def test_a_name_is_plain(here: Tokens, name: str) -> None:
    with pytest.raises(AccessError, match="cannot be the name"):
        here.issue(name, Role.VIEWER, "ann")


def test_nothing_that_is_kept_shows_a_secret_and_nobody_else_may_read_it(here: Tokens, tmp_path: Path) -> None:
    secrets = [here.issue("a", Role.VIEWER, "ann"), here.rotate("a"), here.issue("b", Role.OPERATOR, "ann")]
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("access.sqlite*"))
    assert not any(secret.encode() in kept or secret[5:20].encode() in kept for secret in secrets)
    assert {len(secret) for secret in secrets} == {48}
    assert (tmp_path / "access.sqlite").stat().st_mode & 0o077 == 0


def test_another_process_sees_a_change_within_a_second(tmp_path: Path) -> None:
    seconds = [0.0]
    url = f"sqlite:///{tmp_path}/access.sqlite"
    one, other = AccessDatabase(url), AccessDatabase(url)
    writing, reading = Tokens(one, lambda: NOON), Tokens(other, lambda: NOON, monotonic=lambda: seconds[0])
    secret = writing.issue("ci", Role.VIEWER, "ann")
    assert reading.holder(secret)
    writing.revoke("ci")
    assert reading.holder(secret), "asked again within the second, the database is left alone"
    seconds[0] += ANEW_S + 0.01
    assert reading.holder(secret) is None
    one.dispose()
    other.dispose()


@pytest.mark.parametrize(
    ("role", "wanted", "may"),
    [
        (Role.VIEWER, Role.VIEWER, True),
        (Role.VIEWER, Role.OPERATOR, False),
        (Role.OPERATOR, Role.VIEWER, True),
        (Role.OPERATOR, Role.OPERATOR, True),
    ],
)
def test_an_operator_may_see_and_a_viewer_may_not_do(role: Role, wanted: Role, may: bool) -> None:  # noqa: FBT001 - a table
    assert role.allows(wanted) is may


@pytest.mark.parametrize("spoilt", ["role = 'root'", "hash = 'x'", "issued_at = 'once'"])
def test_a_token_that_was_tampered_with_opens_nothing_more_and_hinders_no_other(
    here: Tokens, tmp_path: Path, spoilt: str
) -> None:
    bad, good = here.issue("bad", Role.VIEWER, "ann"), here.issue("good", Role.VIEWER, "ann")
    with closing(sqlite3.connect(tmp_path / "access.sqlite")) as connection, connection:
        connection.execute(f"UPDATE access_tokens SET {spoilt} WHERE name = 'bad'")
    assert here.holder(good) == Holder("good", Role.VIEWER)
    found = here.holder(bad)
    assert found is None or found.role is Role.VIEWER
    if "hash" not in spoilt:
        with pytest.raises(AccessError, match="the token `bad` is not as it was written"):
            here.list()
    here.revoke("bad")
    assert here.issue("bad", Role.VIEWER, "ann")
    assert [token.name for token in here.list()] == ["bad", "good"]


def test_tables_of_another_form_are_refused(here: Tokens, tmp_path: Path) -> None:
    here.issue("a", Role.VIEWER, "ann")
    with closing(sqlite3.connect(tmp_path / "access.sqlite")) as connection, connection:
        connection.execute("UPDATE access_head SET form = 9")
    database = AccessDatabase(f"sqlite:///{tmp_path}/access.sqlite")
    with pytest.raises(AccessError, match="form 9"):
        Tokens(database, lambda: NOON).list()
    database.dispose()


def test_while_the_database_is_away_the_tokens_of_before_are_good_for_a_while(here: Tokens, tmp_path: Path) -> None:
    seconds = [0.0]
    database = AccessDatabase(f"sqlite:///{tmp_path}/access.sqlite")
    reading, secret = Tokens(database, lambda: NOON, monotonic=lambda: seconds[0]), here.issue("ci", Role.VIEWER, "ann")
    assert reading.holder(secret) == Holder("ci", Role.VIEWER)
    reading.database = AccessDatabase("postgresql://x:y@127.0.0.1:1/x")
    seconds[0] = KEPT_S
    assert reading.holder(secret) == Holder("ci", Role.VIEWER)
    assert reading.holder("other") is None
    seconds[0] += 0.01
    with pytest.raises(AccessError, match="Connection refused"):
        reading.holder(secret)
    database.dispose()
    reading.database.dispose()


def test_of_many_who_ask_one_reads_and_what_fails_is_not_tried_again_at_once() -> None:
    tried, seconds = list[float](), [0.0]

    def away() -> int:
        tried.append(seconds[0])
        seconds[0] += 5
        raise AccessError("away")

    known = Remembered(away, lambda: seconds[0])
    for _ in range(6):
        with pytest.raises(AccessError, match="away"):
            known()
    assert tried == [0.0]
    seconds[0] += ANEW_S + 0.01
    with pytest.raises(AccessError):
        known()
    assert len(tried) == 2


def test_nobody_who_knows_waits_for_who_reads() -> None:
    asked = list[int]()

    def read() -> int:
        asked.append(len(asked))
        return known() if len(asked) == 2 else 7

    seconds = [0.0]
    known = Remembered(read, lambda: seconds[0])
    assert known() == 7
    seconds[0] += ANEW_S + 0.01
    assert known() == 7, "who asks meanwhile hears what was known"
    assert asked == [0, 1]


def test_a_server_that_is_gone_or_works_for_long_is_waited_for_as_long_as_was_asked(postgresql: Any) -> None:
    database = AccessDatabase(postgresql.get_uri(), 1)
    with database.read() as connection:
        told: Any = connection.connection.dbapi_connection
    bounds = ("tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
    assert [told.info.dsn_parameters[name] for name in bounds] == ["1000", "1", "1", "3"]
    with pytest.raises(AccessError, match="statement timeout"), database.read() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(20)")
    database.dispose()
