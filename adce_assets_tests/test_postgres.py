"""A URL of PostgreSQL is read as the database reads it, and never told with what is secret in it."""

import pytest

from adce_assets import postgres
from adce_assets.postgres import PostgresUrl


@pytest.mark.parametrize(
    ("url", "shown", "secrets"),
    [
        ("postgresql://db/adce", "db/adce", set()),
        ("postgres://me:s3cret@db:5432/adce", "db:5432/adce", {"s3cret"}),
        ("postgresql+psycopg2://me:s%33cret@db/adce", "db/adce", {"s%33cret", "s3cret"}),
        ("postgresql://me@one:1,two:2/adce?target_session_attrs=any", "one:1,two:2/adce", set()),
        ("postgresql://[::1]:5432/adce?password=pa%20ss&sslpassword=key", "[::1]:5432/adce", {"pa ss", "key"}),
        ("postgresql:///adce?host=/run/postgresql", "/adce", set()),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str, secrets: set[str]):
    read = postgres.read(url)
    assert read is not None
    assert (read.shown, set(read.secrets)) == (f"postgresql://{shown}", secrets)
    assert read.url == f"postgresql:{url.partition(':')[2]}"


@pytest.mark.parametrize("url", ["mysql://db/adce", "db/adce", "postgresql://a@b@c/d", "postgresql://me:%zz@db/adce"])
def test_what_is_no_such_url_is_none(url: str):
    assert postgres.read(url) is None


def test_a_url_that_was_read_says_itself_what_it_is():
    assert postgres.read("postgresql://db") == PostgresUrl("postgresql://db", "postgresql://db", ())
